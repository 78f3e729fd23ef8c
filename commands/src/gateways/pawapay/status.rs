//! What PawaPay tells of a payout, asked or by itself.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Amount, Failure};
use crate::gateways::json;

/// Why a callback can't be understood. Quotes nothing that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayoutStatus {
    /// PawaPay has never taken it; or not yet, within minutes of submitting.
    NotFound,
    Found(Found),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub payout_id: String,
    pub state: State,
    /// Missing where it isn't told, or no amount of its currency.
    pub amount: Option<Amount>,
    pub phone_number: Option<String>,
    pub provider: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    /// Under which the operator and the recipient know it.
    pub provider_transaction_id: Option<String>,
    pub failure: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Accepted,
    /// Waits for its operator to work again.
    Enqueued,
    Processing,
    /// PawaPay is finding out itself.
    InReconciliation,
    Completed,
    Failed,
    /// A word that we don't know: nothing is decided by it.
    Other(String),
}

impl State {
    fn parse(word: &str) -> State {
        match word {
            "ACCEPTED" => State::Accepted,
            "ENQUEUED" => State::Enqueued,
            // Version 1 says SUBMITTED.
            "PROCESSING" | "SUBMITTED" => State::Processing,
            "IN_RECONCILIATION" => State::InReconciliation,
            "COMPLETED" => State::Completed,
            "FAILED" => State::Failed,
            other => State::Other(other.to_owned()),
        }
    }

    pub fn is_final(&self) -> bool {
        matches!(self, State::Completed | State::Failed)
    }
}

impl Found {
    pub fn is(&self, payout: Uuid) -> bool {
        Uuid::parse_str(&self.payout_id) == Ok(payout)
    }
}

/// What a callback is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    Payout(Found),
    /// A deposit, a refund or a remittance: PawaPay tells of those, too, where it is given one
    /// address for all.
    OfAnotherKind,
}

/// Reads the body of a webhook. Nobody vouches for it: ask for the status before believing it.
pub fn parse_callback(body: &[u8]) -> Result<Callback, Malformed> {
    let body = json::read(body).map_err(|_| Malformed("not JSON"))?;
    let told = body.get("data").unwrap_or(&body);
    let others = ["depositId", "refundId", "remittanceId"];
    if told["payoutId"].is_null() && others.iter().any(|id| told[*id].is_string()) {
        return Ok(Callback::OfAnotherKind);
    }
    match read(&body)? {
        PayoutStatus::Found(found) => Ok(Callback::Payout(found)),
        PayoutStatus::NotFound => Err(Malformed("about no payout")),
    }
}

/// A status comes in an envelope, a callback bare, and version 1 sends a list of none or one.
pub(super) fn read(body: &Value) -> Result<PayoutStatus, Malformed> {
    match body {
        Value::Array(payouts) => match payouts.as_slice() {
            [] => Ok(PayoutStatus::NotFound),
            [payout] => found(payout).map(PayoutStatus::Found),
            _ => Err(Malformed("more than one payout")),
        },
        Value::Object(envelope) => match (body["status"].as_str(), envelope.get("data")) {
            (Some("NOT_FOUND"), None | Some(Value::Null)) => Ok(PayoutStatus::NotFound),
            (Some("FOUND"), Some(data)) => found(data).map(PayoutStatus::Found),
            _ => found(body).map(PayoutStatus::Found),
        },
        _ => Err(Malformed("not an object")),
    }
}

