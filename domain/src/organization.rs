//! An organisation: the tenant on whose behalf everything else happens.

use serde::{Deserialize, Serialize};

use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Found {
        name: String,
    },
    /// Wants a second factor of everybody, or no longer.
    RequireSecondFactor {
        required: bool,
        /// Whether who says so has one.
        own: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Founded { name: String },
    SecondFactorRequirementSet { required: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the organisation exists already")]
    AlreadyFounded,
    #[error("there is no such organisation")]
    NotFound,
    #[error("an organisation needs a name of 1 to 200 characters")]
    InvalidName,
    #[error("set up your own second factor before you require one of everybody")]
    OwnSecondFactorFirst,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Organization {
    pub name: Option<String>,
    pub requires_second_factor: bool,
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
            _ if self.name.is_none() => Err(Error::NotFound),
            Command::RequireSecondFactor { required, .. }
                if required == self.requires_second_factor =>
            {
                Ok(vec![])
            }
            Command::RequireSecondFactor { required: true, own: false } => {
                Err(Error::OwnSecondFactorFirst)
            }
            Command::RequireSecondFactor { required, .. } => {
                Ok(vec![Event::SecondFactorRequirementSet { required }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Founded { name } => self.name = Some(name.clone()),
            Event::SecondFactorRequirementSet { required } => {
                self.requires_second_factor = *required;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    #[test]
    fn who_has_no_second_factor_requires_none_of_others() {
        let founded = Event::Founded { name: "Baraka".into() };
        let require = |required, own| {
            let history = std::slice::from_ref(&founded);
            let command = Command::RequireSecondFactor { required, own };
            decide_after::<Organization>(history, command)
        };
        assert_eq!(require(true, false), Err(Error::OwnSecondFactorFirst));
        let set = Event::SecondFactorRequirementSet { required: true };
        assert_eq!(require(true, true), Ok(vec![set]));
        assert_eq!(require(false, false), Ok(vec![]));
    }
}
