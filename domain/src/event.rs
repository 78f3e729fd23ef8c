//! Every event that the log can hold, decoded: the one place where stored names and versions meet
//! today's types.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::aggregate::Aggregate;
use crate::api_key::{self, ApiKey};
use crate::attempts::{self, Attempts};
use crate::channel::{self, Channel};
use crate::contact::{self, Contact};
use crate::conversation::{self, Conversation};
use crate::invitation::{self, Invitation};
use crate::operation::{self, Operation};
use crate::organization::{self, Organization};
use crate::payout::{self, Payout};
use crate::presence::{self, Presence};
use crate::session::{self, Session};
use crate::staff::{self, Staff};
use crate::team::{self, Team};
use crate::template::{self, Template};
use crate::ticket::{self, Ticket};
use crate::ticket_counter::{self, TicketCounter};
use crate::upcast::{self, UPCASTS};
use crate::user::{self, User};
use crate::visit::{self, Visit};

/// The version that new events of a type are written in.
pub fn version(aggregate_type: &str, event_type: &str) -> &'static str {
    upcast::version(UPCASTS, aggregate_type, event_type)
}

/// A stored payload in the form of its newest version; or why it has none.
pub fn newest<'a>(
    aggregate_type: &str,
    event_type: &str,
    version: &str,
    payload: &'a str,
) -> Result<Cow<'a, str>, String> {
    if version == self::version(aggregate_type, event_type) {
        return Ok(Cow::Borrowed(payload));
    }
    upcast::upcast(UPCASTS, (aggregate_type, event_type), version, payload).map(Cow::Owned)
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    ApiKey(api_key::Event),
    Attempts(attempts::Event),
    Channel(channel::Event),
    Contact(contact::Event),
    Conversation(conversation::Event),
    Invitation(invitation::Event),
    Operation(operation::Event),
    Organization(organization::Event),
    Payout(payout::Event),
    Presence(presence::Event),
    Session(session::Event),
    Staff(staff::Event),
    Team(team::Event),
    Template(template::Event),
    Ticket(ticket::Event),
    TicketCounter(ticket_counter::Event),
    User(user::Event),
    Visit(visit::Event),
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
    /// Reads a stored event; an old version of one is brought to today's form first.
    pub fn decode(
        aggregate_type: &str,
        event_type: &str,
        version: &str,
        payload: &str,
    ) -> Result<Event, Undecodable> {
        let undecodable = |reason: String| Undecodable {
            aggregate_type: aggregate_type.to_owned(),
            event_type: event_type.to_owned(),
            version: version.to_owned(),
            reason,
        };
        let read = newest(aggregate_type, event_type, version, payload);
        let read = read.or_else(|reason| match Event::read(aggregate_type, "null") {
            // Another program's events have versions of their own.
            Ok(Event::Foreign) => Ok(Cow::Borrowed(payload)),
            _ => Err(reason),
        });
        read.and_then(|read| Event::read(aggregate_type, &read).map_err(|error| error.to_string()))
            .map_err(undecodable)
    }

    /// Reads a payload of the newest version.
    fn read(aggregate_type: &str, payload: &str) -> serde_json::Result<Event> {
        match aggregate_type {
            ApiKey::TYPE => payload_of(payload).map(Event::ApiKey),
            Attempts::TYPE => payload_of(payload).map(Event::Attempts),
            Channel::TYPE => payload_of(payload).map(Event::Channel),
            Contact::TYPE => payload_of(payload).map(Event::Contact),
            Conversation::TYPE => payload_of(payload).map(Event::Conversation),
            Invitation::TYPE => payload_of(payload).map(Event::Invitation),
            Operation::TYPE => payload_of(payload).map(Event::Operation),
            Organization::TYPE => payload_of(payload).map(Event::Organization),
            Payout::TYPE => payload_of(payload).map(Event::Payout),
            Presence::TYPE => payload_of(payload).map(Event::Presence),
            Session::TYPE => payload_of(payload).map(Event::Session),
            Staff::TYPE => payload_of(payload).map(Event::Staff),
            Team::TYPE => payload_of(payload).map(Event::Team),
            Template::TYPE => payload_of(payload).map(Event::Template),
            Ticket::TYPE => payload_of(payload).map(Event::Ticket),
            TicketCounter::TYPE => payload_of(payload).map(Event::TicketCounter),
            User::TYPE => payload_of(payload).map(Event::User),
            Visit::TYPE => payload_of(payload).map(Event::Visit),
            _ => Ok(Event::Foreign),
        }
    }
}

