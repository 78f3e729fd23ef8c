//! The master key, which comes from outside the database, and what is derived from it: the keys
//! that wrap other keys, and the keyed hashes by which personal values are looked up.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::aead::{self, NONCE};

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
        let failed = |error| KeyError::File(path.display().to_string(), error);
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(path, &hex::encode(random::<32>()?)).map_err(failed)?;
                // Not always ours: another program may have had its first start at the same time.
                std::fs::read_to_string(path)
            }
            read => read,
        };
        Self::from_hex(&text.map_err(failed)?)
    }

    fn derive(&self, purpose: &[u8], of: &[u8]) -> [u8; 32] {
        keyed_hash(&self.0, &[purpose, of])
    }

    /// Encrypts what only this installation may read. `bound_to` must be told again to open it.
    pub(crate) fn wrap(&self, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, KeyError> {
        let nonce: [u8; NONCE] = random()?;
        let sealed = aead::seal(&self.wrapping_key(), &nonce, bound_to, plain);
        Ok([nonce.as_slice(), &sealed.ok_or(KeyError::NotAKey)?].concat())
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (nonce, sealed) = wrapped.split_first_chunk().ok_or(KeyError::WrongMasterKey)?;
        aead::open(&self.wrapping_key(), nonce, bound_to, sealed).ok_or(KeyError::WrongMasterKey)
    }

    fn wrapping_key(&self) -> [u8; 32] {
        self.derive(b"verbatim/wrap/1", b"")
    }

    /// The hash by which a tenant's personal value is looked up. Without the master key it says
    /// nothing about the value.
    pub fn lookup(&self, tenant: Uuid, parts: &[&[u8]]) -> [u8; 32] {
        keyed_hash(&self.derive(b"verbatim/lookup/1", tenant.as_bytes()), parts)
    }
}

/// Makes a whole file under a name that nobody has taken yet. Nothing is encrypted under a key
/// that a crash could lose, so it is on the disk when this returns.
fn make(path: &Path, text: &str) -> Result<(), std::io::Error> {
    let scratch = path.with_extension(Uuid::now_v7().simple().to_string());
    let mut file = File::options().create_new(true).write(true).mode(0o600).open(&scratch)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // Unlike a rename, a link never takes the place of what is there.
    let linked = written.and_then(|()| match std::fs::hard_link(&scratch, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    std::fs::remove_file(&scratch).and(linked)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn programs_that_start_first_at_the_same_time_agree_on_one_key() {
        let dir = std::env::temp_dir().join(format!("keys-{}", Uuid::now_v7()));
        std::fs::create_dir(&dir).unwrap();
        let file = dir.join("master.key");
        let starts: Vec<_> = (0..16)
            .map(|_| {
                let file = file.clone();
                std::thread::spawn(move || MasterKey::from_file(&file).unwrap().0)
            })
            .collect();
        let keys: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        let kept = MasterKey::from_file(&file).unwrap().0;
        assert!(keys.iter().all(|key| *key == kept));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "nothing else is left there");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_kept() {
        let file = std::env::temp_dir().join(format!("no-key-{}", Uuid::now_v7()));
        std::fs::write(&file, "half a k").unwrap();
        assert!(matches!(MasterKey::from_file(&file), Err(KeyError::NotAKey)));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "half a k");
        std::fs::remove_file(&file).unwrap();
    }
}
