//! The master key, which comes from outside the database, and what is derived from it: the keys
//! that wrap other keys, and the keyed hashes by which personal values are looked up.

use std::io::Write;
use std::path::Path;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// The root of all keys: 32 bytes, told as 64 hex digits.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a master key is 64 hex digits (32 random bytes)")]
    NotAKey,
    #[error("the key file {0} can't be used: {1}")]
    File(String, std::io::Error),
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    #[error("a stored key doesn't open: the master key is not the one this database was made with")]
    WrongMasterKey,
}

impl MasterKey {
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| KeyError::NotAKey)?;
        Ok(MasterKey(key))
    }

    /// The key in the file, which is made on first use and readable by its owner only.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        use std::os::unix::fs::OpenOptionsExt;
        let failed = |error| KeyError::File(path.display().to_string(), error);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_hex(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = MasterKey(random()?);
                let scratch = path.with_extension("new");
                let mut file = std::fs::File::options()
                    .create(true)
                    .truncate(true)
                    .write(true)
                    .mode(0o600)
                    .open(&scratch)
                    .map_err(failed)?;
                file.write_all(hex::encode(key.0).as_bytes()).map_err(failed)?;
                file.sync_all().map_err(failed)?;
                std::fs::rename(&scratch, path).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn derive(&self, purpose: &[u8], of: &[u8]) -> [u8; 32] {
        keyed_hash(&self.0, &[purpose, of])
    }

    /// Encrypts what only this installation may read. `bound_to` must be told again to open it.
    pub(crate) fn wrap(&self, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, KeyError> {
        let nonce: [u8; 24] = random()?;
        let sealed = self
            .wrapper()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: bound_to })
            .map_err(|_| KeyError::NotAKey)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (nonce, sealed) = wrapped.split_at_checked(24).ok_or(KeyError::WrongMasterKey)?;
        self.wrapper()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: bound_to })
            .map_err(|_| KeyError::WrongMasterKey)
    }

    fn wrapper(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive(b"verbatim/wrap/1", b"").into())
    }

    /// The hash by which a tenant's personal value is looked up. Without the master key it says
    /// nothing about the value.
    pub fn lookup(&self, tenant: Uuid, parts: &[&[u8]]) -> [u8; 32] {
        keyed_hash(&self.derive(b"verbatim/lookup/1", tenant.as_bytes()), parts)
    }
}

/// HMAC-SHA256 over the parts, each with its length before it.
fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A key shorter than the hash's block is padded with zeros (RFC 2104).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}
