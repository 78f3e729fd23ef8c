//! Values about a person. The log keeps them encrypted under a key of their own, so that
//! destroying the key erases the person and leaves the log as it was written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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

/// A value about somebody. Folds carry it unopened; only what answers a person opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal<T> {
    /// In a box: what is read from the log has a token in its place, and need not carry the room for
    /// a whole message around.
    Clear(Box<Clear<T>>),
    /// An encrypted token, which the store can open while the subject's key exists.
    Encrypted(String),
    /// The subject's key was destroyed.
    Erased,
}

/// A value in the clear, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clear<T> {
    pub subject: Uuid,
    pub class: Class,
    #[serde(rename = "v")]
    pub value: T,
}

impl<T> Personal<T> {
    pub fn identity(subject: Uuid, value: T) -> Self {
        Self::of(subject, Class::Identity, value)
    }

    pub fn content(subject: Uuid, value: T) -> Self {
        Self::of(subject, Class::Content, value)
    }

    pub fn provider(subject: Uuid, value: T) -> Self {
        Self::of(subject, Class::Provider, value)
    }

    pub fn network(subject: Uuid, value: T) -> Self {
        Self::of(subject, Class::Network, value)
    }

    fn of(subject: Uuid, class: Class, value: T) -> Self {
        Personal::Clear(Box::new(Clear { subject, class, value }))
    }

    /// The value, where it was opened and not erased.
    pub fn clear(&self) -> Option<&T> {
        match self {
            Personal::Clear(clear) => Some(&clear.value),
            Personal::Encrypted(_) | Personal::Erased => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Marked<B> {
    #[serde(rename = "$personal")]
    body: B,
}

impl<T: Serialize> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Personal::Clear(clear) => Marked { body: clear }.serialize(serializer),
            Personal::Encrypted(token) => Marked { body: token }.serialize(serializer),
            Personal::Erased => Marked { body: () }.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Marked::<Body<T>>::deserialize(deserializer)?.body.0)
    }
}

/// What stands under the marker: a token, nothing, or the value with whose it is.
struct Body<T>(Personal<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Body<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BodyVisitor(PhantomData)).map(Body)
    }
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
    type Value = Personal<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token, null, or an object with subject, class and v")
    }

    fn visit_str<E>(self, token: &str) -> Result<Personal<T>, E> {
        Ok(Personal::Encrypted(token.to_owned()))
    }

    fn visit_string<E>(self, token: String) -> Result<Personal<T>, E> {
        Ok(Personal::Encrypted(token))
    }

    fn visit_unit<E>(self) -> Result<Personal<T>, E> {
        Ok(Personal::Erased)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Personal<T>, A::Error> {
        Box::deserialize(MapAccessDeserializer::new(members)).map(Personal::Clear)
    }
}
