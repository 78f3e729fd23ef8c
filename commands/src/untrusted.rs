//! What strangers' bytes are read with, for whoever throws bytes at it: webhooks, the answers of
//! providers, and the texts that open.

mod providers;

use domain::untrusted::Parser;
use ring::hmac;

use crate::access::token;
use crate::gateways::whatsapp::signature::{self, SignatureError};
use crate::gateways::whatsapp::webhook::{self, Message, Notification, Update};

pub use providers::{graph_answers, pawapay_answers, pawapay_signatures};

pub const PARSERS: &[Parser] = &[
    ("access_tokens", access_tokens),
    ("graph_answers", graph_answers),
    ("pawapay_answers", pawapay_answers),
    ("pawapay_signatures", pawapay_signatures),
    ("whatsapp_webhooks", whatsapp_webhooks),
];

/// A text that opens names what it opens, and begins as that is shown.
pub fn access_tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((kind, id)) = token::parse(text) {
        assert!(text.starts_with(&token::shown(kind, id)), "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{text}");
    }
}

const SECRET: &[u8] = b"a made-up app secret";

/// The header that signs a webhook in a line, then its body.
pub fn whatsapp_webhooks(bytes: &[u8]) {
    let (header, body) = line(bytes);
    signed(&String::from_utf8_lossy(header), body);
    let told = webhook::parse(body);
    assert_eq!(told, webhook::parse(body));
    for notification in told.unwrap_or_default() {
        assert!(!holds_nul(&notification), "{notification:?}");
        if let Update::Message(message) | Update::Echo(message) = &notification.update {
            is_kept(message, &notification);
        }
    }
}

/// Another program's HMAC decides.
fn signed(header: &str, body: &[u8]) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let genuine = format!("sha256={}", hex::encode(hmac::sign(&key, body)));
    assert_eq!(signature::verify(SECRET, &genuine, body), Ok(()));
    let (name, digits) = header.trim().split_once('=').unwrap_or_default();
    let is_genuine = name == "sha256" && genuine[7..].eq_ignore_ascii_case(digits);
    assert_eq!(signature::verify(SECRET, header, body) == Ok(()), is_genuine, "{header}");
    if let Some(shorter) = genuine.get(..genuine.len() - 2) {
        assert_eq!(signature::verify(SECRET, shorter, body), Err(SignatureError::Mismatch));
    }
}

/// What is written of a message into the log is what will be read there.
fn is_kept(message: &Message, told: &Notification) {
    let written = serde_json::to_string(&message.content).unwrap_or_default();
    let read = serde_json::from_str(&written).ok();
    assert_eq!(read.as_ref(), Some(&message.content), "{written}");
    let again = serde_json::from_str::<serde_json::Value>(&message.raw);
    assert_eq!(again.ok().map(|raw| raw.to_string()).as_ref(), Some(&message.raw), "{told:?}");
    let preview = message.content.preview();
    assert!(!preview.contains(char::is_control), "{preview:?}");
}

/// The first line, and what comes after it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Whether a text in it holds U+0000, which shows as `\0` where it is printed for debugging.
fn holds_nul(told: &impl std::fmt::Debug) -> bool {
    let shown = format!("{told:?}");
    let mut characters = shown.chars();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.next() == Some('0') {
            return true;
        }
    }
    false
}
