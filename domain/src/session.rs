//! A session: a person who signed in and goes on being known by tokens, of which the one that
//! fetches new ones is good once.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

/// For how long a token that was just replaced may come again from the same client: from another tab,
/// or because the answer with the new one was lost. From anywhere else it is a copy of it.
pub const GRACE: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug)]
pub enum Command {
    Start(Start),
    /// Fetches new tokens for the one that is presented.
    Refresh {
        presented: Uuid,
        tokens: Tokens,
        /// What stands for who presents it.
        client: String,
    },
    /// The person has just shown once more who they are.
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
    Started {
        user: Uuid,
        generation: u64,
        method: Method,
        tokens: Tokens,
        /// When they signed in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DateTime<Utc>>,
    },
    Refreshed {
        user: Uuid,
        tokens: Tokens,
        /// When the token before was replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DateTime<Utc>>,
        /// What stands for who replaced it: network and program, as a keyed hash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    SteppedUp {
        user: Uuid,
        until: DateTime<Utc>,
    },
    ReuseNoticed {
        user: Uuid,
        presented: Uuid,
    },
    Ended {
        user: Uuid,
        reason: Reason,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the session exists already")]
    AlreadyStarted,
    #[error("there is no such session")]
    NotFound,
    #[error("the session is over: sign in again")]
    Over,
    #[error("another token has just taken this one's place: use that, or sign in again")]
    TokenReplaced,
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
    pub replaced: Option<Replaced>,
    pub until: DateTime<Utc>,
    /// `None` where that was not told.
    pub started_at: Option<DateTime<Utc>>,
    pub stepped_up_until: Option<DateTime<Utc>>,
    pub ended: bool,
}

/// The token before: when it was replaced, and by whom.
#[derive(Clone, Debug, Serialize)]
pub struct Replaced {
    token: Uuid,
    at: DateTime<Utc>,
    client: String,
}

impl Session {
    /// How it stands, if it goes on.
    pub fn open(&self, now: DateTime<Utc>) -> Option<&Standing> {
        self.standing.as_ref().filter(|standing| !standing.ended && now < standing.until)
    }
}

impl Standing {
    fn has_just_replaced(&self, presented: Uuid, client: &str, now: DateTime<Utc>) -> bool {
        let is =
            |it: &Replaced| it.token == presented && it.client == client && now < it.at + GRACE;
        self.replaced.as_ref().is_some_and(is)
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
                    at: Some(context.now),
                }]),
                _ => Err(Error::NotFound),
            };
        };
        let (user, now) = (standing.user, context.now);
        let open = self.open(now).is_some();
        match command {
            Command::Start(_) => Err(Error::AlreadyStarted),
            Command::End if !open => Ok(vec![]),
            Command::End => Ok(vec![Event::Ended { user, reason: Reason::Logout }]),
            _ if !open => Err(Error::Over),
            Command::Refresh { presented, tokens, client } if presented == standing.refresh => {
                let (at, client) = (Some(now), Some(client));
                Ok(vec![Event::Refreshed { user, tokens, at, client }])
            }
            Command::Refresh { presented, client, .. }
                if standing.has_just_replaced(presented, &client, now) =>
            {
                Err(Error::TokenReplaced)
            }
            Command::Refresh { presented, .. } => Ok(vec![
                Event::ReuseNoticed { user, presented },
                Event::Ended { user, reason: Reason::RefreshReused },
            ]),
            Command::StepUp { until } => Ok(vec![Event::SteppedUp { user, until }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.standing) {
            (Event::Started { user, generation, tokens, at, .. }, standing) => {
                *standing = Some(Standing {
                    user: *user,
                    generation: *generation,
                    refresh: tokens.refresh.id,
                    replaced: None,
                    until: tokens.until,
                    started_at: *at,
                    stepped_up_until: None,
                    ended: false,
                });
            }
            (Event::Refreshed { tokens, at, client, .. }, Some(standing)) => {
                let (token, known) = (standing.refresh, at.zip(client.clone()));
                standing.replaced = known.map(|(at, client)| Replaced { token, at, client });
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
        let at = Some(DateTime::UNIX_EPOCH);
        Event::Started { user: USER, generation: 1, method, tokens, at }
    }

    fn refresh(presented: u128) -> Command {
        refresh_from(presented, "home")
    }

    fn refresh_from(presented: u128, client: &str) -> Command {
        let (presented, client) = (Uuid::from_u128(presented), client.to_owned());
        Command::Refresh { presented, tokens: tokens(20, 30), client }
    }

    /// Replaced at home, so many seconds before now.
    fn refreshed(ago: i64) -> Event {
        let at = Some(DateTime::UNIX_EPOCH - TimeDelta::seconds(ago));
        let client = Some("home".to_owned());
        Event::Refreshed { user: USER, tokens: tokens(20, 30), at, client }
    }

    #[test]
    fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
        let first = decide_after::<Session>(&[started(30)], refresh(11));
        assert_eq!(first, Ok(vec![refreshed(0)]));
        let history = [started(30), refreshed(10)];
        let noticed = Event::ReuseNoticed { user: USER, presented: Uuid::from_u128(11) };
        let ended = Event::Ended { user: USER, reason: Reason::RefreshReused };
        let again = decide_after::<Session>(&history, refresh(11));
        assert_eq!(again, Ok(vec![noticed.clone(), ended.clone()]));
        let history = [&history[..], &[noticed, ended]].concat();
        assert_eq!(decide_after::<Session>(&history, refresh(21)), Err(Error::Over));
    }

    #[test]
    fn a_token_that_was_just_replaced_is_refused_and_ends_nothing() {
        for ago in [0, 9] {
            let history = [started(30), refreshed(ago)];
            assert_eq!(decide_after::<Session>(&history, refresh(11)), Err(Error::TokenReplaced));
            assert!(decide_after::<Session>(&history, refresh(21)).is_ok());
        }
    }

    #[test]
    fn one_that_was_just_replaced_by_somebody_else_is_a_copy_and_ends_the_session() {
        let history = [started(30), refreshed(0)];
        let elsewhere = decide_after::<Session>(&history, refresh_from(11, "elsewhere")).unwrap();
        assert!(matches!(elsewhere[..], [Event::ReuseNoticed { .. }, Event::Ended { .. }]));
    }

    #[test]
    fn only_the_last_token_before_is_excused() {
        let (at, client) = (Some(DateTime::UNIX_EPOCH), Some("home".to_owned()));
        let again = Event::Refreshed { user: USER, tokens: tokens(30, 30), at, client };
        let history = [started(30), refreshed(1), again];
        let two_before = decide_after::<Session>(&history, refresh(11)).unwrap();
        assert!(matches!(two_before[..], [Event::ReuseNoticed { .. }, Event::Ended { .. }]));
    }

    #[test]
    fn a_token_whose_replacement_was_told_without_a_time_or_a_client_is_reused() {
        for at in [None, Some(DateTime::UNIX_EPOCH)] {
            let tokens = tokens(20, 30);
            let refreshed = Event::Refreshed { user: USER, tokens, at, client: None };
            let reused = decide_after::<Session>(&[started(30), refreshed], refresh(11)).unwrap();
            assert!(matches!(reused[..], [Event::ReuseNoticed { .. }, Event::Ended { .. }]));
        }
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
