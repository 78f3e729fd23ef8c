//! PawaPay, played by a server with prepared answers.
#![allow(clippy::unwrap_used)]

mod fixtures;

use super::*;
use crate::gateways::http::canned::{Canned, Step};

const ID: Uuid = Uuid::from_u128(0x7a11);

fn payout() -> Payout {
    Payout {
        id: ID,
        amount: Amount::new(1250, "ZMW").unwrap(),
        phone_number: "+260 96 0000001".into(),
        provider: "MTN_MOMO_ZMB".into(),
        customer_message: None,
        client_reference: None,
    }
}

fn pawapay(base_url: &str) -> PawaPay {
    PawaPay::new(http::client().unwrap(), base_url).unwrap().with_token("the-token".into())
}

async fn submitting(step: Step) -> Result<Submitted, Lost> {
    let server = Canned::playing([step]).await;
    pawapay(&server.base_url).submit(&payout()).await
}

async fn asking(status: u16, body: Value) -> Result<PayoutStatus, StatusError> {
    let server = Canned::playing([Step::Answer(status, body.to_string())]).await;
    pawapay(&server.base_url).status(ID).await
}

fn said(status: u16, body: &Value) -> Step {
    Step::Answer(status, body.to_string())
}

#[tokio::test]
async fn a_payout_is_asked_for_as_documented() {
    let accepted = json!({"payoutId": ID, "status": "ACCEPTED", "created": "2026-03-01T08:00:00Z"});
    let server = Canned::playing([said(200, &accepted), said(200, &accepted)]).await;
    let pawapay = pawapay(&format!("{}/", server.base_url));
    assert_eq!(pawapay.submit(&payout()).await, Ok(Submitted::Accepted));
    let seen = server.last();
    assert_eq!(seen.line, "POST /v2/payouts");
    assert_eq!(seen.header("authorization"), "Bearer the-token");
    let mut expected = json!({
        "payoutId": ID,
        "amount": "12.5",
        "currency": "ZMW",
        "recipient": {
            "type": "MMO",
            "accountDetails": {"phoneNumber": "260960000001", "provider": "MTN_MOMO_ZMB"},
        },
    });
    assert_eq!(seen.json(), expected);
    let told = Payout {
        customer_message: Some("Refund 12".into()),
        client_reference: Some("R-12".into()),
        ..payout()
    };
    assert_eq!(pawapay.submit(&told).await, Ok(Submitted::Accepted));
    expected["customerMessage"] = json!("Refund 12");
    expected["clientReferenceId"] = json!("R-12");
    assert_eq!(server.last().json(), expected);
}

#[tokio::test]
async fn a_repeat_is_recognised() {
    let body = json!({"payoutId": ID, "status": "DUPLICATE_IGNORED"});
    assert_eq!(submitting(said(200, &body)).await, Ok(Submitted::DuplicateIgnored));
}

#[tokio::test]
async fn a_rejection_says_why() {
    let reason = json!({"failureCode": "AMOUNT_OUT_OF_BOUNDS", "failureMessage": "too much"});
    let rejected = json!({"payoutId": ID, "status": "REJECTED", "failureReason": reason});
    let failure =
        Failure { code: FailureCode::AmountOutOfBounds, message: Some("too much".into()) };
    assert_eq!(submitting(said(200, &rejected)).await, Ok(Submitted::Rejected(failure)));
    let forbidden = json!({"failureReason": {"failureCode": "AUTHENTICATION_ERROR"}});
    let failure = Failure { code: FailureCode::AuthenticationError, message: None };
    assert_eq!(submitting(said(403, &forbidden)).await, Ok(Submitted::Rejected(failure)));
}

