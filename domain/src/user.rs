//! A person who works in an organisation: what they may do, how they are reached, and how they
//! prove who they are.

mod challenge;
mod email;
pub mod membership;
pub mod second_factor;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context, Role};
use crate::secret::SecretRef;
pub use challenge::{Challenge, Challenges, Purpose};
pub use email::Email;
pub use second_factor::SecondFactor;

#[derive(Debug)]
pub enum Command {
    Register {
        name: Personal<String>,
        role: Role,
    },
    /// The address is claimed by the same unit of work: one belongs to one user everywhere.
    SetEmail {
        email: Personal<Email>,
    },
    /// The first password.
    SetPassword {
        password: SecretRef,
    },
    /// Ends all sessions but the one that it was changed in.
    ChangePassword {
        password: SecretRef,
        session: Option<Uuid>,
    },
    /// Ends all sessions.
    ResetPassword {
        password: SecretRef,
        challenge: Uuid,
    },
    /// Takes the place of an earlier one for the same purpose, but for codes to sign in with.
    IssueChallenge {
        purpose: Purpose,
        secret: SecretRef,
        expires_at: DateTime<Utc>,
    },
    /// Somebody gave the right answer.
    MeetChallenge {
        purpose: Purpose,
        challenge: Uuid,
    },
    /// They accepted an invitation, which was mailed.
    VerifyEmail,
    Membership(membership::Command),
    SecondFactor(second_factor::Command),
}

