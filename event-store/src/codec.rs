//! Personal values in JSON, encrypted into tokens and opened again.
//!
//! A token is base64url of: version, subject, class, event id, field (four bytes of a hash of its
//! path), nonce, key commitment, ciphertext. All before the ciphertext is authenticated, with the
//! tenant; the commitment makes sure that no token opens under two keys.

pub(crate) mod sealed;

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::aead::{self, NONCE, TAG};
use crate::keyring::{Keyring, Keys, NewKey};
use crate::keys;
use crate::store::Error;

const MARKER: &str = "$personal";
const VERSION: u8 = 1;
const HEADER: usize = 1 + 16 + 1 + 16 + 4;
const COMMITMENT: usize = 16;
/// All before the ciphertext.
const HEAD: usize = HEADER + NONCE + COMMITMENT;

/// Whose key, for what kind of value.
pub(crate) type KeyName = (Uuid, u8);
pub(crate) type Key = [u8; 32];

/// A token after an attempt to open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// As JSON.
    Clear(String),
    Erased,
}

impl Opened {
    /// The value as what it is; `None` where it was erased, or is something else.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Opened::Clear(json) => serde_json::from_str(json).ok(),
            Opened::Erased => None,
        }
    }
}

/// The classes of personal values by the numbers that tokens carry. Never change one.
const CLASSES: [&str; 4] = ["identity", "content", "provider", "network"];

fn class_number(name: &str) -> Option<u8> {
    CLASSES.iter().position(|class| *class == name).and_then(|n| u8::try_from(n + 1).ok())
}

/// Encrypts and opens personal values with keys that the keyring finds or makes.
#[derive(Clone, Debug)]
pub struct Codec {
    pub(crate) keyring: Keyring,
}

impl Codec {
    /// The keys of all clear personal values in these, and those among them that have to be made;
    /// those of `new` subjects are not looked for.
    pub(crate) async fn obtain(
        &self,
        tenant: Uuid,
        parts: impl Iterator<Item = &Value>,
        new: &HashSet<Uuid>,
    ) -> Result<(Keys, Vec<NewKey>), Error> {
        let mut names = vec![];
        parts.for_each(|part| sealed::names(part, &mut names));
        self.keyring.obtain(tenant, names, new).await
    }

    /// Opens every token in a stored payload of that event; what was erased becomes `null`.
    pub async fn open(&self, tenant: Uuid, event: Uuid, payload: &mut Value) -> Result<(), Error> {
        let mut names = vec![];
        visit(payload, &mut String::new(), &mut |body, _| {
            if let Value::String(token) = body {
                names.push(Token::parse(token)?.name());
            }
            Ok(())
        })?;
        if names.is_empty() {
            return Ok(());
        }
        let keys = self.keyring.find(tenant, names).await?;
        visit(payload, &mut String::new(), &mut |body, path| {
            let Value::String(text) = body else { return Ok(()) };
            let token = Token::parse(text)?;
            if token.event() != event.as_bytes() || token.field() != field_of(path) {
                return Err(Error::BadToken);
            }
            let name = token.name();
            *body = match keys.get(name) {
                None => Value::Null,
                Some(key) => serde_json::json!({
                    "subject": name.0,
                    "class": CLASSES.get(usize::from(name.1) - 1),
                    "v": value_of(&token.open(key, tenant)?)?,
                }),
            };
            Ok(())
        })
    }

    /// Opens tokens that stand by themselves, as read models keep them.
    pub async fn open_tokens(&self, tenant: Uuid, tokens: &[&str]) -> Result<Vec<Opened>, Error> {
        let mut parsed = Vec::with_capacity(tokens.len());
        for token in tokens {
            parsed.push(Token::parse(token)?);
        }
        let names = parsed.iter().map(Token::name).collect();
        let keys = self.keyring.find(tenant, names).await?;
        let mut opened = Vec::with_capacity(parsed.len());
        for token in parsed {
            opened.push(match keys.get(token.name()) {
                None => Opened::Erased,
                Some(key) => Opened::Clear(token.open(key, tenant)?),
            });
        }
        Ok(opened)
    }
}

pub(crate) fn value_of(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|_| Error::BadToken)
}

/// What tells a token from all others: a part of its nonce, as it is written.
pub fn mark(token: &str) -> Option<[u8; 16]> {
    token.as_bytes().get(52..68)?.try_into().ok()
}

