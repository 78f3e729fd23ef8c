//! Signatures that OpenSSL made, over a callback as PawaPay documents it.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const BODY: &[u8] = br#"{"payoutId":"8917c345-4791-4285-a416-62f24b6982db","status":"COMPLETED"}"#;

const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbd4MLqOf75xHj90Gv5dzUW6RsMQ5\n\
    rLOjk8y9Fkv9MELl6P9szHenY7onMYsj0sMhU4d8RQIZ5vXbMnsUiLr53A==\n\
    -----END PUBLIC KEY-----\n";
const P256_SIGNATURE: &str = "MEQCIBOYM+Tllu42uIG4zwtJjX21lW8+zB29kgaBJUqcz9QhAiADctGm0P86ZZC6LD1IycJhkXfWnMuz\
    yCI6B4agynYRyA==";
const P384: &str = "-----BEGIN PUBLIC KEY-----\n\
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEd6LeNbaWv0x2tDLRyxcCTwauzsm1qfO3\n\
    vsSQbtYW8B5Dyqr/N3XMCqjdUaYAOKEXzxlMMbVJ7yaGycgor+O2Ve33zZIjkVgZ\n\
    Ekq/AMn8VWETqGqbtyK/Pa4LA35GEONm\n\
    -----END PUBLIC KEY-----\n";
const P384_SIGNATURE: &str = "MGUCMQC0jEZWDhi2fbg3HLv35MYQRPH2AxZGtV/hdy/3cs+Scvd++53xp2gJaQhTCXgyC9QCMAh2iEux\
    aJpCKcFQ0v9lBtrkRhIXt3fOM1L21oDkoKfohZqx/9dbcgaPP9maXXCHQw==";
const RSA: &str = "-----BEGIN PUBLIC KEY-----\n\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArLO5/2qdHH7clnnlfSQu\n\
    m5uwcqEXaLop8xZtW1plJKu0fZhCEaAfU0JdBYFdc7AMLqidi6bheaX7BfEuaSPg\n\
    4jII1E67gW3zRcV+8dJxDY176LWS7w5E2xkOB8KDljQ0zCOC1P6KMcH72t0tRrpa\n\
    IoMPl10kNRDq5/GPkZtwYEBMFdVHTCrU3Vns5xKHwCxCMGdVbTA0ntKDjXHtHWf8\n\
    GR7+RlqRiYfOA/c/4qeGosdsPI01N+wcD5TBG6xogrw6IvqUMhgtWG6PU/cbhE5k\n\
    DUlk3kRYBbGLsIJBgfUiidBWi0mI13xQnrOPL5SpxZcvoLpZ83q5ABCEy2Xz+Fki\n\
    bwIDAQAB\n\
    -----END PUBLIC KEY-----\n";
const RSA_SIGNATURE: &str = "hPVFhrN/P09yeJ6iPkSGluZM6s9yz98LOZae2sPtBZ5MoGvXmDAxU0GEari9wsRwRy4jZnBTfvK1Gwz2\
    XfRLYyMGP7P4jK9329VsLYWfR1jUs+rpmHKNOjYTq3K5ePsIw2NaVMOLNJ8856TQmYWfj4bNnE+/qqJD\
    hVIwP9+uuNP2yB6lJkUouJtekd06m83dim2nboIzLiQkLCNCT5AKQIPyPlwXfxuKWIaOPATPX/rqrZmL\
    1V4AGDYpAE7NIV5xVNBsGrPNGuD4B6nyRSu0Gb67rVVcET3lGEqDgHKozfR/dDY3yZKCdYkJvETybX5h\
    IXRRpvutyKE5ggNSMDxSHA==";
const RSA_PSS_SIGNATURE: &str = "TpxH3nqKFly2k5nZk/+hB3UYLsXfL7ysP8HhRjZ2S1KQP/MFyLUgaEakrDqG+VXU0mtlCc1EkMgHtoq0\
    4KH5KUlfOhsLRkFNTJVvNGzadYidzEs4Sdm8lAs2OPuzKjVfEF04SfV1b7ot7mnaAKZXdlxBo6ojlccD\
    UTEJfGZVtlgm2xM/JHqsNEcxPXPV9KR3v798lE7F18Fge43mWO2n2DC22bSYsQGpkiKBxilCU0bzya6F\
    dqVkou2dymtoCQfvZ52in3rbObIEKwBko3U6TO6BQ3+p4Y4/9O9/AJbSdLJCJniCfcMC+w5bumRHI3Ho\
    Sw9PBc4UHNAQVmxfLEdA5g==";

/// A callback whose parts can be changed before it is looked at.
struct Callback {
    authority: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    now: i64,
}

