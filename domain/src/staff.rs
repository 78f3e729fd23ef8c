//! Somebody who runs the platform: above all organisations, in none. Nobody there could let the
//! first one in, so staff are added where the program runs. Their streams belong to no
//! organisation.

use serde::{Deserialize, Serialize};

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Add { name: Personal<String>, key: SecretRef },
    Remove,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Added { name: Personal<String>, key: SecretRef },
    Removed {},
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("this member of the staff exists already")]
    AlreadyAdded,
    #[error("there is no such member of the staff")]
    NotFound,
    #[error("a name has 1 to 200 characters")]
    InvalidName,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Staff {
    /// The key that they call with; `None` before they are added.
    pub key: Option<SecretRef>,
    pub name: Option<Personal<String>>,
    pub removed: bool,
}

impl Staff {
    pub fn is_active(&self) -> bool {
        self.key.is_some() && !self.removed
    }
}

impl Aggregate for Staff {
    const TYPE: &'static str = "staff";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        let fits = |name: &String| !name.trim().is_empty() && name.chars().count() <= 200;
        match command {
            Command::Add { .. } if self.key.is_some() => Err(Error::AlreadyAdded),
            Command::Add { name, .. } if name.clear().is_some_and(|name| !fits(name)) => {
                Err(Error::InvalidName)
            }
            Command::Add { name, key } => Ok(vec![Event::Added { name, key }]),
            Command::Remove if self.key.is_none() => Err(Error::NotFound),
            Command::Remove if self.removed => Ok(vec![]),
            Command::Remove => Ok(vec![Event::Removed {}]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Added { name, key } => {
                self.name = Some(name.clone());
                self.key = Some(key.clone());
            }
            Event::Removed {} => self.removed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::aggregate::decide_after;

    fn name(text: &str) -> Personal<String> {
        Personal::identity(Uuid::from_u128(7), text.into())
    }

    fn key() -> SecretRef {
        SecretRef { id: Uuid::from_u128(1), fingerprint: "00".into() }
    }

    #[test]
    fn who_was_removed_is_staff_no_longer_and_can_not_come_back() {
        let added = Event::Added { name: name("Otieno"), key: key() };
        let history = [added, Event::Removed {}];
        let mut staff = Staff::default();
        history.iter().for_each(|event| staff.evolve(event));
        assert!(!staff.is_active());
        assert_eq!(decide_after::<Staff>(&history, Command::Remove), Ok(vec![]));
        let again = Command::Add { name: name("Otieno"), key: key() };
        assert_eq!(decide_after::<Staff>(&history, again), Err(Error::AlreadyAdded));
    }

    #[test]
    fn staff_have_names() {
        let add = Command::Add { name: name(" "), key: key() };
        assert_eq!(decide_after::<Staff>(&[], add), Err(Error::InvalidName));
        assert_eq!(decide_after::<Staff>(&[], Command::Remove), Err(Error::NotFound));
    }
}