/// Calls `each` for what stands under every marker, with the path that leads there.
pub(crate) fn visit(
    value: &mut Value,
    path: &mut String,
    each: &mut impl FnMut(&mut Value, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    match value {
        Value::Object(object) if marked(object).is_some() => {
            object.get_mut(MARKER).map_or(Ok(()), |body| each(body, path))
        }
        Value::Object(object) => object.iter_mut().try_for_each(|(name, member)| {
            let length = path.len();
            path.push('/');
            path.push_str(name);
            visit(member, path, each)?;
            path.truncate(length);
            Ok(())
        }),
        Value::Array(items) => items.iter_mut().enumerate().try_for_each(|(index, item)| {
            let length = path.len();
            path.push_str(&format!("/{index}"));
            visit(item, path, each)?;
            path.truncate(length);
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// What stands under the marker, in what is nothing but that.
fn marked(object: &Map<String, Value>) -> Option<&Value> {
    object.get(MARKER).filter(|_| object.len() == 1)
}

pub(crate) fn clear_parts(body: &Value) -> Option<(KeyName, &Value)> {
    let subject = body.get("subject")?.as_str()?.parse().ok()?;
    Some(((subject, class_number(body.get("class")?.as_str()?)?), body.get("v")?))
}

pub(crate) fn field_of(path: &str) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::digest(path).into();
    [hash[0], hash[1], hash[2], hash[3]]
}

fn commitment(key: &Key, nonce: &[u8; NONCE]) -> [u8; COMMITMENT] {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(b"verbatim/commit/1")
        .chain_update(key)
        .chain_update(nonce)
        .finalize()
        .into();
    let mut short = [0; COMMITMENT];
    short.copy_from_slice(&hash[..COMMITMENT]);
    short
}

fn seal(
    key: &Key,
    tenant: Uuid,
    (subject, class): KeyName,
    event: Uuid,
    path: &str,
    plain: &[u8],
) -> Result<String, Error> {
    let nonce: [u8; NONCE] = keys::random()?;
    let mut token = Vec::with_capacity(HEAD + plain.len() + TAG);
    token.push(VERSION);
    token.extend(subject.as_bytes());
    token.push(class);
    token.extend(event.as_bytes());
    token.extend(field_of(path));
    token.extend(nonce);
    token.extend(commitment(key, &nonce));
    let aad = [tenant.as_bytes().as_slice(), &token].concat();
    token.extend(aead::seal(key, &nonce, &aad, plain).ok_or(Error::BadToken)?);
    Ok(BASE64.encode(token))
}

/// A parsed token: long enough, of a known version.
pub(crate) struct Token(Vec<u8>);

impl Token {
    pub(crate) fn parse(text: &str) -> Result<Token, Error> {
        let bytes = BASE64.decode(text).map_err(|_| Error::BadToken)?;
        let known =
            bytes.first() == Some(&VERSION) && (1..=4).contains(bytes.get(17).unwrap_or(&0));
        if !known || bytes.len() < HEAD + TAG {
            return Err(Error::BadToken);
        }
        Ok(Token(bytes))
    }

    /// As it was told.
    pub(crate) fn text(&self) -> String {
        BASE64.encode(&self.0)
    }

    pub(crate) fn name(&self) -> KeyName {
        (Uuid::from_slice(&self.0[1..17]).unwrap_or_default(), self.0[17])
    }

    pub(crate) fn event(&self) -> &[u8] {
        &self.0[18..34]
    }

    pub(crate) fn field(&self) -> [u8; 4] {
        [self.0[34], self.0[35], self.0[36], self.0[37]]
    }

    /// What was sealed, as JSON.
    pub(crate) fn open(&self, key: &Key, tenant: Uuid) -> Result<String, Error> {
        let (head, sealed) = self.0.split_at(HEAD);
        let (nonce, committed) = head[HEADER..].split_first_chunk().ok_or(Error::BadToken)?;
        if commitment(key, nonce).ct_ne(committed).into() {
            return Err(Error::BadToken);
        }
        let mut aad = [0; 16 + HEAD];
        aad[..16].copy_from_slice(tenant.as_bytes());
        aad[16..].copy_from_slice(head);
        let plain = aead::open(key, nonce, &aad, sealed).ok_or(Error::BadToken)?;
        String::from_utf8(plain).map_err(|_| Error::BadToken)
    }
}
