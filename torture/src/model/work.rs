//! A unit of work that a world asks for, and what came of it.

use std::collections::BTreeSet;

use event_store::{Append, Appended, Error, Refusal, Store};
use uuid::Uuid;

use super::personal::{self, KeyName};

/// All streams of all worlds are of this type.
pub(crate) const THING: &str = "thing";

/// An append, and the answer that its idempotency record keeps, which is encrypted on the way out.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) append: Append,
    pub(crate) answer: Option<Vec<u8>>,
}

impl Work {
    /// As it is sent.
    pub(crate) fn sealed(&self, store: &Store) -> Result<Append, Error> {
        let mut append = self.append.clone();
        if let (Some(record), Some(answer)) = (&mut append.idempotency, &self.answer) {
            record.response = Some(store.wrap_answer(record.tenant, &record.key, answer)?);
        }
        Ok(append)
    }

    /// Whether it is this very one.
    pub(crate) fn is(&self, other: &Work) -> bool {
        self.append.correlation_id == other.append.correlation_id
    }

    pub(crate) fn events(&self) -> i64 {
        let events = self.append.streams.iter().map(|stream| stream.events.len());
        i64::try_from(events.sum::<usize>()).unwrap_or(i64::MAX)
    }

    /// The keys of its personal values.
    pub(crate) fn keys(&self) -> BTreeSet<KeyName> {
        let events = self.append.streams.iter().flat_map(|stream| &stream.events);
        let payloads = events.map(|event| &event.payload);
        payloads.chain([&self.append.metadata]).flat_map(personal::names).collect()
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Came {
    Written(Appended),
    Refused(Refusal),
    Erased(Uuid),
    /// No answer came, and when it was looked for all of it was there.
    Found(Appended),
    /// No answer came, and nothing of it was there.
    Nothing,
    /// Nobody should ever be told this, or find this.
    Odd(String),
}

impl Came {
    /// What the answer says; `None` for one that was lost.
    pub(crate) fn told(answer: Result<Appended, Error>) -> Option<Came> {
        Some(match answer {
            Ok(at) => Came::Written(at),
            Err(Error::Refused(refusal)) => Came::Refused(refusal),
            Err(Error::Erased { subject }) => Came::Erased(subject),
            Err(error) if is_lost(&error) => return None,
            Err(error) => Came::Odd(error.to_string()),
        })
    }

    /// Whether the database has said so.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Came::Written(_) | Came::Refused(_))
    }
}

/// Whether the database or the way to it failed, as it may here at any time. That it did not like
/// what it was told is another thing.
pub(crate) fn is_lost(error: &Error) -> bool {
    const ODD: [&str; 4] = ["22", "23", "42", "XX"];
    let error = match error {
        Error::Closed => return true,
        Error::Database(error) => error,
        _ => return false,
    };
    match &**error {
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| !ODD.iter().any(|class| code.starts_with(class)))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
