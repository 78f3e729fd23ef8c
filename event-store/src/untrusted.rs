//! What strangers' bytes are read with, for whoever throws bytes at it: tokens of personal data, and
//! the JSON that they stand in.

use serde_json::Value;
use uuid::Uuid;

use crate::codec::{Token, clear_parts, seal, visit};

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
    let told = visit(&mut payload, &mut String::new(), &mut |body, path| {
        let Some((name, value)) = clear_parts(body) else { return Ok(()) };
        let plain = value.to_string();
        let sealed = seal(&KEY, TENANT, name, EVENT, path, plain.as_bytes())?;
        let token = Token::parse(&sealed)?;
        assert_eq!((token.name(), token.event()), (name, EVENT.as_bytes().as_slice()));
        assert_eq!(token.open(&KEY, TENANT).ok(), Some(plain));
        assert!(token.open(&KEY, EVENT).is_err(), "another organisation's");
        if let Ok(touched) = Token::parse(&touched(&sealed, bytes.len())) {
            assert!(touched.open(&KEY, TENANT).is_err(), "{sealed} touched");
        }
        *body = Value::String(sealed);
        Ok(())
    });
    assert!(told.is_ok(), "{told:?}");
}

/// Another letter somewhere.
fn touched(token: &str, place: usize) -> String {
    let place = place % token.len();
    let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    let mut touched = token.to_owned();
    touched.replace_range(place..=place, other);
    touched
}
