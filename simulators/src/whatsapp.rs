//! WhatsApp's side of a line: webhook bodies as Meta's Cloud API forms them, and their signature.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

mod day;
pub mod people;

pub use day::day;
pub use people::{Person, customer};

/// One WhatsApp number of a business, by the names that Meta gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The WhatsApp Business Account, which is the `id` of every entry.
    pub account_id: String,
    pub phone_number_id: String,
    /// Digits with country code.
    pub display_phone_number: String,
}

/// The line of a made-up shop.
pub fn line() -> Line {
    Line {
        account_id: "1097".to_owned(),
        phone_number_id: "1044".to_owned(),
        display_phone_number: "15550100200".to_owned(),
    }
}

/// One POST to our webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When the webhook arrives, which is some time after what it tells of.
    pub at: DateTime<Utc>,
    pub body: Vec<u8>,
}

/// The value of `X-Hub-Signature-256` for a body.
pub fn sign(app_secret: &str, body: &[u8]) -> String {
    // HMAC fills a short key up with zeros and hashes a long one. Doing so here leaves a key of
    // exactly one block, which can't be refused.
    let mut key = [0u8; 64];
    let secret = app_secret.as_bytes();
    if secret.len() > key.len() {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret);
    }
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&key.into());
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The value of a `messages` change with one message from one person. `content` stands under the
/// message's kind (null: nothing does), the fields of the object `extras` beside it: `context`,
/// `referral`, `errors`, `group_id`.
pub fn message(
    line: &Line,
    from: &Person,
    id: &str,
    at: DateTime<Utc>,
    kind: &str,
    content: Value,
    extras: Value,
) -> Value {
    messages(line, &[from], vec![said(from, id, at, kind, content, extras)])
}

/// The value of a `messages` change with several messages. A person stands in `contacts` once.
pub fn messages(line: &Line, from: &[&Person], messages: Vec<Value>) -> Value {
    with_contacts(line, from, "messages", messages)
}

/// The value of a `messages` change with statuses of messages that the business sent.
pub fn statuses(line: &Line, of: &[&Person], statuses: Vec<Value>) -> Value {
    with_contacts(line, of, "statuses", statuses)
}

/// The value of an `smb_message_echoes` change: what staff wrote in the WhatsApp Business app.
pub fn echoes(line: &Line, echoes: Vec<Value>) -> Value {
    with_contacts(line, &[], "message_echoes", echoes)
}

/// A whole webhook body with one change.
pub fn envelope(line: &Line, field: &str, value: Value) -> Value {
    envelope_of(vec![entry(line, field, value)])
}

/// A whole webhook body from entries, for those that tell several things at once.
pub fn envelope_of(entries: Vec<Value>) -> Value {
    json!({"object": "whatsapp_business_account", "entry": entries})
}

/// What happened on one account. Notices about the account itself also carry a `time`.
pub fn entry(line: &Line, field: &str, value: Value) -> Value {
    json!({"id": line.account_id, "changes": [{"field": field, "value": value}]})
}

/// The bytes that Meta would send and sign. Keys are sorted, because their order otherwise depends
/// on features that other crates of a build switch on in `serde_json`.
pub fn bytes(mut envelope: Value) -> Vec<u8> {
    envelope.sort_all_objects();
    envelope.to_string().into_bytes()
}

/// One message from a person, as it stands in `messages`.
pub fn said(
    from: &Person,
    id: &str,
    at: DateTime<Utc>,
    kind: &str,
    content: Value,
    extras: Value,
) -> Value {
    let mut message = Map::new();
    from.addressed_as(&mut message, "from", "from_user_id");
    fill(message, id, at, kind, content, extras)
}

/// One message to a person that staff wrote in the app, as it stands in `message_echoes`.
pub fn echoed(
    line: &Line,
    to: &Person,
    id: &str,
    at: DateTime<Utc>,
    kind: &str,
    content: Value,
) -> Value {
    let mut message = Map::new();
    message.insert("from".into(), json!(line.display_phone_number));
    to.addressed_as(&mut message, "to", "to_user_id");
    fill(message, id, at, kind, content, Value::Null)
}

