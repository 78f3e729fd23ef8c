//! What strangers' bytes are read with, for whoever throws bytes at it: every reader, and what must
//! hold of whatever it takes.

use serde::Serialize;

use crate::aggregate::Actor;
use crate::api_key::Scope;
use crate::event::{self, Event};
use crate::message::Kind;
use crate::organization::Logo;
use crate::secret::Secret;
use crate::team::{Schedule, Time};
use crate::user::Email;

/// A reader and its name.
pub type Parser = (&'static str, fn(&[u8]));

pub const PARSERS: &[Parser] = &[("stored_events", stored_events), ("values", values)];

/// An event's aggregate, name and version in a line, then its payload. What is read of it says the
/// same when it is written and read again.
pub fn stored_events(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Some((line, payload)) = text.split_once('\n') else { return };
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (aggregate, event_type, version) = (word(), word(), word());
    let Ok(read) = Event::decode(aggregate, event_type, version, payload) else { return };
    let Some(written) = written(&read) else { return };
    let newest = event::version(aggregate, event_type);
    let again = Event::decode(aggregate, event_type, newest, &written);
    assert_eq!(again.as_ref(), Ok(&read), "{written}");
}

/// One text as everything that a text can be. What is taken is taken as it is written.
pub fn values(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(email) = Email::parse(text) {
        assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
        assert!(is_plain(email.as_str()) && !email.as_str().contains(' '), "{email:?}");
    }
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string(), text);
    }
    if let Ok(logo) = text.parse::<Logo>() {
        assert!(logo.as_str() == text && is_plain(text) && !text.contains(['"', '<', ' ']));
    }
    if let Ok(time) = text.parse::<Time>() {
        assert_eq!(time.to_string(), text);
    }
    if let Ok(secret) = Secret::try_from(text.to_owned()) {
        assert!(secret.expose() == text && is_plain(text));
    }
    if let Ok(actor) = text.parse::<Actor>() {
        assert_eq!(actor.to_string().parse(), Ok(actor));
    }
    if let Some(kind) = Kind::parse(text) {
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
    if let Ok(schedule) = serde_json::from_str::<Schedule>(text) {
        let written = serde_json::to_string(&schedule).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Schedule>(&written).ok(), Some(schedule));
    }
}

/// Whether it may stand in a header, and in one line of text.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The payload as it would be stored now; `None` of another program's event.
fn written(event: &Event) -> Option<String> {
    fn json(payload: &impl Serialize) -> Option<String> {
        Some(serde_json::to_string(payload).unwrap_or_default())
    }
    match event {
        Event::ApiKey(payload) => json(payload),
        Event::Attempts(payload) => json(payload),
        Event::Channel(payload) => json(payload),
        Event::Contact(payload) => json(payload),
        Event::Conversation(payload) => json(payload),
        Event::Invitation(payload) => json(payload),
        Event::Operation(payload) => json(payload),
        Event::Organization(payload) => json(payload),
        Event::Payout(payload) => json(payload),
        Event::Presence(payload) => json(payload),
        Event::Session(payload) => json(payload),
        Event::Staff(payload) => json(payload),
        Event::Team(payload) => json(payload),
        Event::Template(payload) => json(payload),
        Event::Ticket(payload) => json(payload),
        Event::TicketCounter(payload) => json(payload),
        Event::User(payload) => json(payload),
        Event::Visit(payload) => json(payload),
        Event::Foreign => None,
    }
}
