//! A key with which a program calls the API in a user's name, and for no more than its scopes.

mod scope;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context, Role};
use crate::secret::SecretRef;
pub use scope::{Act, NOUNS, NotAScope, Scope, Scopes};

/// For how long a token stands for its key.
pub const TOKEN: TimeDelta = TimeDelta::minutes(15);

#[derive(Debug)]
pub enum Command {
    Issue {
        name: String,
        user: Uuid,
        role: Role,
        secret: SecretRef,
        scopes: Scopes,
        /// `None`: it never expires.
        days: Option<i64>,
    },
    Rename {
        name: String,
    },
    Rescope {
        scopes: Scopes,
    },
    /// Counted from now.
    SetExpiry {
        days: Option<i64>,
    },
    /// Another secret takes the present one's place, which opens for `overlap` more.
    Rotate {
        secret: SecretRef,
        overlap: TimeDelta,
    },
    /// A token for a while, which a program shows instead of the secret that it showed for it.
    IssueToken {
        secret: SecretRef,
        by: Uuid,
        scopes: Scopes,
    },
    Revoke,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Issued {
        name: String,
        user: Uuid,
        role: Role,
        secret: SecretRef,
        #[serde(default, skip_serializing_if = "Scopes::is_default")]
        scopes: Scopes,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<DateTime<Utc>>,
    },
    Renamed {
        user: Uuid,
        name: String,
    },
    Rescoped {
        user: Uuid,
        scopes: Scopes,
    },
    ExpirySet {
        user: Uuid,
        expires_at: Option<DateTime<Utc>>,
    },
    Rotated {
        user: Uuid,
        secret: SecretRef,
        previous: SecretRef,
        previous_until: DateTime<Utc>,
    },
    TokenIssued {
        user: Uuid,
        secret: SecretRef,
        expires_at: DateTime<Utc>,
        /// The key's secret that was shown for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scopes: Option<Scopes>,
    },
    Revoked {
        user: Uuid,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the key exists already")]
    AlreadyIssued,
    #[error("there is no such key")]
    NotIssued,
    #[error("the key was revoked or has expired: issue another")]
    NotUsable,
    #[error("a key's name has 1 to 60 characters")]
    InvalidName,
    #[error("{0}")]
    InvalidScope(#[from] NotAScope),
    #[error("a key needs at least one scope")]
    NoScope,
    #[error("a key expires after 1 to 365 days, or never")]
    InvalidExpiry,
    #[error("the old secret stays for 0 to 168 hours")]
    InvalidOverlap,
    #[error("nobody issues a key that may do more than they")]
    TooWide,
    #[error("a key calls in its maker's name: only they get to know another secret of it")]
    Anothers,
}

/// What the key grants; `None` before it is issued.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ApiKey {
    pub grant: Option<Grant>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Grant {
    pub name: String,
    pub user: Uuid,
    pub role: Role,
    pub scopes: Scopes,
    pub secret: SecretRef,
    /// The secret before the present one, and until when it still opens.
    pub previous: Option<(SecretRef, DateTime<Utc>)>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked: bool,
    /// By their secrets; of those whose time was over when the last was issued, none.
    pub tokens: BTreeMap<Uuid, Token>,
}

/// What stands for the key for a while.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// The key's secret that was shown for it: when that opens no more, nor does this.
    pub by: Uuid,
    pub scopes: Scopes,
    pub until: DateTime<Utc>,
}

impl Grant {
    pub fn is_usable(&self, now: DateTime<Utc>) -> bool {
        !self.revoked && self.expires_at.is_none_or(|expiry| now < expiry)
    }

    /// All secrets that the key knows of.
    pub fn secrets(&self) -> Vec<Uuid> {
        let previous = self.previous.as_ref().map(|(secret, _)| secret.id);
        [Some(self.secret.id), previous].into_iter().flatten().collect()
    }

    /// What somebody may do who shows this secret, of the key or of one of its tokens.
    pub fn opens(&self, secret: Uuid, now: DateTime<Utc>) -> Option<Scopes> {
        if self.accepts(secret, now) {
            return Some(self.scopes.clone());
        }
        let token = self.tokens.get(&secret)?;
        let good = now < token.until && self.accepts(token.by, now);
        good.then(|| token.scopes.common(&self.scopes))
    }

    /// When a token ends that is made now for this secret: in its time, or sooner where the key or
    /// the secret is known to.
    fn token_until(&self, by: Uuid, now: DateTime<Utc>) -> DateTime<Utc> {
        let previous = self.previous.as_ref().filter(|(previous, _)| previous.id == by);
        let sooner = [self.expires_at, previous.map(|(_, until)| *until)];
        sooner.into_iter().flatten().fold(now + TOKEN, DateTime::min)
    }

