//! What an operator did to read models by hand, so that the log tells why a row is as it is. Each
//! deed is a stream of its own.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    RollBack { model: String, from: Option<i32>, to: i32, reason: String },
    Skip { model: String, key: String, position: i64, reason: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// An older generation of a read model answers again.
    RolledBack {
        model: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<i32>,
        to: i32,
        reason: String,
    },
    /// A row goes on without one of its events, now and in every rebuild.
    LetterSkipped { model: String, key: String, position: i64, reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("this was done already")]
    AlreadyDone,
    #[error("a reason has 1 to 500 characters")]
    InvalidReason,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Operation {
    pub done: bool,
}

impl Aggregate for Operation {
    const TYPE: &'static str = "operation";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        if self.done {
            return Err(Error::AlreadyDone);
        }
        let (Command::RollBack { reason, .. } | Command::Skip { reason, .. }) = &command;
        if reason.trim().is_empty() || reason.chars().count() > 500 {
            return Err(Error::InvalidReason);
        }
        Ok(vec![match command {
            Command::RollBack { model, from, to, reason } => {
                Event::RolledBack { model, from, to, reason }
            }
            Command::Skip { model, key, position, reason } => {
                Event::LetterSkipped { model, key, position, reason }
            }
        }])
    }

    fn evolve(&mut self, _: &Event) {
        self.done = true;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::Actor;

    fn skip(reason: &str) -> Result<Vec<Event>, Error> {
        let context =
            Context { tenant: Uuid::nil(), actor: Actor::System, now: DateTime::UNIX_EPOCH };
        let (model, key, reason) = ("inbox".into(), "{}".into(), reason.to_owned());
        Operation::default().decide(Command::Skip { model, key, position: 7, reason }, &context)
    }

    #[test]
    fn nothing_is_skipped_without_a_reason() {
        assert_eq!(skip("  "), Err(Error::InvalidReason));
        assert_eq!(skip(&"long ".repeat(200)), Err(Error::InvalidReason));
        assert_eq!(skip("The provider sent a date that no calendar has").unwrap().len(), 1);
    }
}
