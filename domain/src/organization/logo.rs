//! An organisation's logo: where it is, or the small image itself.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// An `https:` or `data:` URL. What the log holds was parsed once and is taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logo(String);

const LONGEST_ADDRESS: usize = 2000;
/// Three bytes are four letters.
const LONGEST_IMAGE: usize = 64 * 1024 / 3 * 4 + 4;

/// Kinds of images that run no code, and how each begins when it is written in base64.
const KINDS: [(&str, &str); 3] = [("png", "iVBORw0KGgo"), ("jpeg", "/9j/"), ("webp", "UklGR")];

impl Logo {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Logo {
    type Err = Error;

    fn from_str(text: &str) -> Result<Logo, Error> {
        let fits = match text.strip_prefix("data:image/") {
            Some(image) => is_image(image),
            None => text.strip_prefix("https://").is_some_and(is_place),
        };
        if fits { Ok(Logo(text.to_owned())) } else { Err(Error::InvalidLogo) }
    }
}

fn is_place(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    rest.len() <= LONGEST_ADDRESS
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte))
        && host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
        && host.bytes().all(is_host)
}

fn is_image(image: &str) -> bool {
    let Some((kind, data)) = image.split_once(";base64,") else { return false };
    let (letters, padding) = data.split_at(data.trim_end_matches('=').len());
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    KINDS.iter().any(|(known, beginning)| *known == kind && letters.starts_with(beginning))
        && data.len() <= LONGEST_IMAGE
        && data.len().is_multiple_of(4)
        && padding.len() <= 2
        && letters.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logo_is_somewhere_safe_or_a_small_image() {
        let large = format!("data:image/png;base64,iVBORw0KGgo{}", "A".repeat(64 * 1024));
        let most = format!("data:image/png;base64,iVBORw0KGgo{}", "A".repeat(1024 + 1));
        for logo in [
            "https://baraka.example/logo.png",
            "https://cdn.baraka.example:8443/a?b=c#d",
            "data:image/jpeg;base64,/9j/4AA=",
            "data:image/webp;base64,UklGRh==",
            &most,
        ] {
            assert_eq!(logo.parse::<Logo>().unwrap().as_str(), logo);
        }
        for logo in [
            "",
            "http://baraka.example/logo.png",
            "https://",
            "https:///logo.png",
            "https://user:secret@baraka.example/",
            "https://baraka.example/a b",
            "javascript:alert(1)",
            "data:image/svg+xml;base64,PHN2Zz4=",
            "data:image/png;base64,/9j/4AA=",
            "data:image/png;base64,iVBORw0KGgo<",
            "data:image/png,iVBORw0KGgo=",
            &large.repeat(2),
        ] {
            assert_eq!(logo.parse::<Logo>(), Err(Error::InvalidLogo), "{logo}");
        }
    }
}
