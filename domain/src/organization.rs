//! An organisation: the tenant on whose behalf everything else happens.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Found { name: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Founded { name: String },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the organisation exists already")]
    AlreadyFounded,
    #[error("an organisation needs a name of 1 to 200 characters")]
    InvalidName,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Organization {
    pub name: Option<String>,
}

impl Aggregate for Organization {
    const TYPE: &'static str = "organization";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        match command {
            Command::Found { .. } if self.name.is_some() => Err(Error::AlreadyFounded),
            Command::Found { name } if name.trim().is_empty() || name.chars().count() > 200 => {
                Err(Error::InvalidName)
            }
            Command::Found { name } => Ok(vec![Event::Founded { name }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Founded { name } => self.name = Some(name.clone()),
        }
    }
}
