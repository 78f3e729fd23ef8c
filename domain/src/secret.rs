//! Secrets never enter an event: they live encrypted in the store's table `secrets`, and events
//! carry only where to find them and how to recognise them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a secret may measure.
const MOST: usize = 4096;

/// Points at a secret and says which one it is without giving it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    pub id: Uuid,
    /// The first eight bytes of a keyed hash, in hex.
    pub fingerprint: String,
}

/// A secret on its way to where it is kept. It can be read, but not written: no event, no answer
/// and no line of a log can hold it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("writeOnly" = true))]
pub struct Secret(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 1 to {MOST} printable ASCII characters, and no space at either end")]
pub struct InvalidSecret;

impl Secret {
    /// To be kept, or to be shown to whom it opens the door.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Secret {
    type Error = InvalidSecret;

    fn try_from(text: String) -> Result<Secret, InvalidSecret> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let measured = (1..=MOST).contains(&text.len()) && text.trim() == text;
        if printable && measured { Ok(Secret(text)) } else { Err(InvalidSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_can_be_sent_in_a_header_and_is_never_shown() {
        let secret: Secret = serde_json::from_str(r#""EAAG a+/=""#).unwrap();
        assert_eq!(secret.expose(), "EAAG a+/=");
        assert!(!format!("{secret:?}").contains("EAAG"));
        for unfit in [String::new(), " a".into(), "a\n".into(), "é".into(), "a".repeat(MOST + 1)] {
            assert_eq!(Secret::try_from(unfit), Err(InvalidSecret));
        }
    }
}
