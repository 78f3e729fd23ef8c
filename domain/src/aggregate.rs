//! The shape that every aggregate has: a pure decision and a pure fold.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A consistency boundary whose state is the fold of its own events.
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// Stored with every event, for ever.
    const TYPE: &'static str;

    /// Whether decisions look into personal values. Only then are they opened when the stream is
    /// loaded; elsewhere they stay encrypted.
    const OPENS_PERSONAL: bool = false;

    type Command: Debug + Send;
    type Event: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    type Error: std::error::Error + Clone + PartialEq + Send + Sync + 'static;

    /// Which events this command causes now, or why it is refused. No event means that what was
    /// asked for is already so.
    fn decide(
        &self,
        command: Self::Command,
        context: &Context,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// What an event changes. Cannot refuse: it has already happened.
    fn evolve(&mut self, event: &Self::Event);

    /// The version in which clients know it after so many events: it moves with each, unless some
    /// change nothing that a client is shown and decides upon.
    fn version(&self, events: i64) -> i64 {
        events
    }
}

/// What a decision may know of the world around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Context {
    /// The organisation on whose behalf the command runs.
    pub tenant: Uuid,
    pub actor: Actor,
    pub now: DateTime<Utc>,
}

/// Who caused an event, in the form that the log's `actor` column keeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    User(Uuid),
    Key(Uuid),
    Channel(Uuid),
    Policy(String),
    Staff(Uuid),
    System,
}

impl Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(id) => write!(f, "user:{id}"),
            Actor::Key(id) => write!(f, "key:{id}"),
            Actor::Channel(id) => write!(f, "channel:{id}"),
            Actor::Policy(name) => write!(f, "policy:{name}"),
            Actor::Staff(id) => write!(f, "staff:{id}"),
            Actor::System => f.write_str("system"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an actor reads like `user:<id>`, `key:<id>`, `channel:<id>`, `staff:<id>`, `policy:<name>` or `system`"
)]
pub struct NotAnActor;

impl FromStr for Actor {
    type Err = NotAnActor;

    fn from_str(text: &str) -> Result<Self, NotAnActor> {
        if text == "system" {
            return Ok(Actor::System);
        }
        let (kind, rest) = text.split_once(':').ok_or(NotAnActor)?;
        let id = || rest.parse().map_err(|_| NotAnActor);
        match kind {
            "user" => Ok(Actor::User(id()?)),
            "key" => Ok(Actor::Key(id()?)),
            "channel" => Ok(Actor::Channel(id()?)),
            "staff" => Ok(Actor::Staff(id()?)),
            "policy" if !rest.is_empty() => Ok(Actor::Policy(rest.to_owned())),
            _ => Err(NotAnActor),
        }
    }
}

/// What a member of an organisation may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Admin,
    Supervisor,
    Agent,
    /// Reads everything in the organisation, changes nothing.
    Auditor,
}

impl Role {
    pub const ALL: [Role; 5] =
        [Role::Owner, Role::Admin, Role::Supervisor, Role::Agent, Role::Auditor];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Supervisor => "supervisor",
            Role::Agent => "agent",
            Role::Auditor => "auditor",
        }
    }

    /// Whether `other` may do everything that this role may.
    pub fn is_within(self, other: Role) -> bool {
        match other {
            Role::Owner | Role::Admin => self >= other,
            Role::Supervisor | Role::Agent => self >= other && self != Role::Auditor,
            Role::Auditor => self == other,
        }
    }

    /// The lesser of two roles; `None` if neither lies within the other.
    pub fn lesser(self, other: Role) -> Option<Role> {
        [(self, other), (other, self)]
            .into_iter()
            .find(|(one, two)| one.is_within(*two))
            .map(|(one, _)| one)
    }
}

/// Test support: what `command` leads to after `history`.
#[cfg(test)]
pub(crate) fn decide_after<A: Aggregate>(
    history: &[A::Event],
    command: A::Command,
) -> Result<Vec<A::Event>, A::Error> {
    let mut state = A::default();
    history.iter().for_each(|event| state.evolve(event));
    let context =
        Context { tenant: Uuid::from_u128(1), actor: Actor::System, now: DateTime::UNIX_EPOCH };
    state.decide(command, &context)
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn an_auditor_is_no_lesser_agent() {
        assert_eq!(Role::Owner.lesser(Role::Agent), Some(Role::Agent));
        assert_eq!(Role::Supervisor.lesser(Role::Admin), Some(Role::Supervisor));
        assert_eq!(Role::Auditor.lesser(Role::Admin), Some(Role::Auditor));
        assert_eq!(Role::Auditor.lesser(Role::Agent), None);
        assert_eq!(Role::Agent.lesser(Role::Auditor), None);
    }
}
