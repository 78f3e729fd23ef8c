//! A public key in PEM, and what can be signed with its other half.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    Rsa,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// A point, or a modulus and an exponent.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key in PEM is on the curve P-256 or P-384, or of RSA with 2048 bits or more")]
pub struct InvalidKey;

impl PublicKey {
    pub fn parse(pem: &str) -> Result<PublicKey, InvalidKey> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes());
        der.ok().and_then(|der| read(&der)).ok_or(InvalidKey)
    }

    /// Whether this is the signature of `message`. PawaPay writes those of curves in DER, where the
    /// standard has them plain; either is one.
    pub(crate) fn signed(&self, algorithm: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        let algorithms: &[&'static dyn VerificationAlgorithm] = match (self.kind, algorithm) {
            (Kind::P256, None | Some("ecdsa-p256-sha256")) => {
                &[&ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA256_FIXED]
            }
            (Kind::P384, None | Some("ecdsa-p384-sha384")) => {
                &[&ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA384_FIXED]
            }
            (Kind::Rsa, Some("rsa-v1_5-sha256")) => &[&RSA_PKCS1_2048_8192_SHA256],
            (Kind::Rsa, Some("rsa-pss-sha512")) => &[&RSA_PSS_2048_8192_SHA512],
            _ => &[],
        };
        algorithms.iter().any(|algorithm| {
            UnparsedPublicKey::new(*algorithm, &self.bytes).verify(message, signature).is_ok()
        })
    }
}

/// A SubjectPublicKeyInfo: which algorithm, then the key in a string of bits.
fn read(der: &[u8]) -> Option<PublicKey> {
    let (info, _) = element(der, SEQUENCE)?;
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (name, parameters) = element(algorithm, OBJECT_ID)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    let (0, bytes) = (*bits.first()?, &bits[1..]) else { return None };
    let kind = match name {
        RSA => Kind::Rsa,
        ELLIPTIC => match element(parameters, OBJECT_ID)?.0 {
            P256 => Kind::P256,
            P384 => Kind::P384,
            _ => return None,
        },
        _ => return None,
    };
    let fits = match kind {
        Kind::P256 => bytes.len() == 65 && bytes[0] == 4,
        Kind::P384 => bytes.len() == 97 && bytes[0] == 4,
        Kind::Rsa => {
            let (modulus, _) = element(element(bytes, SEQUENCE)?.0, INTEGER)?;
            modulus.len() > 2048 / 8
        }
    };
    fits.then(|| PublicKey { kind, bytes: bytes.to_vec() })
}

/// The content of the DER element of that tag which stands first, and what follows it.
fn element(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long & 0x7f)?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    (tag == wanted).then_some(())?;
    rest.split_at_checked(length)
}
