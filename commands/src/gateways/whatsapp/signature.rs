//! Whether a webhook was sent by Meta: the HMAC of the raw body under the app's secret.

use hmac::{Hmac, Mac};
use sha2::Sha256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the signature header is not of the form sha256=<hex>")]
    Unreadable,
    #[error("the signature is not that of this body")]
    Mismatch,
}

/// Checks the header `X-Hub-Signature-256` against the bytes as they were received: a body that
/// was parsed and written again no longer matches. Takes the same time wherever the first
/// difference is.
pub fn verify(app_secret: &[u8], header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let digits = header.trim().strip_prefix("sha256=").ok_or(SignatureError::Unreadable)?;
    let signature = hex::decode(digits).map_err(|_| SignatureError::Unreadable)?;
    // HMAC takes keys of every length; the error exists for other MACs.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(app_secret).map_err(|_| SignatureError::Mismatch)?;
    mac.update(body);
    mac.verify_slice(&signature).map_err(|_| SignatureError::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a made-up app secret";
    const BODY: &[u8] = b"{\"object\":\"whatsapp_business_account\",\"entry\":[]}";
    const HEADER: &str = "sha256=bf3eaf2a61a4f6cc7d50dcbccbcf81cee47dac53aebf9730da80c979005912c7";

    #[test]
    fn a_body_signed_with_the_apps_secret_is_genuine() {
        assert_eq!(verify(SECRET, HEADER, BODY), Ok(()));
    }

    #[test]
    fn a_changed_body_or_another_secret_is_not() {
        assert_eq!(verify(SECRET, HEADER, b"{}"), Err(SignatureError::Mismatch));
        assert_eq!(verify(b"another secret", HEADER, BODY), Err(SignatureError::Mismatch));
        assert_eq!(verify(SECRET, &HEADER[..69], BODY), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_header_of_another_form_is_refused() {
        for header in ["", "sha256", "sha1=00", "sha256=xyz", "sha256=0", &HEADER[7..]] {
            assert_eq!(verify(SECRET, header, BODY), Err(SignatureError::Unreadable));
        }
    }
}
