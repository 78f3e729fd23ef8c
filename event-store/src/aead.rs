//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 under a key that HChaCha20 makes
//! of the key and most of the nonce. Pages open hundreds of short values, which takes ring a fifth of
//! the time that it takes the crate that knows the whole of it.

use chacha20::cipher::consts::U10;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

/// Bytes of a nonce, and of the tag behind what is sealed.
pub(crate) const NONCE: usize = 24;
pub(crate) const TAG: usize = 16;

/// `None` where there is more than the algorithm can take.
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &[u8],
    plain: &[u8],
) -> Option<Vec<u8>> {
    let (key, nonce) = under(key, nonce)?;
    let mut sealed = Vec::with_capacity(plain.len() + TAG);
    sealed.extend(plain);
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).ok()?;
    Some(sealed)
}

/// `None` where it was not sealed so.
pub(crate) fn open(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (key, nonce) = under(key, nonce)?;
    let mut plain = sealed.to_vec();
    let length = key.open_in_place(nonce, Aad::from(aad), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

fn under(key: &[u8; 32], nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
    let (most, rest) = nonce.split_at(16);
    let mut derived = chacha20::hchacha::<U10>(key.into(), most.into());
    let key = UnboundKey::new(&CHACHA20_POLY1305, &derived).ok();
    derived.as_mut_slice().zeroize();
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(rest);
    Some((LessSafeKey::new(key?), Nonce::assume_unique_for_key(nonce)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chacha20poly1305::XChaCha20Poly1305;
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};

    use super::*;
    use crate::keys::random;

    /// Appendix A.3.1 of the draft.
    #[test]
    fn the_example_of_the_draft_is_sealed_as_it_says() {
        let key = std::array::from_fn(|n| 0x80 + n as u8);
        let nonce = std::array::from_fn(|n| 0x40 + n as u8);
        let aad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let plain = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
                      tip for the future, sunscreen would be it.";
        let sealed = seal(&key, &nonce, &aad, plain).unwrap();
        let expected = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb\
                        731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                        2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
                        21f9664c97637da9768812f615c68b13b52e\
                        c0875924c1c7987947deafd8780acf49";
        assert_eq!(hex::encode(&sealed), expected);
        assert_eq!(open(&key, &nonce, &aad, &sealed).unwrap(), plain);
    }

    /// What is in the logs was sealed by it.
    #[test]
    fn another_implementation_seals_and_opens_the_same() {
        for length in (0..300).chain([4_096, 70_000]) {
            let (key, nonce): ([u8; 32], [u8; NONCE]) = (random().unwrap(), random().unwrap());
            let (plain, aad) = (vec![7; length], vec![9; length % 130]);
            let payload = Payload { msg: &plain, aad: &aad };
            let sealed =
                XChaCha20Poly1305::new(&key.into()).encrypt(&nonce.into(), payload).unwrap();
            assert_eq!(seal(&key, &nonce, &aad, &plain).unwrap(), sealed);
            assert_eq!(open(&key, &nonce, &aad, &sealed).unwrap(), plain);
        }
    }

    #[test]
    fn what_was_changed_anywhere_does_not_open() {
        let (key, nonce, aad) = ([1; 32], [2; NONCE], [3; 20]);
        let sealed = seal(&key, &nonce, &aad, b"Asha").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(open(&key, &nonce, &aad, &changed), None);
        }
        for place in 0..NONCE {
            let mut other = nonce;
            other[place] ^= 1;
            assert_eq!(open(&key, &other, &aad, &sealed), None);
        }
        assert_eq!(open(&[0; 32], &nonce, &aad, &sealed), None);
        assert_eq!(open(&key, &nonce, &[3; 19], &sealed), None);
        assert_eq!(open(&key, &nonce, &aad, &sealed[..TAG - 1]), None);
    }
}
