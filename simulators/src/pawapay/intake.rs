//! What a request for a payout must look like, in the order in which pawaPay looks.

use std::collections::HashSet;

use serde_json::{Value, json};
use uuid::Uuid;

use super::amount::Amount;
use super::payout::{failure, message};
use super::provider::Provider;
use crate::server::Reply;

const FIELDS: &[&str] = &[
    "payoutId",
    "amount",
    "currency",
    "recipient",
    "customerMessage",
    "clientReferenceId",
    "metadata",
];

/// Why nothing came of a request.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn of(code: &'static str) -> Refusal {
        Refusal::because(code, message(code))
    }

    pub(super) fn because(code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    /// Where there is no payout to speak of.
    pub(super) fn bare(&self) -> Reply {
        let reason = failure(self.code, self.message.as_str());
        Reply::json(http_status(self.code), &json!({"failureReason": reason}))
    }

    /// About a payout: rejected, except where pawaPay itself doesn't know.
    pub(super) fn about(&self, id: &Value) -> Reply {
        let reason = failure(self.code, self.message.as_str());
        let mut answer = json!({"failureReason": reason});
        if !id.is_null() {
            answer["payoutId"] = id.clone();
        }
        if self.code != "UNKNOWN_ERROR" {
            answer["status"] = json!("REJECTED");
        }
        Reply::json(http_status(self.code), &answer)
    }
}

/// What business refuses comes with 200; what a program did wrong doesn't.
fn http_status(code: &str) -> u16 {
    match code {
        "NO_AUTHENTICATION" => 401,
        "AUTHENTICATION_ERROR"
        | "AUTHORISATION_ERROR"
        | "HTTP_SIGNATURE_ERROR"
        | "PAYOUTS_NOT_ALLOWED" => 403,
        "INVALID_INPUT"
        | "MISSING_PARAMETER"
        | "UNSUPPORTED_PARAMETER"
        | "INVALID_PARAMETER"
        | "DUPLICATE_METADATA_FIELD" => 400,
        "UNKNOWN_ERROR" => 500,
        _ => 200,
    }
}

pub(super) fn check(asked: &Value) -> Result<(Amount, &'static Provider), Refusal> {
    let Some(fields) = asked.as_object() else {
        let message = "The body of the request can't be parsed.";
        return Err(Refusal::because("INVALID_INPUT", message));
    };
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let message = format!("The parameter '{unknown}' is not supported.");
        return Err(Refusal::because("UNSUPPORTED_PARAMETER", message));
    }
    let id = text(asked, "/payoutId")?;
    if id.len() != 36 || Uuid::parse_str(id).is_err() {
        return Err(invalid("payoutId", "it is not a UUID"));
    }
    let amount = text(asked, "/amount")?;
    let currency = text(asked, "/currency")?;
    if text(asked, "/recipient/type")? != "MMO" {
        return Err(invalid("recipient.type", "it must be MMO"));
    }
    let phone_number = text(asked, "/recipient/accountDetails/phoneNumber")?;
    let provider = text(asked, "/recipient/accountDetails/provider")?;
    words(asked)?;
    metadata(&asked["metadata"])?;
    let amount = Amount::parse(amount)
        .ok_or_else(|| invalid("amount", "it must be a decimal number written as text"))?;
    business(amount, currency, phone_number, provider)
}

fn business(
    amount: Amount,
    currency: &str,
    phone_number: &str,
    provider: &str,
) -> Result<(Amount, &'static Provider), Refusal> {
    let Some(known) = Provider::find(provider) else {
        let message = format!("The provider '{provider}' is not enabled for this account.");
        return Err(Refusal::because("INVALID_PROVIDER", message));
    };
    if !known.currencies.contains(&currency) {
        let message = format!("The currency '{currency}' is not supported by '{provider}'.");
        return Err(Refusal::because("INVALID_CURRENCY", message));
    }
    if !known.serves(phone_number) {
        let message = format!("The phone number '{phone_number}' is none of '{provider}'.");
        return Err(Refusal::because("INVALID_PHONE_NUMBER", message));
    }
    if amount.decimals > known.decimals {
        let message = format!("'{provider}' takes amounts with {} decimals.", known.decimals);
        return Err(Refusal::because("INVALID_AMOUNT", message));
    }
    if !(100..=1_000_000_000).contains(&amount.hundredths) {
        let message = format!("The amount must be from 1 to 10000000 {currency}.");
        return Err(Refusal::because("AMOUNT_OUT_OF_BOUNDS", message));
    }
    Ok((amount, known))
}

fn words(asked: &Value) -> Result<(), Refusal> {
    if let Some(message) = asked["customerMessage"].as_str() {
        // The reference allows letters, digits and spaces; its own samples have hyphens too.
        let plain = message.chars().all(|c| c.is_ascii_alphanumeric() || " -".contains(c));
        if !plain || !(4..=22).contains(&message.len()) {
            let why = "it must have 4 to 22 plain letters, digits and spaces";
            return Err(invalid("customerMessage", why));
        }
    }
    for name in ["customerMessage", "clientReferenceId"] {
        if !asked[name].is_null() && !asked[name].is_string() {
            return Err(invalid(name, "it must be a text"));
        }
    }
    Ok(())
}

fn metadata(metadata: &Value) -> Result<(), Refusal> {
    if metadata.is_null() {
        return Ok(());
    }
    let fields = metadata.as_array().filter(|fields| fields.len() <= 10);
    let Some(fields) = fields else {
        return Err(invalid("metadata", "it must be a list of at most 10 fields"));
    };
    let mut seen = HashSet::new();
    for field in fields {
        let Some(field) = field.as_object() else {
            return Err(invalid("metadata", "each of its fields must be an object"));
        };
        for name in field.keys().filter(|name| *name != "isPII") {
            if !seen.insert(name) {
                let message = format!("The metadata field '{name}' stands there twice.");
                return Err(Refusal::because("DUPLICATE_METADATA_FIELD", message));
            }
        }
    }
    Ok(())
}

fn text<'a>(asked: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    let name = pointer[1..].replace('/', ".");
    match asked.pointer(pointer) {
        None | Some(Value::Null) => {
            let message = format!("The parameter '{name}' is missing.");
            Err(Refusal::because("MISSING_PARAMETER", message))
        }
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(invalid(&name, "it must be a text")),
    }
}

fn invalid(name: &str, why: &str) -> Refusal {
    Refusal::because("INVALID_PARAMETER", format!("The parameter '{name}' is invalid: {why}."))
}