fn found(payout: &Value) -> Result<Found, Malformed> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let payout_id = text(&payout["payoutId"]).ok_or(Malformed("payoutId is missing"))?;
    let state = payout["status"].as_str().ok_or(Malformed("status is missing"))?;
    let recipient = &payout["recipient"];
    let account = &recipient["accountDetails"];
    let amount = payout["amount"].as_str().zip(payout["currency"].as_str());
    let created = payout["created"].as_str();
    let by_operator = payout["correspondentIds"].as_object();
    let by_operator = by_operator.and_then(|ids| ids.values().find_map(text));
    Ok(Found {
        payout_id,
        state: State::parse(state),
        amount: amount.and_then(|(amount, currency)| Amount::parse(amount, currency).ok()),
        phone_number: text(&account["phoneNumber"])
            .or_else(|| text(&recipient["address"]["value"])),
        provider: text(&account["provider"]).or_else(|| text(&payout["correspondent"])),
        created_at: created
            .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
            .map(|at| at.with_timezone(&Utc)),
        provider_transaction_id: text(&payout["providerTransactionId"]).or(by_operator),
        failure: Failure::read(payout),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::gateways::pawapay::FailureCode;
    use proptest::prelude::*;
    use serde_json::json;

    fn callback(body: &Value) -> Result<Callback, Malformed> {
        parse_callback(body.to_string().as_bytes())
    }

    fn understood(body: &Value) -> Found {
        match callback(body).unwrap() {
            Callback::Payout(found) => found,
            Callback::OfAnotherKind => unreachable!("it is a payout"),
        }
    }

    #[test]
    fn a_completed_payout_tells_how_much_went_to_whom() {
        let id = Uuid::from_u128(7);
        let body = json!({
            "payoutId": id,
            "status": "COMPLETED",
            "amount": "2500.00",
            "currency": "RWF",
            "country": "RWA",
            "recipient": {
                "type": "MMO",
                "accountDetails": {"phoneNumber": "250780000001", "provider": "AIRTEL_RWA"},
            },
            "created": "2026-03-01T08:00:00Z",
            "providerTransactionId": "T-77",
            "failureReason": null,
        });
        let found = understood(&body);
        assert!(found.is(id) && !found.is(Uuid::from_u128(8)));
        assert_eq!(found.state, State::Completed);
        assert_eq!(found.amount, Amount::new(2500, "RWF").ok());
        assert_eq!(found.phone_number.as_deref(), Some("250780000001"));
        assert_eq!(found.provider.as_deref(), Some("AIRTEL_RWA"));
        assert_eq!(found.created_at.unwrap().to_rfc3339(), "2026-03-01T08:00:00+00:00");
        assert_eq!(found.provider_transaction_id.as_deref(), Some("T-77"));
        assert_eq!(found.failure, None);
        assert_eq!(understood(&json!({"status": "FOUND", "data": body})), found);
    }

    #[test]
    fn a_failed_payout_says_why() {
        let found = understood(&json!({
            "payoutId": "p",
            "status": "FAILED",
            "failureReason": {"failureCode": "RECIPIENT_NOT_FOUND", "failureMessage": "nobody"},
        }));
        let failure = found.failure.unwrap();
        assert_eq!(failure.code, FailureCode::RecipientNotFound);
        assert_eq!(failure.to_string(), "RECIPIENT_NOT_FOUND: nobody");
    }

    #[test]
    fn version_one_says_the_same_in_other_words() {
        let found = understood(&json!([{
            "payoutId": "p",
            "status": "SUBMITTED",
            "amount": "1.5",
            "currency": "ZMW",
            "correspondent": "MTN_MOMO_ZMB",
            "recipient": {"type": "MSISDN", "address": {"value": "260960000001"}},
            "correspondentIds": {"MTN": "99"},
        }]));
        assert_eq!(found.state, State::Processing);
        assert_eq!(found.phone_number.as_deref(), Some("260960000001"));
        assert_eq!(found.provider.as_deref(), Some("MTN_MOMO_ZMB"));
        assert_eq!(found.provider_transaction_id.as_deref(), Some("99"));
        assert_eq!(read(&json!([])), Ok(PayoutStatus::NotFound));
        assert_eq!(callback(&json!([])), Err(Malformed("about no payout")));
    }

    #[test]
    fn a_state_of_tomorrow_decides_nothing() {
        let found = understood(&json!({"payoutId": "p", "status": "TELEPORTED"}));
        assert_eq!(found.state, State::Other("TELEPORTED".into()));
        assert!(!found.state.is_final());
    }

    #[test]
    fn news_of_other_money_is_known_as_such() {
        for id in ["depositId", "refundId", "remittanceId"] {
            let body = json!({id: "d", "status": "COMPLETED"});
            assert_eq!(callback(&body), Ok(Callback::OfAnotherKind));
            let status = json!({"status": "FOUND", "data": body});
            assert_eq!(callback(&status), Ok(Callback::OfAnotherKind));
        }
    }

    #[test]
    fn what_is_not_about_a_payout_is_refused() {
        assert_eq!(parse_callback(b"pay!"), Err(Malformed("not JSON")));
        assert_eq!(callback(&json!("p")), Err(Malformed("not an object")));
        let nothing = json!({"status": "COMPLETED"});
        assert_eq!(callback(&nothing), Err(Malformed("payoutId is missing")));
        assert_eq!(callback(&json!({"payoutId": "p"})), Err(Malformed("status is missing")));
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(body in any::<Vec<u8>>(), word in ".*", other in ".*") {
            let _ = parse_callback(&body);
            let _ = callback(&json!({
                "payoutId": word, "status": other, "amount": other, "currency": word,
                "created": other, "recipient": word, "failureReason": {"failureCode": word},
            }));
        }
    }
}
