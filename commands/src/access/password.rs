//! Passwords: hashed by argon2id with OWASP's parameters, off the threads that answer requests,
//! and no more at once than the machine has cores, for each takes 19 MiB.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::secret::SecretRef;
use domain::user;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::kept::{self, Owner};
use crate::{Commands, Error};

const KIND: &str = "password";

static CORES: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
});

/// m = 19 MiB, t = 2, p = 1.
static ARGON2: LazyLock<Argon2<'static>> =
    LazyLock::new(|| Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT));

/// What is compared with where there is nothing to compare with, so that it takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    bm9ib2R5J3Mgc2FsdC4uLg$HlgNFo4CjQ2dG3FYyW7GhXq7QH8rZ0m3b4sGkUo1N1E";

/// A password that somebody chose, in one form however it was typed.
#[derive(Clone)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// One that is to be set.
    pub fn new(text: &str) -> Result<Password, user::Error> {
        let fits = (8..=200).contains(&text.chars().count());
        if fits { Ok(Password::tried(text)) } else { Err(user::Error::InvalidPassword) }
    }

    /// One that is to be compared.
    pub fn tried(text: &str) -> Password {
        // What is longer than any that was set needs no more work.
        Password(text.chars().take(201).nfkc().collect())
    }

    /// Keeps its hash for a user.
    pub(super) async fn keep(
        &self,
        commands: &Commands,
        tenant: Uuid,
        user: Uuid,
    ) -> Result<SecretRef, Error> {
        let (password, salt) = (self.0.clone(), super::random::<16>()?);
        let hash = apart(move || {
            let salt = SaltString::encode_b64(&salt)?;
            Ok(ARGON2.hash_password(password.as_bytes(), &salt)?.to_string())
        })
        .await?;
        let owner = Owner { tenant, id: user };
        kept::keep(commands.store(), owner, Uuid::now_v7(), KIND, hash.as_bytes(), None).await
    }

    /// Whether it is the one that was kept; it takes the same time where there is none.
    pub(super) async fn is(&self, commands: &Commands, kept: Option<Uuid>) -> Result<bool, Error> {
        let kept = kept::find(commands.store(), kept.unwrap_or_default()).await?;
        let hash = kept.and_then(|(_, hash)| String::from_utf8(hash).ok());
        let there = hash.is_some();
        let (password, hash) = (self.0.clone(), hash.unwrap_or_else(|| NOBODYS.to_owned()));
        let same = apart(move || {
            let hash = PasswordHash::new(&hash)?;
            Ok(ARGON2.verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?;
        Ok(there && same)
    }
}

async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
) -> Result<T, Error> {
    let failed = |reason: &dyn std::fmt::Display| Error::Hashing(reason.to_string());
    let _core = CORES.acquire().await.map_err(|closed| failed(&closed))?;
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?;
    done.map_err(|error| failed(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_hash_takes_as_long_as_anybodys() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let anybodys = ARGON2.hash_password(b"correct horse", &salt).unwrap();
        assert_eq!(nobodys.algorithm, anybodys.algorithm);
        assert_eq!(nobodys.params, anybodys.params);
        assert_eq!(nobodys.version, anybodys.version);
        assert_eq!(nobodys.hash.unwrap().len(), anybodys.hash.unwrap().len());
        assert!(ARGON2.verify_password(b"", &PasswordHash::new(NOBODYS).unwrap()).is_err());
    }

    #[test]
    fn a_password_has_8_to_200_characters() {
        assert!(Password::new("correct horse").is_ok());
        assert!(Password::new("ñandúñan").is_ok());
        for text in ["", "1234567", &"x".repeat(201)] {
            assert_eq!(Password::new(text).unwrap_err(), user::Error::InvalidPassword);
        }
    }

    #[test]
    fn it_is_the_same_on_every_keyboard() {
        let (composed, apart) = ("pi\u{f1}ata de mi", "pin\u{303}ata de mi");
        assert_eq!(Password::tried(composed).0, Password::tried(apart).0);
    }
}
