//! The peer's aggregate: a conversation that customers write to and colleagues note things in.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug)]
pub(crate) enum Command {
    Receive { from: Customer, message: Received },
    Note { note: Uuid, at: DateTime<Utc>, body: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) phone: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) message: Uuid,
    pub(crate) provider_id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) body: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    Opened { from: Customer, at: DateTime<Utc> },
    MessageReceived(Received),
    NoteAdded { note: Uuid, at: DateTime<Utc>, body: String },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Event::Opened { .. } => "Opened",
            Event::MessageReceived(_) => "MessageReceived",
            Event::NoteAdded { .. } => "NoteAdded",
        }
        .to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    InvalidNote,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refusal::NotFound => "there is no such conversation",
            Refusal::InvalidNote => "a note has 1 to 4096 characters",
        })
    }
}

impl std::error::Error for Refusal {}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Conversation {
    is_open: bool,
    /// Of what was received: the provider may tell it twice.
    received: BTreeSet<String>,
}

impl Aggregate for Conversation {
    const TYPE: &'static str = "conversation";
    type Command = Command;
    type Event = Event;
    type Error = Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Refusal> {
        match command {
            Command::Receive { message, .. } if self.received.contains(&message.provider_id) => {}
            Command::Receive { from, message } => {
                if !self.is_open {
                    sink.write(Event::Opened { from, at: message.at }, self).await;
                }
                sink.write(Event::MessageReceived(message), self).await;
            }
            Command::Note { .. } if !self.is_open => return Err(Refusal::NotFound),
            Command::Note { note, at, body } => {
                if !(1..=4096).contains(&body.trim().chars().count()) {
                    return Err(Refusal::InvalidNote);
                }
                sink.write(Event::NoteAdded { note, at, body }, self).await;
            }
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Opened { .. } => self.is_open = true,
            Event::MessageReceived(message) => {
                self.received.insert(message.provider_id);
            }
            Event::NoteAdded { .. } => {}
        }
    }
}
