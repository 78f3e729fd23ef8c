//! What was tried and refused: by whom, where we know it, and else from which address. It is told
//! with a count for each minute, so that nobody fills the log by trying.

use std::collections::BTreeMap;
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};
use crate::personal::Personal;

#[derive(Debug)]
pub enum Command {
    Note(Event),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// Of somebody whom we know, or upon their account: then the system tells it.
    Refused {
        user: Uuid,
        operation: String,
        code: String,
        count: u32,
        /// `None`: from more networks than are told one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<Personal<String>>,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    },
    StrangerRefused {
        /// `None`: from more addresses than are told one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<Personal<String>>,
        /// How often, by the code of the refusal.
        codes: BTreeMap<String, u32>,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    },
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Attempts {
    pub told: u64,
}

impl Aggregate for Attempts {
    const TYPE: &'static str = "attempts";
    type Command = Command;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Infallible> {
        let Command::Note(event) = command;
        Ok(vec![event])
    }

    fn evolve(&mut self, _: &Event) {
        self.told += 1;
    }
}
