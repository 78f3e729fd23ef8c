//! A key with which a program or a person calls the API in a user's name.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context, Role};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Issue { name: String, user: Uuid, role: Role, secret: SecretRef },
    Revoke,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Issued { name: String, user: Uuid, role: Role, secret: SecretRef },
    Revoked { user: Uuid },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the key exists already")]
    AlreadyIssued,
    #[error("there is no such key")]
    NotIssued,
}

/// What the key grants; `None` before it is issued.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ApiKey {
    pub grant: Option<Grant>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Grant {
    pub user: Uuid,
    pub role: Role,
    pub revoked: bool,
}

impl Aggregate for ApiKey {
    const TYPE: &'static str = "api_key";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        match (command, &self.grant) {
            (Command::Issue { .. }, Some(_)) => Err(Error::AlreadyIssued),
            (Command::Issue { name, user, role, secret }, None) => {
                Ok(vec![Event::Issued { name, user, role, secret }])
            }
            (Command::Revoke, None) => Err(Error::NotIssued),
            (Command::Revoke, Some(grant)) if grant.revoked => Ok(vec![]),
            (Command::Revoke, Some(grant)) => Ok(vec![Event::Revoked { user: grant.user }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Issued { user, role, .. } => {
                self.grant = Some(Grant { user: *user, role: *role, revoked: false });
            }
            Event::Revoked { .. } => {
                if let Some(grant) = &mut self.grant {
                    grant.revoked = true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    #[test]
    fn a_key_is_revoked_once() {
        let user = Uuid::from_u128(7);
        let secret = SecretRef { id: Uuid::from_u128(8), fingerprint: "00".into() };
        let issued = Event::Issued { name: "till".into(), user, role: Role::Agent, secret };
        let revoked = Event::Revoked { user };
        assert_eq!(decide_after::<ApiKey>(&[], Command::Revoke), Err(Error::NotIssued));
        assert_eq!(
            decide_after::<ApiKey>(std::slice::from_ref(&issued), Command::Revoke),
            Ok(vec![revoked.clone()])
        );
        assert_eq!(decide_after::<ApiKey>(&[issued, revoked], Command::Revoke), Ok(vec![]));
    }
}