fn payload_of<E: DeserializeOwned>(payload: &str) -> serde_json::Result<E> {
    serde_json::from_str(payload)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn stored() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("stored")
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        fs::read_dir(dir).unwrap().map(|entry| name(entry.unwrap())).collect()
    }

    #[test]
    fn every_version_ever_stored_is_still_understood() {
        for aggregate in names(&stored()) {
            for file in names(&stored().join(&aggregate)) {
                let (event, version) =
                    file.strip_suffix(".json").unwrap().rsplit_once('-').unwrap();
                let payload = fs::read_to_string(stored().join(&aggregate).join(&file)).unwrap();
                let decoded = Event::decode(&aggregate, event, version, &payload).unwrap();
                assert_ne!(decoded, Event::Foreign, "{aggregate}/{file}");
            }
        }
    }

    #[test]
    fn every_event_has_a_golden_payload() {
        for (aggregate, events) in all() {
            let stored = names(&stored().join(aggregate));
            for event in events {
                let file = format!("{event}-{}.json", version(aggregate, &event));
                assert!(stored.contains(&file), "domain/stored/{aggregate}/{file} is missing");
            }
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for file in names(&stored().join("conversation")) {
            let payload = fs::read_to_string(stored().join("conversation").join(&file)).unwrap();
            let event: conversation::Event = serde_json::from_str(&payload).unwrap();
            let read: serde_json::Value = serde_json::from_str(&payload).unwrap();
            assert_eq!(serde_json::to_value(event).unwrap(), read, "{file}");
        }
    }

    #[test]
    fn an_event_of_a_newer_program_is_refused_and_another_programs_is_left_alone() {
        let founded = r#"{"Founded": {"name": "Baraka"}}"#;
        assert!(Event::decode("organization", "Founded", "2", founded).is_err());
        assert!(Event::decode("organization", "Dissolved", "1", r#"{"Dissolved": {}}"#).is_err());
        assert_eq!(Event::decode("account", "Opened", "1.0", "{}"), Ok(Event::Foreign));
    }

    fn all() -> Vec<(&'static str, Vec<String>)> {
        vec![
            (ApiKey::TYPE, variants::<api_key::Event>()),
            (Attempts::TYPE, variants::<attempts::Event>()),
            (Channel::TYPE, variants::<channel::Event>()),
            (Contact::TYPE, variants::<contact::Event>()),
            (Conversation::TYPE, variants::<conversation::Event>()),
            (Invitation::TYPE, variants::<invitation::Event>()),
            (Operation::TYPE, variants::<operation::Event>()),
            (Organization::TYPE, variants::<organization::Event>()),
            (Payout::TYPE, variants::<payout::Event>()),
            (Presence::TYPE, variants::<presence::Event>()),
            (Session::TYPE, variants::<session::Event>()),
            (Staff::TYPE, variants::<staff::Event>()),
            (Team::TYPE, variants::<team::Event>()),
            (Template::TYPE, variants::<template::Event>()),
            (Ticket::TYPE, variants::<ticket::Event>()),
            (TicketCounter::TYPE, variants::<ticket_counter::Event>()),
            (User::TYPE, variants::<user::Event>()),
            (Visit::TYPE, variants::<visit::Event>()),
        ]
    }

    /// Serde names the variants it knows when it is asked for one that it doesn't.
    fn variants<E: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let error = serde_json::from_str::<E>(r#"{"": null}"#).unwrap_err().to_string();
        let (_, known) = error.split_once("expected").unwrap();
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}
