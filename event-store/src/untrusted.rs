//! What strangers' bytes are read with, for whoever throws bytes at it: tokens of personal data, and
//! the JSON that they stand in.

use serde_json::Value;
use uuid::Uuid;

use crate::codec::sealed::{self, Sealing};
use crate::codec::{KeyName, Token, clear_parts, field_of, value_of, visit};
use crate::keyring::Keys;

/// A reader and its name.
pub type Parser = (&'static str, fn(&[u8]));

pub const PARSERS: &[Parser] = &[("personal_tokens", personal_tokens)];

const KEY: [u8; 32] = [7; 32];
const TENANT: Uuid = Uuid::from_u128(1);
const EVENT: Uuid = Uuid::from_u128(2);

/// A text as a token, and as JSON that holds personal values: each of those comes back out of its
/// token, and out of no token that somebody touched.
pub fn personal_tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = Token::parse(text) {
        assert_eq!(token.text(), text);
        // The key is nobody's but ours: what it opens, a test here has sealed.
        let _ = token.open(&KEY, TENANT);
        assert!(token.open(&[8; 32], TENANT).is_err());
    }
    let Ok(mut payload) = serde_json::from_str::<Value>(text) else { return };
    let mut names = vec![];
    sealed::names(&payload, &mut names);
    let keys = Keys::of(names.into_iter().map(|name| (name, KEY)).collect());
    let sealing = Sealing { tenant: TENANT, event: EVENT, keys: &keys };
    let stored = match sealing.write(&payload) {
        Ok(stored) => stored,
        Err(error) => panic!("{error}"),
    };
    let mut tokens = personal(&stored).into_iter();
    let told = visit(&mut payload, &mut String::new(), &mut |body, path| {
        let Some((place, token)) = tokens.next() else { panic!("{path} has no token") };
        assert_eq!(path, place);
        if let Some((name, clear)) = clear_parts(body) {
            let sealed = token.as_str().unwrap_or_default();
            assert_sealed((name, path), &clear.to_string(), sealed, bytes.len());
            *body = token;
        }
        Ok(())
    });
    assert!(told.is_ok() && tokens.next().is_none(), "{told:?}");
    assert_eq!(payload.to_string(), stored, "nothing else is changed");
}

/// What stands under markers, and where.
fn personal(stored: &str) -> Vec<(String, Value)> {
    let Ok(mut stored) = value_of(stored) else { panic!("{stored} is no JSON") };
    let mut found = vec![];
    let told = visit(&mut stored, &mut String::new(), &mut |body, path| {
        found.push((path.to_owned(), body.clone()));
        Ok(())
    });
    assert!(told.is_ok(), "{told:?}");
    found
}

fn assert_sealed((name, path): (KeyName, &str), plain: &str, sealed: &str, place: usize) {
    let Ok(token) = Token::parse(sealed) else { panic!("{sealed} is no token") };
    assert_eq!((token.name(), token.event()), (name, EVENT.as_bytes().as_slice()));
    assert_eq!(token.field(), field_of(path));
    assert_eq!(token.open(&KEY, TENANT).ok().as_deref(), Some(plain));
    assert!(token.open(&KEY, EVENT).is_err(), "another organisation's");
    if let Ok(touched) = Token::parse(&touched(sealed, place)) {
        assert!(touched.open(&KEY, TENANT).is_err(), "{sealed} touched");
    }
}

/// Another letter somewhere.
fn touched(token: &str, place: usize) -> String {
    let place = place % token.len();
    let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    let mut touched = token.to_owned();
    touched.replace_range(place..=place, other);
    touched
}
