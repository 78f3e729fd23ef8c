//! A value as it is stored: written out, with a token in the place of each clear personal value. It is
//! neither copied nor changed for that: who has to encrypt again still has it.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::{KeyName, MARKER, clear_parts, marked, seal};
use crate::keyring::Keys;
use crate::store::Error;

/// Whose values these are, and what their tokens are bound to.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a> {
    pub(crate) tenant: Uuid,
    pub(crate) event: Uuid,
    pub(crate) keys: &'a Keys,
}

impl Sealing<'_> {
    /// There has to be a key for each of the value's names.
    pub(crate) fn write(&self, value: &Value) -> Result<String, Error> {
        let stored = Stored { value, path: Path::Root, sealing: self };
        serde_json::to_string(&stored).map_err(|error| Error::Sealing(Arc::new(error)))
    }

    fn token(&self, name: KeyName, path: &Path<'_>, clear: &Value) -> Result<String, Error> {
        let key = self.keys.get(name).ok_or(Error::BadToken)?;
        let plain = serde_json::to_vec(clear).map_err(|_| Error::BadToken)?;
        seal(key, self.tenant, name, self.event, &path.to_string(), &plain)
    }
}

/// The keys that its clear personal values need.
pub(crate) fn names(value: &Value, found: &mut Vec<KeyName>) {
    match value {
        Value::Object(object) => match marked(object) {
            Some(body) => found.extend(clear_parts(body).map(|(name, _)| name)),
            None => object.values().for_each(|member| names(member, found)),
        },
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// Where a value stands in what is written, as `visit` tells it.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Member(within, name) => write!(f, "{within}/{name}"),
            Path::Item(within, index) => write!(f, "{within}/{index}"),
        }
    }
}

struct Stored<'a> {
    value: &'a Value,
    path: Path<'a>,
    sealing: &'a Sealing<'a>,
}

impl Serialize for Stored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Stored { value, path, sealing } = self;
        match value {
            Value::Object(object) => match marked(object) {
                Some(body) => match clear_parts(body) {
                    Some((name, clear)) => {
                        let token = sealing.token(name, path, clear).map_err(S::Error::custom)?;
                        serializer.collect_map([(MARKER, token)])
                    }
                    None => object.serialize(serializer),
                },
                None => serializer.collect_map(object.iter().map(|(name, value)| {
                    (name, Stored { value, path: Path::Member(path, name), sealing })
                })),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                serializer.collect_seq(items.map(|(index, value)| Stored {
                    value,
                    path: Path::Item(path, index),
                    sealing,
                }))
            }
            plain => plain.serialize(serializer),
        }
    }
}
