//! How pawaPay signs its callbacks: HTTP message signatures (RFC 9421) on the curve P-256, written
//! in DER, over a SHA-512 digest of the body.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{SecondsFormat, Utc};
use hyper::Uri;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha512};

use crate::post::{Seal, TYPE};

/// What stands before the point of a public key on P-256 in its DER form.
const BEFORE_POINT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// How long a signature holds.
const HOLDS_SECONDS: i64 = 60;

#[derive(Clone)]
pub(super) struct Signer(Arc<EcdsaKeyPair>);

impl Signer {
    pub(super) fn new() -> io::Result<Signer> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let unable = || io::Error::other("there is no key to sign callbacks with");
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| unable())?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random);
        Ok(Signer(Arc::new(pair.map_err(|_| unable())?)))
    }

    pub(super) fn public_key(&self) -> String {
        let der = [&BEFORE_POINT, self.0.public_key().as_ref()].concat();
        let text = BASE64.encode(der);
        let (first, second) = text.split_at(64);
        format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n")
    }

    pub(super) fn seal(self) -> Seal {
        Arc::new(move |to, body| self.sign(to, body))
    }

    fn sign(&self, to: &Uri, body: &[u8]) -> Vec<(&'static str, String)> {
        let now = Utc::now();
        let digest = format!("sha-512=:{}:", BASE64.encode(Sha512::digest(body)));
        let date = now.to_rfc3339_opts(SecondsFormat::Micros, true);
        let (created, expires) = (now.timestamp(), now.timestamp() + HOLDS_SECONDS);
        let input = format!(
            "(\"@method\" \"@authority\" \"@path\" \"signature-date\" \"content-digest\" \
             \"content-type\");alg=\"ecdsa-p256-sha256\";keyid=\"HTTP_EC_P256_KEY:1\";\
             created={created};expires={expires}"
        );
        let authority = to.authority().map_or("", |authority| authority.as_str());
        let base = format!(
            "\"@method\": POST\n\"@authority\": {authority}\n\"@path\": {}\n\
             \"signature-date\": {date}\n\"content-digest\": {digest}\n\
             \"content-type\": {TYPE}\n\"@signature-params\": {input}",
            to.path()
        );
        let signature = self.0.sign(&SystemRandom::new(), base.as_bytes());
        // Without one the callback is refused, which is what a test would see.
        let signature = signature.map(|it| BASE64.encode(it)).unwrap_or_default();
        vec![
            ("content-digest", digest),
            ("signature-date", date),
            ("signature", format!("sig-pp=:{signature}:")),
            ("signature-input", format!("sig-pp={input}")),
        ]
    }
}
