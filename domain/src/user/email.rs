//! An e-mail address in the one form in which it is claimed and found again.

use serde::{Deserialize, Serialize};

use super::Error;

/// Small letters, no spaces around it. What the log holds was parsed once and is taken as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Capital letters don't make another address: everybody's mail server agrees on that.
    pub fn parse(text: &str) -> Result<Email, Error> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(Error::InvalidEmail)?;
        if text.len() > 254 || !is_local(local) || !is_domain(domain) {
            return Err(Error::InvalidEmail);
        }
        Ok(Email(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    text.len() <= 64 && text.bytes().all(allowed) && text.split('.').all(|part| !part.is_empty())
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_however_it_is_typed() {
        for text in ["wanjiru@baraka.example", " Wanjiru@Baraka.Example "] {
            assert_eq!(Email::parse(text).unwrap().as_str(), "wanjiru@baraka.example");
        }
        assert!(Email::parse("o'neil+shop@mail.baraka-home.example").is_ok());
    }

    #[test]
    fn what_no_mail_could_reach_is_no_address() {
        let long = format!("{}@baraka.example", "a".repeat(65));
        for text in [
            "",
            "wanjiru",
            "@baraka.example",
            "a@b@c.example",
            "a b@c.example",
            "a@localhost",
            "a..b@c.example",
            ".a@c.example",
            "a@-c.example",
            "a@c..example",
            "wañjiru@c.example",
            "a@c.example\r\nBcc: b@c.example",
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(Error::InvalidEmail), "{text}");
        }
    }
}
