//! Deciding without recording: a unit of work that is carried up to its append and then dropped.

use std::sync::{Arc, OnceLock};

use event_store::NewEvent;
use uuid::Uuid;

use crate::Refusal;

/// Where a unit of work that must not be recorded leaves what it would have recorded. It then ends
/// with `Error::DryRun`, so that whoever prepared something for it clears that away.
#[derive(Clone, Debug, Default)]
pub struct DryRun(Arc<OnceLock<Plan>>);

#[derive(Clone, Debug)]
pub struct Plan {
    /// What was decided is true of the log up to here.
    pub position: i64,
    /// The version of the first aggregate that it looked at, if that was there.
    pub stood_at: Option<i64>,
    pub events: Vec<Planned>,
    /// Parts of what was asked for that would be refused, while the rest would be recorded.
    pub refused: Vec<(String, Refusal)>,
}

/// An event that would be recorded, its personal values in the clear.
#[derive(Clone, Debug)]
pub struct Planned {
    pub kind: &'static str,
    pub id: Uuid,
    /// Of the aggregate after it.
    pub version: i64,
    pub event: NewEvent,
}

impl DryRun {
    pub fn plan(&self) -> Option<&Plan> {
        self.0.get()
    }

    pub(crate) fn leave(&self, plan: Plan) {
        // The first of several units of work ends the command.
        let _ = self.0.set(plan);
    }
}
