//! Real payloads, where the folder that holds them is there: `VERBATIM_FIXTURES` names it. What
//! each of them is to us is said here; one that nobody knows fails the test.

use std::path::PathBuf;

use super::*;

/// What a file is to us.
#[derive(Debug)]
enum Meant {
    /// A request as we make it; but metadata we never send.
    OurRequest,
    /// An answer to a request of ours, and what it comes to.
    Answer(&'static str),
    /// A payout's status, asked for or called back, and what it comes to.
    Told(&'static str),
    /// News of other money, at an address that all callbacks go to.
    OtherMoney,
    /// An answer to a request about other money: no yes to a payout.
    NotOurs,
    /// A request that is not ours to make: no news of a payout.
    OthersRequest,
}

/// By what the file's name begins with; the first that fits counts.
const MEANT: &[(&str, Meant)] = &[
    ("v1-payout-bulk-request", Meant::OthersRequest),
    ("v1-payout-bulk-response", Meant::Answer("ACCEPTED")),
    ("v1-payout-request", Meant::OthersRequest),
    ("v1-payout-response-accepted", Meant::Answer("ACCEPTED")),
    ("v1-payout-status-completed", Meant::Told("COMPLETED")),
    ("v1-payout-status-submitted", Meant::Told("PROCESSING")),
    ("v2-deposit-callback", Meant::OtherMoney),
    ("v2-deposit-request", Meant::OthersRequest),
    ("v2-deposit-response", Meant::NotOurs),
    ("v2-deposit-status-not-found", Meant::Told("NOT_FOUND")),
    ("v2-deposit-status", Meant::OtherMoney),
    ("v2-error-authentication-error", Meant::Answer("AUTHENTICATION_ERROR")),
    ("v2-error-authorisation-error", Meant::Answer("AUTHORISATION_ERROR")),
    ("v2-payout-callback-completed", Meant::Told("COMPLETED")),
    ("v2-payout-callback-failed-manually-cancelled", Meant::Told("MANUALLY_CANCELLED")),
    ("v2-payout-fail-enqueued-rejected-invalid-state", Meant::Answer("INVALID_STATE")),
    ("v2-payout-request", Meant::OurRequest),
    ("v2-payout-response-accepted", Meant::Answer("ACCEPTED")),
    ("v2-payout-status-completed", Meant::Told("COMPLETED")),
    ("v2-refund-callback", Meant::OtherMoney),
    ("v2-refund-request", Meant::OthersRequest),
    ("v2-refund-response", Meant::NotOurs),
    ("v2-refund-status", Meant::OtherMoney),
    ("v2-remittance-response", Meant::NotOurs),
    ("v2-resend-callback", Meant::NotOurs),
];

fn files() -> Vec<(String, Value)> {
    let Some(dir) = std::env::var_os("VERBATIM_FIXTURES") else {
        println!("VERBATIM_FIXTURES is not set: no real payloads are read");
        return vec![];
    };
    let files = std::fs::read_dir(PathBuf::from(dir).join("pawapay")).unwrap();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap())
    };
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|it| it == "json")).map(read).collect()
}

#[test]
fn every_real_payload_is_understood() {
    for (name, body) in files() {
        let meant = MEANT.iter().find(|(beginning, _)| name.starts_with(beginning));
        let (_, meant) = meant.unwrap_or_else(|| panic!("{name} is known to nobody"));
        let told = parse_callback(body.to_string().as_bytes());
        match meant {
            Meant::OurRequest => assert_eq!(ours(&body), without_metadata(&body), "{name}"),
            Meant::Answer(word) => assert_eq!(answered(&body), *word, "{name}"),
            Meant::Told(word) => assert_eq!(told_of(&body), *word, "{name}"),
            Meant::OtherMoney => assert_eq!(told, Ok(Callback::OfAnotherKind), "{name}"),
            Meant::NotOurs => assert_ne!(answered(&body), "ACCEPTED", "{name}"),
            Meant::OthersRequest => {
                assert!(!matches!(told, Ok(Callback::Payout(_))), "{name}");
            }
        }
    }
}

/// The request that we make for the same payout.
fn ours(request: &Value) -> Value {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str);
    let told = |pointer: &str| text(pointer).unwrap().to_owned();
    let payout = Payout {
        id: told("/payoutId").parse().unwrap(),
        amount: Amount::parse(&told("/amount"), &told("/currency")).unwrap(),
        phone_number: told("/recipient/accountDetails/phoneNumber"),
        provider: told("/recipient/accountDetails/provider"),
        customer_message: text("/customerMessage").map(str::to_owned),
        client_reference: text("/clientReferenceId").map(str::to_owned),
    };
    payout.body()
}

fn without_metadata(request: &Value) -> Value {
    let mut request = request.clone();
    request.as_object_mut().unwrap().remove("metadata");
    request
}

/// What an answer to a submission comes to: PawaPay's word, or why it is none.
fn answered(body: &Value) -> String {
    let mut body = body.get(0).unwrap_or(body).clone();
    // Documentation leaves ids out.
    let ours =
        body["payoutId"].as_str().filter(|id| *id != "...").map_or(ID, |id| id.parse().unwrap());
    if !body["payoutId"].is_null() {
        body["payoutId"] = json!(ours);
    }
    let status = if body["status"].is_null() { 403 } else { 200 };
    let answer = Answer { status, body: body.to_string().into_bytes() };
    match submitted(&answer, ours) {
        Ok(Submitted::Accepted | Submitted::DuplicateIgnored) => "ACCEPTED".into(),
        Ok(Submitted::Rejected(failure)) => failure.code.to_string(),
        Err(lost) => lost.to_string(),
    }
}

/// What a status or callback comes to: the state, or why it failed.
fn told_of(body: &Value) -> String {
    match status::read(body).unwrap() {
        PayoutStatus::NotFound => "NOT_FOUND".into(),
        PayoutStatus::Found(Found { failure: Some(failure), .. }) => failure.code.to_string(),
        PayoutStatus::Found(found) => match found.state {
            State::Completed => "COMPLETED".into(),
            State::Processing => "PROCESSING".into(),
            other => format!("{other:?}"),
        },
    }
}
