//! Keys that open the API: issuing them, and telling who holds one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use domain::aggregate::Role;
use domain::api_key::{self, ApiKey};
use domain::secret::SecretRef;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{Commands, Error, Meta};

/// How long a check of a key is trusted: a revoked key is refused after this at the latest.
const TRUSTED: Duration = Duration::from_secs(4);
const PREFIX: &str = "vb_";
const CACHED: usize = 10_000;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: Uuid,
    pub key: Uuid,
    pub user: Uuid,
    pub role: Role,
}

/// What a check found, and when.
type Checked = (Option<Principal>, Instant);

/// Checks keys, remembering what it found for a moment.
#[derive(Clone)]
pub struct Access {
    commands: Commands,
    checked: Arc<Cache<[u8; 32], Checked>>,
}

impl Access {
    pub fn new(commands: Commands) -> Self {
        Access { commands, checked: Arc::new(Cache::new(CACHED)) }
    }

    /// Who holds this key; `None` if it is none of ours, or revoked.
    pub async fn check(&self, key: &str) -> Result<Option<Principal>, Error> {
        let hash: [u8; 32] = Sha256::digest(key).into();
        if let Some((principal, since)) = self.checked.get(&hash)
            && since.elapsed() < TRUSTED
        {
            return Ok(principal);
        }
        let principal = self.look_up(key).await?;
        self.checked.insert(hash, (principal.clone(), Instant::now()));
        Ok(principal)
    }

    async fn look_up(&self, text: &str) -> Result<Option<Principal>, Error> {
        let Some((key, secret)) = parse(text) else { return Ok(None) };
        let Some((tenant, kept)) = self.commands.store().secret(key).await? else {
            return Ok(None);
        };
        if !bool::from(Sha256::digest(secret).as_slice().ct_eq(&kept)) {
            return Ok(None);
        }
        let (api_key, _) = self.commands.load::<ApiKey>(tenant, key).await?;
        let grant = api_key.grant.filter(|grant| !grant.revoked);
        Ok(grant.map(|grant| Principal { tenant, key, user: grant.user, role: grant.role }))
    }
}

fn parse(text: &str) -> Option<(Uuid, Vec<u8>)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    Some((Uuid::try_parse(id).ok()?, BASE64.decode(secret).ok()?))
}

/// Issues a key; the text returned is the only place where its secret is told.
pub async fn issue(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    role: Role,
    name: &str,
) -> Result<String, Error> {
    let id = Uuid::now_v7();
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| Error::Failed(event_store::keys::KeyError::Random(error).into()))?;
    let hash = Sha256::digest(secret);
    let store = commands.store();
    let fingerprint = store.keep_secret(meta.tenant, id, "api_key", &hash).await?;
    let meta = Meta { command_id: Uuid::now_v7(), ..meta.clone() };
    let command = || api_key::Command::Issue {
        name: name.to_owned(),
        user,
        role,
        secret: SecretRef { id, fingerprint: fingerprint.clone() },
    };
    commands.execute::<ApiKey>(id, command, &meta).await?;
    Ok(format!("{PREFIX}{}_{}", id.simple(), BASE64.encode(secret)))
}
