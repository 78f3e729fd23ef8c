//! Whether a member is there to be given work: what they say of themselves, and whether they are
//! there at all. Its stream bears the member's id.

use std::convert::Infallible;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Choose {
        availability: Availability,
    },
    /// Their panel told that it is open.
    ComeOnline,
    /// Nothing was heard of their panel since `seen_at`.
    GoOffline {
        seen_at: DateTime<Utc>,
    },
}

/// What somebody says of themselves; it counts while they are there.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// Takes new conversations.
    #[default]
    Online,
    Away,
    /// There, but for nobody.
    Offline,
}

impl Availability {
    pub const ALL: [Availability; 3] =
        [Availability::Online, Availability::Away, Availability::Offline];

    pub fn as_str(self) -> &'static str {
        match self {
            Availability::Online => "online",
            Availability::Away => "away",
            Availability::Offline => "offline",
        }
    }
}

/// Each tells what both halves are after it, so that a fold needs no other event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    AvailabilityChosen {
        from: Availability,
        to: Availability,
        present: bool,
    },
    CameOnline {
        availability: Availability,
        at: DateTime<Utc>,
    },
    WentOffline {
        availability: Availability,
        /// When they came.
        since: DateTime<Utc>,
        seen_at: DateTime<Utc>,
    },
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Presence {
    pub availability: Availability,
    /// When they came, while they are there.
    pub present_since: Option<DateTime<Utc>>,
}

impl Presence {
    /// What colleagues see: who isn't there is offline, whatever they chose.
    pub fn status(&self) -> Availability {
        match self.present_since {
            Some(_) => self.availability,
            None => Availability::Offline,
        }
    }
}

impl Aggregate for Presence {
    const TYPE: &'static str = "presence";
    type Command = Command;
    type Event = Event;
    type Error = Infallible;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Infallible> {
        let availability = self.availability;
        Ok(match (command, self.present_since) {
            (Command::Choose { availability: to }, _) if to == availability => vec![],
            (Command::Choose { availability: to }, since) => {
                let (from, present) = (availability, since.is_some());
                vec![Event::AvailabilityChosen { from, to, present }]
            }
            (Command::ComeOnline, Some(_)) | (Command::GoOffline { .. }, None) => vec![],
            (Command::ComeOnline, None) => {
                vec![Event::CameOnline { availability, at: context.now }]
            }
            (Command::GoOffline { seen_at }, Some(since)) => {
                vec![Event::WentOffline { availability, since, seen_at }]
            }
        })
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::AvailabilityChosen { to, .. } => self.availability = *to,
            Event::CameOnline { at, .. } => self.present_since = Some(*at),
            Event::WentOffline { .. } => self.present_since = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    const THEN: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn came(availability: Availability) -> Event {
        Event::CameOnline { availability, at: THEN }
    }

    fn away(present: bool) -> Event {
        let (from, to) = (Availability::Online, Availability::Away);
        Event::AvailabilityChosen { from, to, present }
    }

    fn after(events: &[Event]) -> Availability {
        let mut presence = Presence::default();
        events.iter().for_each(|event| presence.evolve(event));
        presence.status()
    }

    #[test]
    fn a_beat_is_news_only_from_who_was_not_there() {
        let beat = |history: &[Event]| decide_after::<Presence>(history, Command::ComeOnline);
        assert_eq!(beat(&[]), Ok(vec![came(Availability::Online)]));
        assert_eq!(beat(&[came(Availability::Online)]), Ok(vec![]));
        assert_eq!(beat(&[away(false)]), Ok(vec![came(Availability::Away)]));
    }

    #[test]
    fn who_falls_silent_has_left_once() {
        let leave = |history: &[Event]| {
            decide_after::<Presence>(history, Command::GoOffline { seen_at: THEN })
        };
        let availability = Availability::Online;
        let left = Event::WentOffline { availability, since: THEN, seen_at: THEN };
        assert_eq!(leave(&[came(availability)]), Ok(vec![left.clone()]));
        assert_eq!(leave(&[came(availability), left]), Ok(vec![]));
        assert_eq!(leave(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_chosen_already_is_no_news() {
        let choose = |history: &[Event], availability| {
            decide_after::<Presence>(history, Command::Choose { availability })
        };
        assert_eq!(choose(&[], Availability::Online), Ok(vec![]));
        assert_eq!(choose(&[], Availability::Away), Ok(vec![away(false)]));
        assert_eq!(choose(&[came(Availability::Online)], Availability::Away), Ok(vec![away(true)]));
    }

    #[test]
    fn who_is_not_there_is_offline_whatever_they_chose() {
        assert_eq!(after(&[]), Availability::Offline);
        assert_eq!(after(&[away(false)]), Availability::Offline);
        assert_eq!(after(&[away(false), came(Availability::Away)]), Availability::Away);
    }
}
