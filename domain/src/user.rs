//! A person who works in an organisation.

use serde::{Deserialize, Serialize};

use crate::Personal;
use crate::aggregate::{Aggregate, Context, Role};

#[derive(Debug)]
pub enum Command {
    Register { name: Personal<String>, role: Role },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Registered { name: Personal<String>, role: Role },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the user exists already")]
    AlreadyRegistered,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct User {
    pub role: Option<Role>,
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        match command {
            Command::Register { .. } if self.role.is_some() => Err(Error::AlreadyRegistered),
            Command::Register { name, role } => Ok(vec![Event::Registered { name, role }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered { role, .. } => self.role = Some(*role),
        }
    }
}