/// What became of a message to a person, as it stands in `statuses`. `extras` holds `pricing`,
/// `conversation`, `errors`, `biz_opaque_callback_data`.
pub fn status(to: &Person, id: &str, at: DateTime<Utc>, status: &str, extras: Value) -> Value {
    let mut fields = Map::new();
    to.addressed_as(&mut fields, "recipient_id", "recipient_user_id");
    fields.insert("id".into(), json!(id));
    fields.insert("status".into(), json!(status));
    fields.insert("timestamp".into(), json!(at.timestamp().to_string()));
    extend(&mut fields, extras);
    Value::Object(fields)
}

fn fill(
    mut message: Map<String, Value>,
    id: &str,
    at: DateTime<Utc>,
    kind: &str,
    content: Value,
    extras: Value,
) -> Value {
    message.insert("id".into(), json!(id));
    message.insert("timestamp".into(), json!(at.timestamp().to_string()));
    message.insert("type".into(), json!(kind));
    if !content.is_null() {
        message.insert(kind.into(), content);
    }
    extend(&mut message, extras);
    Value::Object(message)
}

fn extend(fields: &mut Map<String, Value>, extras: Value) {
    if let Value::Object(extras) = extras {
        fields.extend(extras);
    }
}

fn with_contacts(line: &Line, people: &[&Person], list: &str, items: Vec<Value>) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": line.display_phone_number,
            "phone_number_id": line.phone_number_id,
        },
        list: items,
    });
    let mut seen = HashSet::new();
    let contacts: Vec<Value> = people
        .iter()
        .filter(|person| seen.insert(**person))
        .map(|person| person.contact())
        .collect();
    if !contacts.is_empty() {
        value["contacts"] = Value::Array(contacts);
    }
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            account_id: "770010002000300".into(),
            phone_number_id: "550010002000300".into(),
            display_phone_number: "254190000100".into(),
        }
    }

    #[test]
    fn a_body_is_signed_as_rfc_4231_computes_it() {
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            sign(&"k".repeat(65), b"body"),
            "sha256=2da24f5c5e8c4884fbeebd56a313b1578530a805d626213a9338445723ad28f6",
            "a secret longer than a block"
        );
    }

    #[test]
    fn a_message_stands_in_the_envelope_that_meta_documents() {
        let at = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let from = Person::with_phone("Asha", "254190000199");
        let value =
            message(&line(), &from, "wamid.A", at, "text", json!({"body": "Hello"}), Value::Null);
        assert_eq!(
            envelope(&line(), "messages", value),
            json!({
                "object": "whatsapp_business_account",
                "entry": [{"id": "770010002000300", "changes": [{"field": "messages", "value": {
                    "messaging_product": "whatsapp",
                    "metadata": {
                        "display_phone_number": "254190000100",
                        "phone_number_id": "550010002000300",
                    },
                    "contacts": [{"profile": {"name": "Asha"}, "wa_id": "254190000199"}],
                    "messages": [{
                        "from": "254190000199", "id": "wamid.A", "timestamp": "1760000000",
                        "type": "text", "text": {"body": "Hello"},
                    }],
                }}]}],
            })
        );
    }

    #[test]
    fn a_person_without_a_number_is_named_by_their_business_scoped_id() {
        let from = Person::with_username("Nia", "nia", "KE.1");
        let at = DateTime::UNIX_EPOCH;
        let value = message(&line(), &from, "wamid.B", at, "text", json!({}), Value::Null);
        assert_eq!(
            value["contacts"],
            json!([{"profile": {"name": "Nia", "username": "nia"}, "user_id": "KE.1"}])
        );
        assert_eq!(value["messages"][0]["from_user_id"], "KE.1");
        assert!(value["messages"][0].get("from").is_none());
    }
}
