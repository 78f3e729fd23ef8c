//! A session: a person who signed in and goes on being known by tokens, of which the one that
//! fetches new ones is good once.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Start(Start),
    /// Fetches new tokens for the one that is presented.
    Refresh {
        presented: Uuid,
        tokens: Tokens,
    },
    /// The person has just passed the second factor again.
    StepUp {
        until: DateTime<Utc>,
    },
    End,
}

#[derive(Clone, Debug)]
pub struct Start {
    pub user: Uuid,
    /// The user's, when they signed in.
    pub generation: u64,
    pub method: Method,
    pub tokens: Tokens,
}

/// By what somebody came in, at the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Registration,
    Password,
    EmailCode,
    /// Accepted, with a password of their own.
    Invitation,
    /// After a password or code was right.
    SecondFactor,
}

/// A pair of tokens, and until when the second fetches another pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub access: SecretRef,
    pub refresh: SecretRef,
    pub until: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Logout,
    /// A token that was good once came again: somebody else has a copy of it.
    RefreshReused,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Started { user: Uuid, generation: u64, method: Method, tokens: Tokens },
    Refreshed { user: Uuid, tokens: Tokens },
    SteppedUp { user: Uuid, until: DateTime<Utc> },
    ReuseNoticed { user: Uuid, presented: Uuid },
    Ended { user: Uuid, reason: Reason },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the session exists already")]
    AlreadyStarted,
    #[error("there is no such session")]
    NotFound,
    #[error("the session is over: sign in again")]
    Over,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Session {
    /// `None` before it starts.
    pub standing: Option<Standing>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    pub user: Uuid,
    pub generation: u64,
    pub refresh: Uuid,
    pub until: DateTime<Utc>,
    pub stepped_up_until: Option<DateTime<Utc>>,
    pub ended: bool,
}

impl Session {
    /// How it stands, if it goes on.
    pub fn open(&self, now: DateTime<Utc>) -> Option<&Standing> {
        self.standing.as_ref().filter(|standing| !standing.ended && now < standing.until)
    }
}

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let Some(standing) = &self.standing else {
            return match command {
                Command::Start(start) => Ok(vec![Event::Started {
                    user: start.user,
                    generation: start.generation,
                    method: start.method,
                    tokens: start.tokens,
                }]),
                _ => Err(Error::NotFound),
            };
        };
        let user = standing.user;
        let open = self.open(context.now).is_some();
        match command {
            Command::Start(_) => Err(Error::AlreadyStarted),
            Command::End if !open => Ok(vec![]),
            Command::End => Ok(vec![Event::Ended { user, reason: Reason::Logout }]),
            _ if !open => Err(Error::Over),
            Command::Refresh { presented, .. } if presented != standing.refresh => Ok(vec![
                Event::ReuseNoticed { user, presented },
                Event::Ended { user, reason: Reason::RefreshReused },
            ]),
            Command::Refresh { tokens, .. } => Ok(vec![Event::Refreshed { user, tokens }]),
            Command::StepUp { until } => Ok(vec![Event::SteppedUp { user, until }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.standing) {
            (Event::Started { user, generation, tokens, .. }, standing) => {
                *standing = Some(Standing {
                    user: *user,
                    generation: *generation,
                    refresh: tokens.refresh.id,
                    until: tokens.until,
                    stepped_up_until: None,
                    ended: false,
                });
            }
            (Event::Refreshed { tokens, .. }, Some(standing)) => {
                standing.refresh = tokens.refresh.id;
                standing.until = tokens.until;
            }
            (Event::SteppedUp { until, .. }, Some(standing)) => {
                standing.stepped_up_until = Some(*until);
            }
            (Event::Ended { .. }, Some(standing)) => standing.ended = true,
            (Event::ReuseNoticed { .. }, _) | (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::aggregate::decide_after;

    const USER: Uuid = Uuid::from_u128(7);

    fn tokens(number: u128, days: i64) -> Tokens {
        let secret = |id| SecretRef { id: Uuid::from_u128(id), fingerprint: "00".into() };
        let until = DateTime::UNIX_EPOCH + TimeDelta::days(days);
        Tokens { access: secret(number), refresh: secret(number + 1), until }
    }

    fn started(days: i64) -> Event {
        let method = Method::Password;
        let tokens = tokens(10, days);
        Event::Started { user: USER, generation: 1, method, tokens }
    }

    fn refresh(presented: u128) -> Command {
        Command::Refresh { presented: Uuid::from_u128(presented), tokens: tokens(20, 30) }
    }

    #[test]
    fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
        let refreshed = Event::Refreshed { user: USER, tokens: tokens(20, 30) };
        let first = decide_after::<Session>(&[started(30)], refresh(11));
        assert_eq!(first, Ok(vec![refreshed.clone()]));
        let history = [started(30), refreshed];
        let noticed = Event::ReuseNoticed { user: USER, presented: Uuid::from_u128(11) };
        let ended = Event::Ended { user: USER, reason: Reason::RefreshReused };
        let again = decide_after::<Session>(&history, refresh(11));
        assert_eq!(again, Ok(vec![noticed.clone(), ended.clone()]));
        let history = [&history[..], &[noticed, ended]].concat();
        assert_eq!(decide_after::<Session>(&history, refresh(21)), Err(Error::Over));
    }

    #[test]
    fn a_session_that_nobody_refreshes_is_over_in_its_time() {
        assert_eq!(decide_after::<Session>(&[started(0)], refresh(11)), Err(Error::Over));
        assert_eq!(decide_after::<Session>(&[started(0)], Command::End), Ok(vec![]));
    }

    #[test]
    fn who_left_has_left_once() {
        let ended = Event::Ended { user: USER, reason: Reason::Logout };
        let left = decide_after::<Session>(&[started(30)], Command::End);
        assert_eq!(left, Ok(vec![ended.clone()]));
        assert_eq!(decide_after::<Session>(&[started(30), ended], Command::End), Ok(vec![]));
    }
}
