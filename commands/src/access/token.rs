//! The text that opens: a prefix that scanners know, the id of the secret that recognises it, 32
//! random bytes, and a checksum that tells a mistyped one without a look into the database.

use uuid::Uuid;

use crate::Error;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits that 16 and 32 bytes and the checksum take.
const ID: usize = 22;
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;

/// What a text opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ApiKey,
    /// Stands for a key for a while.
    KeyToken,
    Access,
    Refresh,
    /// The second step of a login.
    SecondFactor,
    /// Nothing by itself: it goes with a code that was mailed.
    CodeTicket,
    PasswordReset,
    EmailVerification,
    Invitation,
    /// A member of the platform's staff.
    Staff,
    /// Their visit to an organisation.
    Visit,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::ApiKey,
        Kind::KeyToken,
        Kind::Access,
        Kind::Refresh,
        Kind::SecondFactor,
        Kind::CodeTicket,
        Kind::PasswordReset,
        Kind::EmailVerification,
        Kind::Invitation,
        Kind::Staff,
        Kind::Visit,
    ];

    fn prefix(self) -> &'static str {
        match self {
            Kind::ApiKey => "vb_",
            Kind::KeyToken => "vbt_",
            Kind::Access => "vba_",
            Kind::Refresh => "vbr_",
            Kind::SecondFactor => "vbm_",
            Kind::CodeTicket => "vbc_",
            Kind::PasswordReset => "vbp_",
            Kind::EmailVerification => "vbe_",
            Kind::Invitation => "vbi_",
            Kind::Staff => "vbs_",
            Kind::Visit => "vbv_",
        }
    }

    /// As its secret is called.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::ApiKey => "api_key",
            Kind::KeyToken => "key_token",
            Kind::Access => "access_token",
            Kind::Refresh => "refresh_token",
            Kind::SecondFactor => "second_factor_token",
            Kind::CodeTicket => "code_ticket",
            Kind::PasswordReset => "password_reset_token",
            Kind::EmailVerification => "email_verification_token",
            Kind::Invitation => "invitation_token",
            Kind::Staff => "staff_key",
            Kind::Visit => "visit_token",
        }
    }
}

/// A new text, and the id under which its secret is to be kept.
pub(super) fn mint(kind: Kind) -> Result<(Uuid, String), Error> {
    let id = Uuid::now_v7();
    let random: [u8; 32] = super::random()?;
    let text = shown(kind, id) + &base62(&random, RANDOM);
    let checksum = checksum(&text);
    Ok((id, text + &checksum))
}

/// The beginning of a text, up to where it opens: the id of its secret, which is none.
pub(crate) fn shown(kind: Kind, id: Uuid) -> String {
    kind.prefix().to_owned() + &base62(id.as_bytes(), ID)
}

/// What it would open, and the id of its secret; `None` for what was never minted.
pub(crate) fn parse(text: &str) -> Option<(Kind, Uuid)> {
    let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
    let digits = &text[kind.prefix().len()..];
    if !digits.is_ascii() || digits.len() != ID + RANDOM + CHECKSUM {
        return None;
    }
    let (checked, told) = text.split_at(text.len() - CHECKSUM);
    (checksum(checked) == told).then_some(())?;
    Some((kind, Uuid::from_u128(number(&digits[..ID])?)))
}

fn checksum(text: &str) -> String {
    base62(&crc32fast::hash(text.as_bytes()).to_be_bytes(), CHECKSUM)
}

/// The bytes as one number.
fn base62(bytes: &[u8], places: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![DIGITS[0]; places];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0;
        for byte in &mut number {
            let part = u32::from(rest) << 8 | u32::from(*byte);
            *byte = (part / 62) as u8;
            rest = (part % 62) as u8;
        }
        *digit = DIGITS[usize::from(rest)];
    }
    digits.into_iter().map(char::from).collect()
}

fn number(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0u128, |number, digit| {
        let digit = DIGITS.iter().position(|known| *known == digit)?;
        number.checked_mul(62)?.checked_add(digit as u128)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_text_leads_to_its_secret() {
        for kind in Kind::ALL {
            let (id, text) = mint(kind).unwrap();
            assert_eq!(parse(&text), Some((kind, id)), "{text}");
            assert!(
                text.bytes().skip(kind.prefix().len()).all(|byte| byte.is_ascii_alphanumeric())
            );
        }
    }

    #[test]
    fn a_mistyped_one_is_none() {
        let (_, text) = mint(Kind::ApiKey).unwrap();
        for place in 0..text.len() {
            let mut typed = text.clone().into_bytes();
            typed[place] = if typed[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(parse(&String::from_utf8(typed).unwrap()), None);
        }
        for nonsense in ["", "vb_", "vb_é", &text[..40], &format!("{text}0"), "Bearer"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_greatest_numbers_fit() {
        assert_eq!(base62(&[0xff; 16], ID).len(), ID);
        assert_eq!(number(&base62(&[0xff; 16], ID)), Some(u128::MAX));
        assert_eq!(number(&"z".repeat(ID)), None);
        assert_eq!(base62(&[0, 0, 0, 62], CHECKSUM), "000010");
    }
}
