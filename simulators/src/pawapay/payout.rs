//! One payout as pawaPay keeps it, and how it is told in statuses and in callbacks.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::amount::Amount;
use crate::script::{Lie, Trouble};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Accepted,
    Enqueued,
    Processing,
    InReconciliation,
    Completed,
    Failed(&'static str),
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Accepted => "ACCEPTED",
            Status::Enqueued => "ENQUEUED",
            Status::Processing => "PROCESSING",
            Status::InReconciliation => "IN_RECONCILIATION",
            Status::Completed => "COMPLETED",
            Status::Failed(_) => "FAILED",
        }
    }

    pub(super) fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed(_))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Payout {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) amount: Amount,
    /// The request, whose words come back in every answer.
    pub(super) asked: Value,
    pub(super) country: &'static str,
    pub(super) created: DateTime<Utc>,
    pub(super) provider_transaction_id: String,
    /// What a test has in store for it.
    pub(super) trouble: Trouble<&'static str>,
}

impl Payout {
    pub(super) fn asked(&self, pointer: &str) -> String {
        self.asked.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn provider(&self) -> String {
        self.asked("/recipient/accountDetails/provider")
    }

    /// The `data` of a status.
    pub(super) fn told(&self) -> Value {
        let mut told = self.shown(self.status, self.amount);
        told["clientReferenceId"] = self.asked["clientReferenceId"].clone();
        without_nulls(told)
    }

    /// A callback, which has no `clientReferenceId`.
    pub(super) fn callback(&self, lie: Option<Lie>) -> Value {
        let (mut status, mut amount) = (self.status, self.amount);
        match (lie, self.status) {
            (Some(Lie::Verdict), Status::Completed) => {
                status = Status::Failed("UNSPECIFIED_FAILURE");
            }
            (Some(Lie::Verdict), _) => status = Status::Completed,
            (Some(Lie::Amount), _) => amount.hundredths *= 10,
            (None, _) => {}
        }
        without_nulls(self.shown(status, amount))
    }

    /// A callback from when it was being processed.
    pub(super) fn outdated(&self) -> Value {
        without_nulls(self.shown(Status::Processing, self.amount))
    }

    fn shown(&self, status: Status, amount: Amount) -> Value {
        let mut shown = json!({
            "payoutId": self.id,
            "status": status.name(),
            "amount": amount.shown(),
            "currency": self.asked["currency"],
            "country": self.country,
            "recipient": self.asked["recipient"],
            "customerMessage": self.asked["customerMessage"],
            "created": instant(self.created),
            "metadata": metadata(&self.asked["metadata"]),
        });
        match status {
            Status::Completed => {
                shown["providerTransactionId"] = json!(self.provider_transaction_id);
            }
            Status::Failed(code) => shown["failureReason"] = failure(code, message(code)),
            _ => {}
        }
        shown
    }
}

pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn failure(code: &str, message: impl Into<String>) -> Value {
    json!({"failureCode": code, "failureMessage": message.into()})
}

/// What pawaPay says to a code when there is nothing more particular to say.
pub(super) fn message(code: &str) -> &'static str {
    match code {
        "NO_AUTHENTICATION" => "There is no API token in the request.",
        "AUTHENTICATION_ERROR" => "The API token in the request is invalid.",
        "AUTHORISATION_ERROR" => "The API token may not be used for this endpoint.",
        "PAYOUTS_NOT_ALLOWED" => "Payouts are not enabled for this account.",
        "RECIPIENT_NOT_FOUND" => "The phone number does not belong to the provider.",
        "RECIPIENT_LIMIT_REACHED" | "WALLET_LIMIT_REACHED" => {
            "The recipient's wallet has reached a limit."
        }
        "PAWAPAY_WALLET_OUT_OF_FUNDS" => "There is not enough money in the wallet.",
        "MANUALLY_CANCELLED" => "The payout was cancelled by request.",
        "UNSPECIFIED_FAILURE" => "The provider gave no reason.",
        "UNKNOWN_ERROR" => "The request could not be processed for a reason that is not known.",
        "PROVIDER_TEMPORARILY_UNAVAILABLE" => "The provider is not available at the moment.",
        _ => "The payout was refused.",
    }
}

/// A list of single fields in the request is one object in the answers.
fn metadata(asked: &Value) -> Value {
    let Some(fields) = asked.as_array() else { return Value::Null };
    let fields = fields.iter().filter_map(Value::as_object).flatten();
    let told = fields.filter(|(name, _)| *name != "isPII");
    Value::Object(told.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