#[tokio::test]
async fn only_a_clear_word_says_that_nothing_will_be_paid() {
    let unknown = json!({"failureCode": "UNKNOWN_ERROR"});
    let reason = json!({"failureCode": "INVALID_AMOUNT"});
    let of_another = Uuid::from_u128(1);
    let server = |status| Cause::Server { status, code: None };
    for (step, cause) in [
        (Step::Cut, Cause::Cut),
        (said(500, &json!({"payoutId": ID, "failureReason": unknown})), server(500)),
        (
            said(200, &json!({"payoutId": ID, "status": "REJECTED", "failureReason": unknown})),
            Cause::Unreadable,
        ),
        (
            said(500, &json!({"payoutId": ID, "status": "REJECTED", "failureReason": reason})),
            server(500),
        ),
        (
            said(
                200,
                &json!({"payoutId": of_another, "status": "REJECTED", "failureReason": reason}),
            ),
            Cause::Unreadable,
        ),
        (said(200, &json!({"payoutId": of_another, "status": "ACCEPTED"})), Cause::Unreadable),
        (said(200, &json!({"payoutId": ID, "status": "REJECTED"})), Cause::Unreadable),
        (Step::Answer(502, "<html>".into()), server(502)),
        (Step::Answer(404, "gone".into()), server(404)),
    ] {
        assert_eq!(submitting(step).await, Err(Lost::Unclear(cause)));
    }
    let nobody = Canned::nobody().await;
    assert_eq!(pawapay(&nobody).submit(&payout()).await, Err(Lost::NotSent(Cause::Connect)));
}

#[tokio::test]
async fn a_waiting_payout_can_be_cancelled_until_it_moves() {
    let reason = json!({"failureCode": "INVALID_STATE"});
    let answers = [
        said(200, &json!({"payoutId": ID, "status": "ACCEPTED"})),
        said(200, &json!({"payoutId": ID, "status": "REJECTED", "failureReason": reason})),
    ];
    let server = Canned::playing(answers).await;
    let pawapay = pawapay(&server.base_url);
    assert_eq!(pawapay.cancel_enqueued(ID).await, Ok(Submitted::Accepted));
    let refused = Failure { code: FailureCode::InvalidState, message: None };
    assert_eq!(pawapay.cancel_enqueued(ID).await, Ok(Submitted::Rejected(refused)));
    assert_eq!(server.last().line, format!("POST /v2/payouts/fail-enqueued/{ID}"));
}

#[tokio::test]
async fn the_status_of_a_payout_is_found_or_not() {
    let data = json!({"payoutId": ID, "status": "IN_RECONCILIATION"});
    let found = asking(200, json!({"status": "FOUND", "data": data})).await.unwrap();
    assert!(matches!(found, PayoutStatus::Found(found) if found.state == State::InReconciliation));
    let not_found = json!({"status": "NOT_FOUND"});
    assert_eq!(asking(200, not_found.clone()).await, Ok(PayoutStatus::NotFound));
    assert_eq!(asking(404, not_found).await, Ok(PayoutStatus::NotFound));
}

#[tokio::test]
async fn a_status_that_was_not_told_is_no_evidence() {
    let forbidden = json!({"failureReason": {"failureCode": "AUTHORISATION_ERROR"}});
    let failure = Failure { code: FailureCode::AuthorisationError, message: None };
    assert_eq!(asking(403, forbidden).await, Err(StatusError::Refused(failure)));
    let unclear = |cause| Err(StatusError::Lost(Lost::Unclear(cause)));
    let of_another = json!({"payoutId": Uuid::from_u128(1), "status": "COMPLETED"});
    let told = asking(200, json!({"status": "FOUND", "data": of_another})).await;
    assert_eq!(told, unclear(Cause::Unreadable));
    for status in [404, 500, 503] {
        let cause = Cause::Server { status, code: None };
        assert_eq!(asking(status, Value::Null).await, unclear(cause));
    }
}

#[test]
fn the_token_is_not_written_anywhere() {
    assert!(!format!("{:?}", pawapay("https://api.example.com")).contains("the-token"));
    let client = http::client().unwrap();
    for wrong in ["", "api.example.com", "ftp://example.com", "mailto:a@example.com"] {
        let refused = PawaPay::new(client.clone(), wrong);
        assert_eq!(refused.unwrap_err(), InvalidAddress);
    }
}
