//! Values about a person. The log keeps them encrypted under a key of their own, so that
//! destroying the key erases the person and leaves the log as it was written.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The key under which a personal value stands in JSON, so that the store finds it without knowing
/// any noun: `{"$personal": {"subject", "class", "v"}}` in the clear, `{"$personal": "<token>"}`
/// encrypted, `{"$personal": null}` erased.
pub const MARKER: &str = "$personal";

/// What kind of personal value it is. Each class has its own key, so that one can be erased
/// without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Names, numbers, addresses: what says who a person is.
    Identity,
    /// What a person wrote, sent or was told.
    Content,
    /// Identifiers that a provider minted from personal data, and its raw documents.
    Provider,
    /// Addresses on the network.
    Network,
}

/// A value about `subject`. Folds carry it unopened; only what answers a person opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal<T> {
    Clear {
        subject: Uuid,
        class: Class,
        value: T,
    },
    /// An encrypted token, which the store can open while the subject's key exists.
    Encrypted(String),
    /// The subject's key was destroyed.
    Erased,
}

impl<T> Personal<T> {
    pub fn identity(subject: Uuid, value: T) -> Self {
        Personal::Clear { subject, class: Class::Identity, value }
    }

    pub fn content(subject: Uuid, value: T) -> Self {
        Personal::Clear { subject, class: Class::Content, value }
    }

    pub fn provider(subject: Uuid, value: T) -> Self {
        Personal::Clear { subject, class: Class::Provider, value }
    }

    pub fn network(subject: Uuid, value: T) -> Self {
        Personal::Clear { subject, class: Class::Network, value }
    }

    /// The value, where it was opened and not erased.
    pub fn clear(&self) -> Option<&T> {
        match self {
            Personal::Clear { value, .. } => Some(value),
            Personal::Encrypted(_) | Personal::Erased => None,
        }
    }
}

#[derive(Serialize)]
struct ClearRef<'a, T> {
    subject: Uuid,
    class: Class,
    v: &'a T,
}

#[derive(Deserialize)]
struct ClearOwned<T> {
    subject: Uuid,
    class: Class,
    v: T,
}

#[derive(Serialize)]
struct Marked<B> {
    #[serde(rename = "$personal")]
    body: B,
}

#[derive(Deserialize)]
struct MarkedRaw {
    #[serde(rename = "$personal")]
    body: Box<RawValue>,
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Personal::Clear { subject, class, value } => {
                Marked { body: ClearRef { subject: *subject, class: *class, v: value } }
                    .serialize(serializer)
            }
            Personal::Encrypted(token) => Marked { body: token }.serialize(serializer),
            Personal::Erased => Marked { body: () }.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = MarkedRaw::deserialize(deserializer)?.body;
        match body.get().as_bytes().first() {
            Some(b'"') => {
                serde_json::from_str(body.get()).map(Personal::Encrypted).map_err(D::Error::custom)
            }
            Some(b'n') => Ok(Personal::Erased),
            _ => {
                let clear: ClearOwned<T> =
                    serde_json::from_str(body.get()).map_err(D::Error::custom)?;
                Ok(Personal::Clear { subject: clear.subject, class: clear.class, value: clear.v })
            }
        }
    }
}