fn callback(algorithm: &str, signature: &str) -> Callback {
    let input = format!(
        "sig-pp=(\"@method\" \"@authority\" \"@path\" \"signature-date\" \"content-digest\" \
         \"content-type\");alg=\"{algorithm}\";keyid=\"HTTP_EC_P256_KEY:1\";created=1772355600;\
         expires=1772355660"
    );
    Callback {
        authority: "pay.example.com",
        path: "/webhooks/pawapay/7",
        headers: vec![
            ("content-type", "application/json; charset=UTF-8".into()),
            ("signature-date", "2026-03-01T09:00:00Z".into()),
            ("content-digest", format!("sha-512=:{}:", BASE64.encode(Sha512::digest(BODY)))),
            ("signature", format!("sig-pp=:{signature}:")),
            ("signature-input", input),
        ],
        body: BODY.to_vec(),
        now: 1_772_355_610,
    }
}

fn by_p256() -> Callback {
    callback("ecdsa-p256-sha256", P256_SIGNATURE)
}

impl Callback {
    fn with(mut self, name: &str, value: &str) -> Callback {
        self.headers.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, told)| {
            value.clone_into(told);
        });
        self
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }

    fn check(&self, pem: &str) -> Result<(), Forged> {
        let header = |name: &str| self.header(name);
        let message = Message {
            method: "POST",
            authority: self.authority,
            path: self.path,
            header: &header,
            body: &self.body,
        };
        let now = DateTime::from_timestamp(self.now, 0).unwrap();
        verify(&PublicKey::parse(pem).unwrap(), &message, now)
    }
}

#[test]
fn what_pawapay_signed_is_genuine_in_each_of_its_algorithms() {
    for (algorithm, signature, key) in [
        ("ecdsa-p256-sha256", P256_SIGNATURE, P256),
        ("ecdsa-p384-sha384", P384_SIGNATURE, P384),
        ("rsa-v1_5-sha256", RSA_SIGNATURE, RSA),
        ("rsa-pss-sha512", RSA_PSS_SIGNATURE, RSA),
    ] {
        let callback = callback(algorithm, signature);
        assert_eq!(callback.check(key), Ok(()), "{algorithm}");
        let elsewhere = Callback { path: "/webhooks/pawapay/8", ..callback };
        assert_eq!(elsewhere.check(key), Err(Forged::Wrong), "{algorithm}");
    }
}

#[test]
fn whatever_is_changed_shows() {
    assert_eq!(by_p256().check(P384), Err(Forged::Wrong));
    let other_host = Callback { authority: "evil.example.com", ..by_p256() };
    assert_eq!(other_host.check(P256), Err(Forged::Wrong));
    let other_body = Callback { body: b"{}".to_vec(), ..by_p256() };
    assert_eq!(other_body.check(P256), Err(Forged::OtherBody));
    let digest = format!("sha-256=:{}:", BASE64.encode(Sha256::digest(BODY)));
    assert_eq!(by_p256().with("content-digest", &digest).check(P256), Err(Forged::Wrong));
    let late = Callback { now: 1_772_355_660 + 301, ..by_p256() };
    assert_eq!(late.check(P256), Err(Forged::Expired));
    let cut = by_p256().with("signature", "sig-pp=:AAAA:");
    assert_eq!(cut.check(P256), Err(Forged::Wrong));
}

#[test]
fn a_signature_that_covers_too_little_or_what_is_not_there_proves_nothing() {
    let input = |text: &str| by_p256().with("signature-input", text).check(P256);
    assert_eq!(input("sig-pp=(\"@method\");created=1"), Err(Forged::BodyNotCovered));
    let missing = "sig-pp=(\"content-digest\" \"x-missing\")";
    assert_eq!(input(missing), Err(Forged::NotThere));
    assert_eq!(input("sig-pp=(\"content-digest\" \"@status\")"), Err(Forged::NotThere));
    for unreadable in ["", "sig-pp", "other=()", "sig-pp=(\"a\";req)", "sig-pp=();expires=soon"] {
        assert!(matches!(input(unreadable), Err(Forged::Unreadable | Forged::BodyNotCovered)));
    }
    let no_digest = by_p256().with("content-digest", "md5=:AAAA:");
    assert_eq!(no_digest.check(P256), Err(Forged::OtherBody));
}

#[test]
fn a_key_is_one_that_could_have_signed() {
    assert!(PublicKey::parse(P256).is_ok());
    let private = P256.replace("PUBLIC", "PRIVATE");
    let cut = P256.replace("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE", "MFkw");
    for wrong in ["", "MFkw", private.as_str(), cut.as_str()] {
        assert_eq!(PublicKey::parse(wrong), Err(InvalidKey));
    }
}

proptest! {
    #[test]
    fn no_text_brings_it_down(input in ".*", signature in ".*", digest in ".*") {
        let callback = by_p256()
            .with("signature-input", &input)
            .with("signature", &signature)
            .with("content-digest", &digest);
        prop_assert!(callback.check(P256).is_err());
        let covering = format!("sig-pp=(\"content-digest\"){input}");
        prop_assert!(by_p256().with("signature-input", &covering).check(P256).is_err());
    }
}
