//! A team: members who take work together, under a name, in hours of their own.

mod schedule;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};
pub use schedule::{Hours, InvalidSchedule, Schedule, Time};

#[derive(Debug)]
pub enum Command {
    /// The name is claimed by the same unit of work.
    Create {
        name: String,
    },
    Rename {
        name: String,
    },
    /// Takes somebody in, or gives them another role.
    SetMember {
        user: Uuid,
        role: Role,
    },
    RemoveMember {
        user: Uuid,
    },
    /// `None`: at all hours.
    SetSchedule {
        schedule: Option<Schedule>,
    },
    /// Gives the name back.
    Delete,
}

/// What a member is in the team; what they may do, their role in the organisation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TeamRole")]
pub enum Role {
    Lead,
    Member,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created {
        name: String,
    },
    Renamed {
        name: String,
        previous: String,
    },
    MemberSet {
        user: Uuid,
        role: Role,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<Role>,
    },
    MemberRemoved {
        user: Uuid,
        role: Role,
    },
    ScheduleSet {
        schedule: Option<Schedule>,
    },
    /// Names everybody who was in it.
    Deleted {
        name: String,
        members: Vec<Uuid>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the team exists already")]
    AlreadyCreated,
    #[error("there is no such team")]
    NotFound,
    #[error("the team was deleted")]
    Deleted,
    #[error("a team's name has 1 to 80 characters")]
    InvalidName,
    #[error("a team has at most {MOST_MEMBERS} members")]
    Full,
    #[error("give the id of an active member of this organisation")]
    UnknownMember,
}

const MOST_MEMBERS: usize = 200;
const LONGEST_NAME: usize = 80;

#[derive(Clone, Debug, Default, Serialize)]
pub struct Team {
    /// `None` before it is created.
    pub name: Option<String>,
    pub members: BTreeMap<Uuid, Role>,
    pub schedule: Option<Schedule>,
    pub deleted: bool,
}

impl Aggregate for Team {
    const TYPE: &'static str = "team";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        let Some(known_as) = &self.name else {
            return match command {
                Command::Create { name } => Ok(vec![Event::Created { name: named(&name)? }]),
                _ => Err(Error::NotFound),
            };
        };
        match command {
            Command::Create { .. } => Err(Error::AlreadyCreated),
            Command::Delete if self.deleted => Ok(vec![]),
            _ if self.deleted => Err(Error::Deleted),
            Command::Delete => {
                let members = self.members.keys().copied().collect();
                Ok(vec![Event::Deleted { name: known_as.clone(), members }])
            }
            Command::Rename { name } => {
                let (name, previous) = (named(&name)?, known_as.clone());
                Ok(if name == previous { vec![] } else { vec![Event::Renamed { name, previous }] })
            }
            Command::SetMember { user, role } => match self.members.get(&user).copied() {
                Some(known) if known == role => Ok(vec![]),
                None if self.members.len() >= MOST_MEMBERS => Err(Error::Full),
                previous => Ok(vec![Event::MemberSet { user, role, previous }]),
            },
            Command::RemoveMember { user } => {
                let role = self.members.get(&user).copied();
                Ok(role.map(|role| Event::MemberRemoved { user, role }).into_iter().collect())
            }
            Command::SetSchedule { schedule } if schedule == self.schedule => Ok(vec![]),
            Command::SetSchedule { schedule } => Ok(vec![Event::ScheduleSet { schedule }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Created { name } | Event::Renamed { name, .. } => self.name = Some(name.clone()),
            Event::MemberSet { user, role, .. } => {
                self.members.insert(*user, *role);
            }
            Event::MemberRemoved { user, .. } => {
                self.members.remove(user);
            }
            Event::ScheduleSet { schedule } => self.schedule.clone_from(schedule),
            Event::Deleted { .. } => self.deleted = true,
        }
    }
}

fn named(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count());
    if fits { Ok(name.to_owned()) } else { Err(Error::InvalidName) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    fn created() -> Event {
        Event::Created { name: "Deliveries".into() }
    }

    fn joined(user: u128, role: Role) -> Event {
        Event::MemberSet { user: Uuid::from_u128(user), role, previous: None }
    }

    fn set(history: &[Event], user: u128, role: Role) -> Result<Vec<Event>, Error> {
        let user = Uuid::from_u128(user);
        decide_after::<Team>(history, Command::SetMember { user, role })
    }

    #[test]
    fn a_team_has_a_name_without_space_around_it() {
        let create = |name: &str| decide_after::<Team>(&[], Command::Create { name: name.into() });
        assert_eq!(create(" Deliveries "), Ok(vec![created()]));
        for name in ["", "  ", &"x".repeat(81)] {
            assert_eq!(create(name), Err(Error::InvalidName));
        }
    }

    #[test]
    fn a_member_is_taken_in_once_and_may_get_another_role() {
        let history = [created(), joined(7, Role::Member)];
        assert_eq!(set(&history[..1], 7, Role::Member), Ok(vec![history[1].clone()]));
        assert_eq!(set(&history, 7, Role::Member), Ok(vec![]));
        let user = Uuid::from_u128(7);
        let (role, previous) = (Role::Lead, Some(Role::Member));
        assert_eq!(
            set(&history, 7, Role::Lead),
            Ok(vec![Event::MemberSet { user, role, previous }])
        );
    }

    #[test]
    fn a_full_team_takes_nobody_else() {
        let mut history = vec![created()];
        history.extend((1..=200).map(|user| joined(user, Role::Member)));
        assert_eq!(set(&history, 201, Role::Member), Err(Error::Full));
        assert!(set(&history, 200, Role::Lead).is_ok());
    }

    #[test]
    fn who_is_not_in_the_team_need_not_leave_it() {
        let remove = |user| Command::RemoveMember { user: Uuid::from_u128(user) };
        let history = [created(), joined(7, Role::Lead)];
        let (user, role) = (Uuid::from_u128(7), Role::Lead);
        let left = decide_after::<Team>(&history, remove(7));
        assert_eq!(left, Ok(vec![Event::MemberRemoved { user, role }]));
        assert_eq!(decide_after::<Team>(&history, remove(8)), Ok(vec![]));
    }

    #[test]
    fn a_deleted_team_names_who_was_in_it_and_is_left_alone() {
        let history = [created(), joined(7, Role::Lead)];
        let members = vec![Uuid::from_u128(7)];
        let deleted = Event::Deleted { name: "Deliveries".into(), members };
        assert_eq!(decide_after::<Team>(&history, Command::Delete), Ok(vec![deleted.clone()]));
        let history = [&history[..], &[deleted]].concat();
        assert_eq!(decide_after::<Team>(&history, Command::Delete), Ok(vec![]));
        assert_eq!(set(&history, 8, Role::Member), Err(Error::Deleted));
    }
}