    /// Whether this secret opens, as far as it is the key's.
    pub fn accepts(&self, secret: Uuid, now: DateTime<Utc>) -> bool {
        let was =
            |(previous, until): &(SecretRef, DateTime<Utc>)| previous.id == secret && now < *until;
        self.is_usable(now) && (self.secret.id == secret || self.previous.as_ref().is_some_and(was))
    }
}

impl Aggregate for ApiKey {
    const TYPE: &'static str = "api_key";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let now = context.now;
        let Some(grant) = &self.grant else {
            return match command {
                Command::Issue { name, user, role, secret, scopes, days } => {
                    let (name, expires_at) = (named(name)?, expiry(days, now)?);
                    Ok(vec![Event::Issued { name, user, role, secret, scopes, expires_at }])
                }
                _ => Err(Error::NotIssued),
            };
        };
        let user = grant.user;
        match command {
            Command::Issue { .. } => Err(Error::AlreadyIssued),
            Command::Revoke if grant.revoked => Ok(vec![]),
            Command::Revoke => Ok(vec![Event::Revoked { user }]),
            _ if grant.revoked => Err(Error::NotUsable),
            Command::Rename { name } if name == grant.name => Ok(vec![]),
            Command::Rename { name } => Ok(vec![Event::Renamed { user, name: named(name)? }]),
            Command::Rescope { scopes } if scopes == grant.scopes => Ok(vec![]),
            Command::Rescope { scopes } => Ok(vec![Event::Rescoped { user, scopes }]),
            Command::SetExpiry { days: None } if grant.expires_at.is_none() => Ok(vec![]),
            Command::SetExpiry { days } => {
                Ok(vec![Event::ExpirySet { user, expires_at: expiry(days, now)? }])
            }
            _ if !grant.is_usable(now) => Err(Error::NotUsable),
            Command::Rotate { overlap, .. }
                if overlap < TimeDelta::zero() || overlap > TimeDelta::hours(168) =>
            {
                Err(Error::InvalidOverlap)
            }
            Command::Rotate { secret, overlap } => {
                let (previous, previous_until) = (grant.secret.clone(), now + overlap);
                Ok(vec![Event::Rotated { user, secret, previous, previous_until }])
            }
            Command::IssueToken { by, .. } if !grant.accepts(by, now) => Err(Error::NotUsable),
            Command::IssueToken { scopes, .. } if !scopes.within(&grant.scopes) => {
                Err(Error::TooWide)
            }
            Command::IssueToken { secret, by, scopes } => {
                let expires_at = grant.token_until(by, now);
                let (by, scopes) = (Some(by), Some(scopes));
                Ok(vec![Event::TokenIssued { user, secret, expires_at, by, scopes }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.grant) {
            (Event::Issued { name, user, role, secret, scopes, expires_at }, grant) => {
                *grant = Some(Grant {
                    name: name.clone(),
                    user: *user,
                    role: *role,
                    scopes: scopes.clone(),
                    secret: secret.clone(),
                    previous: None,
                    expires_at: *expires_at,
                    revoked: false,
                    tokens: BTreeMap::new(),
                });
            }
            (Event::Renamed { name, .. }, Some(grant)) => grant.name.clone_from(name),
            (Event::Rescoped { scopes, .. }, Some(grant)) => grant.scopes.clone_from(scopes),
            (Event::ExpirySet { expires_at, .. }, Some(grant)) => grant.expires_at = *expires_at,
            (Event::Rotated { secret, previous, previous_until, .. }, Some(grant)) => {
                grant.secret.clone_from(secret);
                grant.previous = Some((previous.clone(), *previous_until));
            }
            (Event::Revoked { .. }, Some(grant)) => grant.revoked = true,
            (Event::TokenIssued { secret, expires_at, by, scopes, .. }, Some(grant)) => {
                // Or before now, where the token ends sooner than others.
                let (now, until) = (*expires_at - TOKEN, *expires_at);
                let by = by.unwrap_or(grant.secret.id);
                let scopes = scopes.clone().unwrap_or_else(|| grant.scopes.clone());
                grant.tokens.retain(|_, token| now < token.until);
                grant.tokens.insert(secret.id, Token { by, scopes, until });
            }
            (_, None) => {}
        }
    }
}

fn named(name: String) -> Result<String, Error> {
    let fits = !name.trim().is_empty() && name.chars().count() <= 60;
    if fits { Ok(name) } else { Err(Error::InvalidName) }
}

fn expiry(days: Option<i64>, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Error> {
    match days {
        Some(days) if !(1..=365).contains(&days) => Err(Error::InvalidExpiry),
        days => Ok(days.map(|days| now + TimeDelta::days(days))),
    }
}
