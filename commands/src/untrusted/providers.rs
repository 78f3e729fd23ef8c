//! What Meta and PawaPay answer, and what PawaPay signs.

use std::fmt::Debug;

use chrono::DateTime;
use domain::template::Category;
use uuid::Uuid;

use super::{holds_nul, line};
use crate::gateways::http::{Answer, Cause};
use crate::gateways::pawapay::signature::{self, Message, PublicKey};
use crate::gateways::pawapay::{
    self, Amount, Callback, Failure, FailureCode, Found, PayoutStatus, Submitted, parse_callback,
};
use crate::gateways::whatsapp::graph::{
    self, Accepted, Created, Listed, MediaInfo, Page, SendError,
};
use crate::templates;

/// A status in a line, then the body, as every answer that the Graph API gives. Only a success is
/// one, and a server that failed says nothing for sure.
pub fn graph_answers(bytes: &[u8]) {
    let answer = answer(bytes);
    is_told(&answer, &Accepted::read(&answer));
    is_told(&answer, &MediaInfo::read(&answer));
    is_told(&answer, &Page::read(&answer));
    is_told(&answer, &graph::understood::<Created>(&answer));
    let listed = graph::understood::<Listed>(&answer);
    is_told(&answer, &listed);
    for category in Category::ALL {
        let Ok(Ok(content)) = listed.as_ref().map(|it| templates::content(it, Some(category)))
        else {
            continue;
        };
        let written = serde_json::to_string(&content).unwrap_or_default();
        assert_eq!(serde_json::from_str(&written).ok(), Some(content), "{written}");
    }
}

fn is_told<T: Debug>(answer: &Answer, told: &Result<T, SendError>) {
    assert!(!holds_nul(told), "{told:?}");
    let success = (200..300).contains(&answer.status);
    let fits = match told {
        Ok(_) | Err(SendError::Unclear(Cause::Unreadable)) => success,
        Err(SendError::Refused(_)) => !success,
        Err(SendError::Unclear(_)) => answer.status >= 500 || answer.status == 408,
        Err(SendError::NotSent(_)) => false,
    };
    assert!(fits, "{answer:?}: {told:?}");
}

/// The payout that all answers are about.
const PAYOUT: Uuid = Uuid::from_u128(0x8917_c345_4791_4285_a416_62f2_4b69_82db);

/// A status in a line, then the body: of a callback, of a submission, of a question.
pub fn pawapay_answers(bytes: &[u8]) {
    let answer = answer(bytes);
    let success = (200..300).contains(&answer.status);
    if let Ok(Callback::Payout(found)) = parse_callback(&answer.body) {
        is_sound(&found);
    }
    match pawapay::submitted(&answer, PAYOUT) {
        Ok(Submitted::Accepted | Submitted::DuplicateIgnored) => assert!(success, "{answer:?}"),
        Ok(Submitted::Rejected(failure)) => {
            assert!(answer.status < 500, "{answer:?}");
            assert_ne!(failure.code, FailureCode::UnknownError);
            is_worded(&failure);
        }
        Err(_) => {}
    }
    match pawapay::told(&answer, PAYOUT) {
        Ok(PayoutStatus::Found(found)) => {
            assert!(success && found.is(PAYOUT), "{answer:?}");
            is_sound(&found);
        }
        Ok(PayoutStatus::NotFound) => assert!(success || answer.status == 404, "{answer:?}"),
        Err(error) => assert!(!holds_nul(&error), "{error:?}"),
    }
}

fn is_sound(found: &Found) {
    assert!(!holds_nul(found), "{found:?}");
    if let Some(amount) = found.amount {
        assert_eq!(Amount::parse(&amount.decimal(), amount.currency()), Ok(amount));
        assert_eq!(Amount::new(amount.minor(), amount.currency()), Ok(amount));
    }
    found.failure.iter().for_each(is_worded);
}

fn is_worded(failure: &Failure) {
    assert!(!holds_nul(failure), "{failure:?}");
    assert_eq!(FailureCode::parse(failure.code.as_str()), failure.code);
}

/// Nobody has its other half.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbd4MLqOf75xHj90Gv5dzUW6RsMQ5\n\
    rLOjk8y9Fkv9MELl6P9szHenY7onMYsj0sMhU4d8RQIZ5vXbMnsUiLr53A==\n\
    -----END PUBLIC KEY-----\n";
/// All that was ever signed with it.
const BODY: &[u8] = br#"{"payoutId":"8917c345-4791-4285-a416-62f24b6982db","status":"COMPLETED"}"#;

/// Headers, an empty line, and a body; or a key in PEM. What proves to be signed is what was signed:
/// any other would be a forgery.
pub fn pawapay_signatures(bytes: &[u8]) {
    if let Ok(pem) = std::str::from_utf8(bytes)
        && let Ok(key) = PublicKey::parse(pem)
    {
        assert!(!key.signed(None, BODY, bytes) && !key.signed(Some("rsa-pss-sha512"), BODY, bytes));
    }
    let (mut headers, mut rest) = (vec![], bytes);
    let body = loop {
        let (header, after) = line(rest);
        rest = after;
        match std::str::from_utf8(header).ok().and_then(|header| header.split_once(": ")) {
            Some(header) => headers.push(header),
            None => break after,
        }
    };
    let header = |wanted: &str| {
        let told = headers.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let told: Vec<&str> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    };
    let (authority, path) = ("pay.example.com", "/webhooks/pawapay/7");
    let message = Message { method: "POST", authority, path, header: &header, body };
    let now = DateTime::from_timestamp(1_772_355_610, 0).unwrap_or_default();
    let Ok(key) = PublicKey::parse(KEY) else { unreachable!("it is a key") };
    if signature::verify(&key, &message, now).is_ok() {
        assert!(signature::is_signed(&message) && body == BODY, "{headers:?}");
        let told = |name: &str| header(name).map(|value| value.trim().to_owned());
        assert_eq!(told("signature-date").as_deref(), Some("2026-03-01T09:00:00Z"));
        let elsewhere = Message { path: "/webhooks/pawapay/8", ..message };
        assert!(signature::verify(&key, &elsewhere, now).is_err());
    }
}

/// A status as it could have come, and a body.
fn answer(bytes: &[u8]) -> Answer {
    let (status, body) = line(bytes);
    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok());
    let status = status.filter(|status| (100..1000).contains(status)).unwrap_or(200);
    Answer { status, body: body.to_vec() }
}
