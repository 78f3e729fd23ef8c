//! A recorded event with its payload decoded, as folds see it.

use domain::Event;
use domain::event::Undecodable;
use uuid::Uuid;

/// What the log holds, and what it means.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub stored: event_store::Recorded,
    pub event: Event,
}

impl Recorded {
    pub fn decode(stored: event_store::Recorded) -> Result<Recorded, Undecodable> {
        let event = meaning(&stored)?;
        Ok(Recorded { stored, event })
    }

    /// The stream's id. Aggregates of ours have UUIDs; another program's may not.
    pub fn stream(&self) -> Uuid {
        self.stored.aggregate_id.parse().unwrap_or_default()
    }

    /// `<aggregate>.<event>`, as the audit log names it.
    pub fn action(&self) -> String {
        format!("{}.{}", self.stored.aggregate_type, self.stored.event_type)
    }

    /// The member of the organisation who did it, if it was one.
    pub fn user(&self) -> Option<Uuid> {
        self.stored.actor.strip_prefix("user:")?.parse().ok()
    }
}

/// What a stored event says.
pub(crate) fn meaning(stored: &event_store::Recorded) -> Result<Event, Undecodable> {
    Event::decode(
        &stored.aggregate_type,
        &stored.event_type,
        &stored.event_version,
        &stored.payload,
    )
}