/// How a password came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    First,
    Change,
    Reset,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Registered {
        name: Personal<String>,
        role: Role,
    },
    Renamed {
        name: Personal<String>,
    },
    EmailSet {
        email: Personal<Email>,
    },
    /// An answer came back that only a reader of the person's mail could give.
    EmailVerified {
        by: Purpose,
    },
    PasswordSet {
        password: SecretRef,
        cause: Cause,
        /// The one session that goes on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Uuid>,
    },
    ChallengeIssued {
        purpose: Purpose,
        secret: SecretRef,
        expires_at: DateTime<Utc>,
    },
    ChallengeMet {
        purpose: Purpose,
        challenge: Uuid,
    },
    RoleChanged {
        from: Role,
        to: Role,
    },
    Deactivated {
        role: Role,
    },
    Reactivated {
        role: Role,
    },
    SecondFactorEnrolled {
        seed: SecretRef,
    },
    SecondFactorConfirmed {
        step: u64,
        recovery_codes: Vec<SecretRef>,
    },
    SecondFactorPassed {
        step: u64,
    },
    SecondFactorDisabled {},
    RecoveryCodesReplaced {
        recovery_codes: Vec<SecretRef>,
    },
    RecoveryCodeUsed {
        code: Uuid,
        left: usize,
    },
    RecoveryCodeRevoked {
        code: Uuid,
        left: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the user exists already")]
    AlreadyRegistered,
    #[error("there is no such user")]
    NotFound,
    #[error("the user was deactivated")]
    Deactivated,
    #[error("your role is below theirs, or below the one that you want to give")]
    AboveOwnRole,
    #[error("nobody deactivates themselves: another owner or admin can")]
    OwnDeactivation,
    #[error("a name has 1 to 200 characters")]
    InvalidName,
    #[error("an e-mail address reads like name@example.com, in ASCII letters")]
    InvalidEmail,
    #[error("there is an account with this e-mail address: sign in, or reset its password")]
    EmailTaken,
    #[error("a password has 8 to 200 characters")]
    InvalidPassword,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the code or token is wrong, was used, or is too old: ask for a new one")]
    ChallengeFailed,
    #[error("the code is wrong: the app shows another one every 30 seconds")]
    WrongCode,
    #[error("there is a second factor already: disable it first")]
    SecondFactorActive,
    #[error("there is no second factor: set one up, and confirm it with its first code")]
    NoSecondFactor,
    #[error("the organisation requires a second factor")]
    SecondFactorRequired,
    #[error("you have a second factor: show that, by its code or a recovery_code")]
    SecondFactorDue,
    #[error("the code was used already: wait for the next one")]
    CodeUsed,
    #[error("there is no such recovery code, or it was used")]
    NoSuchRecoveryCode,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct User {
    /// `None` before they are registered.
    pub role: Option<Role>,
    pub name: Option<Personal<String>>,
    pub email: Option<Personal<Email>>,
    pub email_verified: bool,
    pub password: Option<SecretRef>,
    pub deactivated: bool,
    /// Raised by whatever ends sessions: one that began under a lower number is over.
    pub generation: u64,
    /// The one session that outlived the last raise.
    pub kept_session: Option<Uuid>,
    pub challenges: Challenges,
    pub second_factor: Option<SecondFactor>,
}

impl User {
    /// Their role, unless they are not there or not any more.
    pub fn active_role(&self) -> Option<Role> {
        self.role.filter(|_| !self.deactivated)
    }

    pub fn has_second_factor(&self) -> bool {
        self.second_factor.as_ref().is_some_and(|factor| factor.confirmed)
    }

    /// Whether a session that began under `generation` goes on.
    pub fn keeps(&self, session: Uuid, generation: u64) -> bool {
        !self.deactivated && (generation == self.generation || self.kept_session == Some(session))
    }
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let Some(role) = self.role else {
            return match command {
                Command::Register { name, role } => register(name, role),
                _ => Err(Error::NotFound),
            };
        };
        match command {
            Command::Register { .. } => Err(Error::AlreadyRegistered),
            Command::Membership(command) => membership::decide(role, self.deactivated, command),
            _ if self.deactivated => Err(Error::Deactivated),
            Command::SetEmail { email } => Ok(vec![Event::EmailSet { email }]),
            Command::SetPassword { password } => {
                Ok(vec![Event::PasswordSet { password, cause: Cause::First, session: None }])
            }
            Command::ChangePassword { password, session } => {
                Ok(vec![Event::PasswordSet { password, cause: Cause::Change, session }])
            }
            Command::ResetPassword { password, challenge } => {
                let mut events = self.met(Purpose::PasswordReset, challenge, context)?;
                events.push(Event::PasswordSet { password, cause: Cause::Reset, session: None });
                Ok(events)
            }
            Command::IssueChallenge { purpose, secret, expires_at } => {
                Ok(vec![Event::ChallengeIssued { purpose, secret, expires_at }])
            }
            Command::MeetChallenge { purpose, challenge } => self.met(purpose, challenge, context),
            Command::VerifyEmail if self.email_verified => Ok(vec![]),
            Command::VerifyEmail => Ok(vec![Event::EmailVerified { by: Purpose::Invitation }]),
            Command::SecondFactor(command) => {
                second_factor::decide(self.second_factor.as_ref(), command)
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered { name, role } => {
                self.role = Some(*role);
                self.name = Some(name.clone());
            }
            Event::EmailSet { email } => {
                self.email = Some(email.clone());
                self.email_verified = false;
            }
            Event::EmailVerified { .. } => self.email_verified = true,
            Event::PasswordSet { password, session, .. } => {
                self.password = Some(password.clone());
                self.end_sessions(*session);
                // Whoever asked for a reset before knew the old one at the best.
                self.challenges.clear();
            }
            Event::ChallengeIssued { purpose, secret, expires_at } => {
                let (purpose, expires_at) = (*purpose, *expires_at);
                self.challenges.add(Challenge { purpose, id: secret.id, expires_at });
            }
            Event::ChallengeMet { purpose, .. } => {
                self.challenges.close(*purpose);
            }
            Event::Renamed { name } => self.name = Some(name.clone()),
            Event::RoleChanged { to, .. } => self.role = Some(*to),
            Event::Deactivated { .. } => {
                self.deactivated = true;
                self.end_sessions(None);
            }
            Event::Reactivated { .. } => self.deactivated = false,
            Event::SecondFactorEnrolled { .. }
            | Event::SecondFactorConfirmed { .. }
            | Event::SecondFactorPassed { .. }
            | Event::SecondFactorDisabled {}
            | Event::RecoveryCodesReplaced { .. }
            | Event::RecoveryCodeUsed { .. }
            | Event::RecoveryCodeRevoked { .. } => {
                second_factor::evolve(&mut self.second_factor, event);
            }
        }
    }
}

fn register(name: Personal<String>, role: Role) -> Result<Vec<Event>, Error> {
    Ok(vec![Event::Registered { name: named(name)?, role }])
}

fn named(name: Personal<String>) -> Result<Personal<String>, Error> {
    let fits = |name: &String| !name.trim().is_empty() && name.chars().count() <= 200;
    if name.clear().is_some_and(|name| !fits(name)) {
        return Err(Error::InvalidName);
    }
    Ok(name)
}

impl User {
    fn met(
        &self,
        purpose: Purpose,
        challenge: Uuid,
        context: &Context,
    ) -> Result<Vec<Event>, Error> {
        if !self.challenges.is_open(purpose, challenge, context.now) {
            return Err(Error::ChallengeFailed);
        }
        let mut events = vec![Event::ChallengeMet { purpose, challenge }];
        if purpose.is_mailed() && !self.email_verified {
            events.push(Event::EmailVerified { by: purpose });
        }
        Ok(events)
    }

    fn end_sessions(&mut self, but: Option<Uuid>) {
        self.generation += 1;
        self.kept_session = but;
    }
}
