//! An invitation: somebody is asked by mail to join the organisation. Whoever shows its token in
//! time reads that mail, and becomes the member that was meant.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context, Role};
use crate::secret::SecretRef;
use crate::user::Email;

#[derive(Debug)]
pub enum Command {
    /// The address is claimed by the same unit of work.
    Create(Create),
    /// Mails another token; the one before opens no more.
    Resend {
        token: SecretRef,
        by: Role,
    },
    Revoke {
        by: Role,
    },
    /// Somebody showed the token.
    Accept {
        token: Uuid,
    },
}

#[derive(Clone, Debug)]
pub struct Create {
    /// The id that they will have as a member: erasing them erases the invitation's address.
    pub user: Uuid,
    pub email: Personal<Email>,
    pub role: Role,
    pub token: SecretRef,
    /// The role of who invites.
    pub by: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Created {
        user: Uuid,
        email: Personal<Email>,
        role: Role,
        token: SecretRef,
        expires_at: DateTime<Utc>,
    },
    Resent {
        user: Uuid,
        token: SecretRef,
        previous: Uuid,
        expires_at: DateTime<Utc>,
    },
    Revoked {
        user: Uuid,
    },
    Accepted {
        user: Uuid,
        role: Role,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the invitation exists already")]
    AlreadyCreated,
    #[error("there is no such invitation")]
    NotFound,
    #[error("the invitation was accepted already")]
    Accepted,
    #[error("the invitation was revoked: invite again")]
    Revoked,
    #[error("the invitation has expired, or another one was sent since: ask for a new one")]
    Expired,
    #[error("nobody invites to a role above their own")]
    AboveOwnRole,
    #[error("this address is a member's already")]
    IsMember,
    #[error("this address stands in the request already, further up")]
    ToldTwice,
}

/// How long an invitation waits.
pub const TIME: TimeDelta = TimeDelta::days(7);

#[derive(Clone, Debug, Default, Serialize)]
pub struct Invitation {
    /// `None` before it is created.
    pub asked: Option<Asked>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    pub user: Uuid,
    pub email: Personal<Email>,
    pub role: Role,
    /// The secret that the newest mail carries.
    pub token: Uuid,
    pub expires_at: DateTime<Utc>,
    pub answer: Option<Answer>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Revoked,
    Accepted,
}

impl Asked {
    /// Whether it can be accepted still.
    pub fn is_pending(&self, now: DateTime<Utc>) -> bool {
        self.answer.is_none() && now < self.expires_at
    }
}

impl Aggregate for Invitation {
    const TYPE: &'static str = "invitation";
    const OPENS_PERSONAL: bool = true;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let expires_at = context.now + TIME;
        let Some(asked) = &self.asked else {
            return match command {
                Command::Create(told) if !told.role.is_within(told.by) => Err(Error::AboveOwnRole),
                Command::Create(Create { user, email, role, token, .. }) => {
                    Ok(vec![Event::Created { user, email, role, token, expires_at }])
                }
                _ => Err(Error::NotFound),
            };
        };
        let user = asked.user;
        match (command, asked.answer) {
            (Command::Create(_), _) => Err(Error::AlreadyCreated),
            (Command::Resend { by, .. } | Command::Revoke { by }, _)
                if !asked.role.is_within(by) =>
            {
                Err(Error::AboveOwnRole)
            }
            (Command::Revoke { .. }, Some(Answer::Revoked)) => Ok(vec![]),
            (_, Some(Answer::Accepted)) => Err(Error::Accepted),
            (_, Some(Answer::Revoked)) => Err(Error::Revoked),
            (Command::Resend { token, .. }, None) => {
                Ok(vec![Event::Resent { user, token, previous: asked.token, expires_at }])
            }
            (Command::Revoke { .. }, None) => Ok(vec![Event::Revoked { user }]),
            (Command::Accept { token }, None)
                if token != asked.token || !asked.is_pending(context.now) =>
            {
                Err(Error::Expired)
            }
            (Command::Accept { .. }, None) => Ok(vec![Event::Accepted { user, role: asked.role }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.asked) {
            (Event::Created { user, email, role, token, expires_at }, asked) => {
                *asked = Some(Asked {
                    user: *user,
                    email: email.clone(),
                    role: *role,
                    token: token.id,
                    expires_at: *expires_at,
                    answer: None,
                });
            }
            (Event::Resent { token, expires_at, .. }, Some(asked)) => {
                asked.token = token.id;
                asked.expires_at = *expires_at;
            }
            (Event::Revoked { .. }, Some(asked)) => asked.answer = Some(Answer::Revoked),
            (Event::Accepted { .. }, Some(asked)) => asked.answer = Some(Answer::Accepted),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    const USER: Uuid = Uuid::from_u128(7);

    fn token(number: u128) -> SecretRef {
        SecretRef { id: Uuid::from_u128(number), fingerprint: "00".into() }
    }

    fn create(role: Role, by: Role) -> Command {
        let email = Personal::identity(USER, Email::parse("otieno@baraka.example").unwrap());
        Command::Create(Create { user: USER, email, role, token: token(1), by })
    }

    fn created(days: i64) -> Event {
        let email = Personal::identity(USER, Email::parse("otieno@baraka.example").unwrap());
        let expires_at = DateTime::UNIX_EPOCH + TimeDelta::days(days);
        Event::Created { user: USER, email, role: Role::Agent, token: token(1), expires_at }
    }

    fn resent() -> Event {
        let (previous, expires_at) = (Uuid::from_u128(1), DateTime::UNIX_EPOCH + TIME);
        Event::Resent { user: USER, token: token(2), previous, expires_at }
    }

    fn accept(history: &[Event], number: u128) -> Result<Vec<Event>, Error> {
        let token = Uuid::from_u128(number);
        decide_after::<Invitation>(history, Command::Accept { token })
    }

    #[test]
    fn an_invitation_waits_for_a_week() {
        let asked = decide_after::<Invitation>(&[], create(Role::Agent, Role::Admin));
        assert_eq!(asked, Ok(vec![created(7)]));
        let accepted = Event::Accepted { user: USER, role: Role::Agent };
        assert_eq!(accept(&[created(7)], 1), Ok(vec![accepted]));
        assert_eq!(accept(&[created(0)], 1), Err(Error::Expired));
        assert_eq!(accept(&[], 1), Err(Error::NotFound));
    }

    #[test]
    fn nobody_invites_to_more_than_they_are() {
        for (role, by) in [(Role::Owner, Role::Admin), (Role::Auditor, Role::Agent)] {
            let asked = decide_after::<Invitation>(&[], create(role, by));
            assert_eq!(asked, Err(Error::AboveOwnRole));
        }
        let revoke = Command::Revoke { by: Role::Auditor };
        let revoked = decide_after::<Invitation>(&[created(7)], revoke);
        assert_eq!(revoked, Err(Error::AboveOwnRole));
    }

    #[test]
    fn another_mail_makes_the_first_one_void_and_begins_a_new_week() {
        let resend = Command::Resend { token: token(2), by: Role::Owner };
        let history = [created(0), resent()];
        assert_eq!(decide_after::<Invitation>(&history[..1], resend), Ok(vec![resent()]));
        assert_eq!(accept(&history, 1), Err(Error::Expired));
        assert!(accept(&history, 2).is_ok());
    }

    #[test]
    fn what_was_answered_is_answered_once() {
        let revoke = || Command::Revoke { by: Role::Owner };
        let resend = || Command::Resend { token: token(2), by: Role::Owner };
        let revoked = [created(7), Event::Revoked { user: USER }];
        assert_eq!(decide_after::<Invitation>(&revoked, revoke()), Ok(vec![]));
        assert_eq!(decide_after::<Invitation>(&revoked, resend()), Err(Error::Revoked));
        assert_eq!(accept(&revoked, 1), Err(Error::Revoked));
        let accepted = [created(7), Event::Accepted { user: USER, role: Role::Agent }];
        assert_eq!(decide_after::<Invitation>(&accepted, revoke()), Err(Error::Accepted));
        assert_eq!(accept(&accepted, 1), Err(Error::Accepted));
    }
}
