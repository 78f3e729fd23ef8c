//! Every event that the log can hold, decoded: the one place where stored names and versions meet
//! today's types.

use serde::de::DeserializeOwned;

use crate::aggregate::Aggregate;
use crate::api_key::{self, ApiKey};
use crate::channel::{self, Channel};
use crate::contact::{self, Contact};
use crate::conversation::{self, Conversation};
use crate::organization::{self, Organization};
use crate::user::{self, User};

/// The version that new events are written in.
pub const VERSION: &str = "1";

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    ApiKey(api_key::Event),
    Channel(channel::Event),
    Contact(contact::Event),
    Conversation(conversation::Event),
    Organization(organization::Event),
    User(user::Event),
    /// Of an aggregate that Verbatim doesn't know: another program's log, brought in by import.
    Foreign,
}

/// A stored event that today's code can't read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {aggregate_type}/{event_type} version {version} can't be decoded: {reason}")]
pub struct Undecodable {
    pub aggregate_type: String,
    pub event_type: String,
    pub version: String,
    pub reason: String,
}

impl Event {
    /// Reads a stored event.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        version: &str,
        payload: &str,
    ) -> Result<Event, Undecodable> {
        let decoded = match aggregate_type {
            ApiKey::TYPE => payload_of(payload).map(Event::ApiKey),
            Channel::TYPE => payload_of(payload).map(Event::Channel),
            Contact::TYPE => payload_of(payload).map(Event::Contact),
            Conversation::TYPE => payload_of(payload).map(Event::Conversation),
            Organization::TYPE => payload_of(payload).map(Event::Organization),
            User::TYPE => payload_of(payload).map(Event::User),
            _ => Ok(Event::Foreign),
        };
        let undecodable = |reason: String| Undecodable {
            aggregate_type: aggregate_type.to_owned(),
            event_type: event_type.to_owned(),
            version: version.to_owned(),
            reason,
        };
        match decoded {
            Ok(Event::Foreign) => Ok(Event::Foreign),
            Ok(_) if version != VERSION => {
                Err(undecodable(format!("version {VERSION} is the only one known")))
            }
            Ok(event) => Ok(event),
            Err(error) => Err(undecodable(error.to_string())),
        }
    }
}

fn payload_of<E: DeserializeOwned>(payload: &str) -> serde_json::Result<E> {
    serde_json::from_str(payload)
}
