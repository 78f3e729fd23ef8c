//! Callbacks that PawaPay signs: HTTP message signatures (RFC 9421) that cover a digest of the body
//! (RFC 9530).

mod key;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

pub use key::{InvalidKey, PublicKey};

/// By how much two machines' clocks may differ.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// A request as its receiver saw it.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    pub method: &'a str,
    /// The host that was asked for, with its port unless that is the usual one.
    pub authority: &'a str,
    pub path: &'a str,
    /// The value of a header, by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub body: &'a [u8],
}

/// Why a signature proves nothing. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("Signature and Signature-Input can't be read, or don't fit together")]
    Unreadable,
    #[error("the signature does not cover the body by its content-digest")]
    BodyNotCovered,
    #[error("the signature covers what is not there, or not known to us")]
    NotThere,
    #[error("Content-Digest is not the body's")]
    OtherBody,
    #[error("the signature has expired")]
    Expired,
    #[error("the signature is not of this key, or of something else")]
    Wrong,
}

/// Whether a request says that it is signed.
pub fn is_signed(message: &Message<'_>) -> bool {
    (message.header)("signature").is_some() || (message.header)("signature-input").is_some()
}

/// Whether the owner of the key has signed this request.
pub fn verify(key: &PublicKey, message: &Message<'_>, now: DateTime<Utc>) -> Result<(), Forged> {
    let header = |name: &str| (message.header)(name).ok_or(Forged::Unreadable);
    let input = header("signature-input")?;
    let input = Input::read(&input).ok_or(Forged::Unreadable)?;
    let signature = bytes(&header("signature")?, input.label).ok_or(Forged::Unreadable)?;
    if !input.covered.contains(&"content-digest") {
        return Err(Forged::BodyNotCovered);
    }
    let digest = header("content-digest")?;
    if !is_digest(&digest, message.body) {
        return Err(Forged::OtherBody);
    }
    let expires = input.parameter("expires").map(|at| at.parse().map_err(|_| Forged::Unreadable));
    if let Some(expires) = expires.transpose()?
        && now.timestamp() > SLACK.num_seconds().saturating_add(expires)
    {
        return Err(Forged::Expired);
    }
    let base = input.base(message).ok_or(Forged::NotThere)?;
    let genuine = key.signed(input.parameter("alg"), base.as_bytes(), &signature);
    if genuine { Ok(()) } else { Err(Forged::Wrong) }
}

/// The first member of a Signature-Input: `label=("a" "b");created=1;alg="x"`.
struct Input<'a> {
    label: &'a str,
    covered: Vec<&'a str>,
    /// All behind the label, as it is signed itself.
    raw: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Input<'a> {
    fn read(text: &'a str) -> Option<Input<'a>> {
        let (label, rest) = text.split_once('=')?;
        let (covered, _) = rest.strip_prefix('(')?.split_once(')')?;
        let unquoted = |word: &'a str| word.strip_prefix('"')?.strip_suffix('"');
        // Names with parameters of their own aren't unquoted by this, and refused.
        let covered: Vec<&str> =
            covered.split_ascii_whitespace().map(unquoted).collect::<Option<_>>()?;
        let end = unquoted_at(rest, ',').unwrap_or(rest.len());
        let raw = rest[..end].trim_end();
        let mut parameters = vec![];
        let mut left = raw[raw.find(')')? + 1..].strip_prefix(';');
        while let Some(text) = left {
            let end = unquoted_at(text, ';');
            let (name, value) = text[..end.unwrap_or(text.len())].split_once('=')?;
            parameters.push((name.trim(), value.trim().trim_matches('"')));
            left = end.map(|end| &text[end + 1..]);
        }
        Some(Input { label: label.trim(), covered, raw, parameters })
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// What is signed: a line for each covered part, and one for how it is signed.
    fn base(&self, message: &Message<'_>) -> Option<String> {
        let mut base = String::new();
        for name in &self.covered {
            let value = match *name {
                "@method" => message.method.to_owned(),
                "@authority" => message.authority.to_ascii_lowercase(),
                "@path" => message.path.to_owned(),
                derived if derived.starts_with('@') => return None,
                header => (message.header)(header)?.trim().to_owned(),
            };
            base += &format!("\"{name}\": {value}\n");
        }
        Some(base + &format!("\"@signature-params\": {}", self.raw))
    }
}

/// Where a character stands first outside of quotes.
fn unquoted_at(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (c == wanted && !quoted).then_some(at)
    })
}

/// The bytes that a header has under a name: `name=:<base64>:`, with others beside it or not.
fn bytes(header: &str, wanted: &str) -> Option<Vec<u8>> {
    header.split(',').find_map(|member| {
        let (name, value) = member.trim().split_once('=')?;
        let value = value.strip_prefix(':')?.strip_suffix(':')?;
        (name == wanted).then(|| BASE64.decode(value).ok())?
    })
}

/// Whether a Content-Digest tells this body's, in an algorithm that can be trusted.
fn is_digest(header: &str, body: &[u8]) -> bool {
    let told = [
        bytes(header, "sha-256").map(|told| told.ct_eq(&Sha256::digest(body))),
        bytes(header, "sha-512").map(|told| told.ct_eq(&Sha512::digest(body))),
    ];
    let mut told = told.into_iter().flatten().map(bool::from).peekable();
    told.peek().is_some() && told.all(|is| is)
}

#[cfg(test)]
mod tests;
