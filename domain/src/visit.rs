//! A visit: a member of the platform's staff enters an organisation for a while. It is a stream of
//! that organisation, so that its people see who came, why, and where they looked.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Begin {
        staff: Uuid,
        reason: String,
        token: SecretRef,
    },
    /// They are about to be shown something. What they change, other streams tell.
    Look {
        path: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Began { staff: Uuid, reason: String, token: SecretRef, until: DateTime<Utc> },
    Looked { staff: Uuid, path: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the visit has begun already")]
    AlreadyBegun,
    #[error("there is no such visit")]
    NotFound,
    #[error("the visit is over: enter again")]
    Over,
    #[error("tell in 1 to 500 characters why you enter: the organisation reads it")]
    InvalidReason,
}

/// How long a visit lasts.
pub const TIME: TimeDelta = TimeDelta::minutes(30);

#[derive(Clone, Debug, Default, Serialize)]
pub struct Visit {
    /// Whose it is, and until when; `None` before it begins.
    pub standing: Option<(Uuid, DateTime<Utc>)>,
}

impl Visit {
    /// Who visits, while they do.
    pub fn visitor(&self, now: DateTime<Utc>) -> Option<Uuid> {
        self.standing.filter(|(_, until)| now < *until).map(|(staff, _)| staff)
    }
}

impl Aggregate for Visit {
    const TYPE: &'static str = "visit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        match command {
            Command::Begin { .. } if self.standing.is_some() => Err(Error::AlreadyBegun),
            Command::Begin { reason, .. }
                if reason.trim().is_empty() || reason.chars().count() > 500 =>
            {
                Err(Error::InvalidReason)
            }
            Command::Begin { staff, reason, token } => {
                Ok(vec![Event::Began { staff, reason, token, until: context.now + TIME }])
            }
            Command::Look { .. } if self.standing.is_none() => Err(Error::NotFound),
            Command::Look { path } => {
                let staff = self.visitor(context.now).ok_or(Error::Over)?;
                Ok(vec![Event::Looked { staff, path }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Began { staff, until, .. } => self.standing = Some((*staff, *until)),
            Event::Looked { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    const STAFF: Uuid = Uuid::from_u128(9);

    fn token() -> SecretRef {
        SecretRef { id: Uuid::from_u128(1), fingerprint: "00".into() }
    }

    fn began(minutes: i64) -> Event {
        let until = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        Event::Began { staff: STAFF, reason: "Ticket 17".into(), token: token(), until }
    }

    fn begin(reason: &str) -> Result<Vec<Event>, Error> {
        let (staff, reason, token) = (STAFF, reason.to_owned(), token());
        decide_after::<Visit>(&[], Command::Begin { staff, reason, token })
    }

    #[test]
    fn a_visit_has_a_reason_and_lasts_half_an_hour() {
        assert_eq!(begin("Ticket 17"), Ok(vec![began(30)]));
        for reason in ["", "  ", &"x".repeat(501)] {
            assert_eq!(begin(reason), Err(Error::InvalidReason));
        }
    }

    #[test]
    fn every_look_is_told_and_none_is_had_afterwards() {
        let look = || Command::Look { path: "/v1/inbox".into() };
        let looked = Event::Looked { staff: STAFF, path: "/v1/inbox".into() };
        assert_eq!(decide_after::<Visit>(&[began(30)], look()), Ok(vec![looked]));
        assert_eq!(decide_after::<Visit>(&[began(0)], look()), Err(Error::Over));
        assert_eq!(decide_after::<Visit>(&[], look()), Err(Error::NotFound));
    }
}
