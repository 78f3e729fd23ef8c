//! PawaPay, which pays out to mobile-money wallets. The payout's own id makes submitting it
//! repeatable: a second time is recognised and ignored. Version 2 is spoken; answers of version 1
//! are understood.

mod amount;
mod failure;
pub mod signature;
mod status;

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateways::http::{self, Answer, Cause, Lost};
use crate::gateways::json;
pub use amount::{Amount, InvalidAmount};
pub use failure::{Failure, FailureCode};
pub use status::{Callback, Found, Malformed, PayoutStatus, State, parse_callback};

/// How long a call may take, all together. A lease on the work behind it has to be longer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

const LONGEST: usize = 1 << 20;

/// The way to PawaPay, for one account or not yet for any.
#[derive(Clone)]
pub struct PawaPay {
    client: Client,
    base: Url,
    token: String,
}

impl fmt::Debug for PawaPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PawaPay").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the base address of PawaPay has to be an http or https URL")]
pub struct InvalidAddress;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    pub id: Uuid,
    pub amount: Amount,
    /// Of the wallet, with its country code; only the digits are sent.
    pub phone_number: String,
    /// The wallet's operator, like `MTN_MOMO_RWA`.
    pub provider: String,
    /// What the recipient reads on the statement: 4 to 22 letters, digits and spaces.
    pub customer_message: Option<String>,
    pub client_reference: Option<String>,
}

/// What PawaPay says to a request, before the money moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    Accepted,
    /// It has a payout of this id; what became of that one, its status tells.
    DuplicateIgnored,
    /// It will never be paid under this request.
    Rejected(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    #[error(transparent)]
    Refused(Failure),
    #[error(transparent)]
    Lost(#[from] Lost),
}

impl PawaPay {
    /// `base_url` is `https://api.pawapay.io` or its sandbox.
    pub fn new(client: Client, base_url: &str) -> Result<PawaPay, InvalidAddress> {
        let base = Url::parse(base_url).map_err(|_| InvalidAddress)?;
        let usable = matches!(base.scheme(), "http" | "https") && !base.cannot_be_a_base();
        let token = String::new();
        if usable { Ok(PawaPay { client, base, token }) } else { Err(InvalidAddress) }
    }

    /// The way of the account that this API token opens.
    pub fn with_token(&self, token: String) -> PawaPay {
        PawaPay { token, ..self.clone() }
    }

    /// Asks for a payout. After `Unclear` the status decides; the same payout may also be submitted
    /// again.
    pub async fn submit(&self, payout: &Payout) -> Result<Submitted, Lost> {
        let request = self.request(Method::POST, &["v2", "payouts"]).json(&payout.body());
        submitted(&http::call(request, TIMEOUT, LONGEST).await?, payout.id)
    }

    /// Asks to fail a payout that waits for its operator. `Accepted` means that this will be tried;
    /// a callback tells how it ended.
    pub async fn cancel_enqueued(&self, payout: Uuid) -> Result<Submitted, Lost> {
        let id = payout.to_string();
        let request = self.request(Method::POST, &["v2", "payouts", "fail-enqueued", &id]);
        submitted(&http::call(request, TIMEOUT, LONGEST).await?, payout)
    }

    /// What PawaPay knows of a payout: the only word to trust, since anybody can send a callback.
    pub async fn status(&self, payout: Uuid) -> Result<PayoutStatus, StatusError> {
        let request = self.request(Method::GET, &["v2", "payouts", &payout.to_string()]);
        let answer = http::call(request, TIMEOUT, LONGEST).await?;
        told(&answer, payout)
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.client.request(method, url).bearer_auth(&self.token)
    }
}

impl Payout {
    fn body(&self) -> Value {
        let digits: String = self.phone_number.chars().filter(char::is_ascii_digit).collect();
        let mut body = json!({
            "payoutId": self.id,
            "amount": self.amount.decimal(),
            "currency": self.amount.currency(),
            "recipient": {
                "type": "MMO",
                "accountDetails": {"phoneNumber": digits, "provider": self.provider},
            },
        });
        if let Some(message) = &self.customer_message {
            body["customerMessage"] = json!(message);
        }
        if let Some(reference) = &self.client_reference {
            body["clientReferenceId"] = json!(reference);
        }
        body
    }
}

/// Money may have moved unless the answer says clearly that it didn't.
pub(crate) fn submitted(answer: &Answer, payout: Uuid) -> Result<Submitted, Lost> {
    let body = json::read(&answer.body).unwrap_or_default();
    // Version 1 answers a list to a list.
    let body = body.get(0).unwrap_or(&body);
    let failure = Failure::read(body).filter(|failure| failure.code != FailureCode::UnknownError);
    // Whether it names our payout, if any.
    let ours = body["payoutId"].as_str().map(|id| Uuid::parse_str(id) == Ok(payout));
    let success = (200..300).contains(&answer.status);
    let client_error = (400..500).contains(&answer.status) && answer.status != 408;
    match (body["status"].as_str(), failure) {
        (Some("ACCEPTED"), _) if success && ours == Some(true) => Ok(Submitted::Accepted),
        (Some("DUPLICATE_IGNORED"), _) if success && ours == Some(true) => {
            Ok(Submitted::DuplicateIgnored)
        }
        (Some("REJECTED"), Some(failure)) if (success || client_error) && ours != Some(false) => {
            Ok(Submitted::Rejected(failure))
        }
        // The request never became a payout: token, permission, form.
        (None, Some(failure)) if client_error => Ok(Submitted::Rejected(failure)),
        _ if success => Err(Lost::Unclear(Cause::Unreadable)),
        _ => Err(Lost::Unclear(Cause::Server { status: answer.status, code: None })),
    }
}

pub(crate) fn told(answer: &Answer, payout: Uuid) -> Result<PayoutStatus, StatusError> {
    let server = Lost::Unclear(Cause::Server { status: answer.status, code: None });
    let success = (200..300).contains(&answer.status);
    let body = json::read(&answer.body).unwrap_or_default();
    match status::read(&body) {
        Ok(PayoutStatus::Found(found)) if success && found.is(payout) => {
            Ok(PayoutStatus::Found(found))
        }
        Ok(PayoutStatus::NotFound) if success || answer.status == 404 => Ok(PayoutStatus::NotFound),
        Err(_) if (400..500).contains(&answer.status) => match Failure::read(&body) {
            Some(failure) => Err(StatusError::Refused(failure)),
            None => Err(server.into()),
        },
        _ if success => Err(Lost::Unclear(Cause::Unreadable).into()),
        _ => Err(server.into()),
    }
}

#[cfg(test)]
mod tests;
