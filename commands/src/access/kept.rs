//! What is kept of a text that opens: whose it is, and a hash that recognises it. The text itself
//! is told once, and only what must be mailed is kept whole until it has expired.

use std::time::Duration;

use domain::secret::SecretRef;
use event_store::Store;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::token::{self, Kind};
use crate::Error;

/// The aggregate that a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) tenant: Uuid,
    pub(super) id: Uuid,
}

/// Mints a text and keeps its hash.
pub(super) async fn mint(
    store: &Store,
    kind: Kind,
    owner: Owner,
    time: Option<Duration>,
) -> Result<(SecretRef, String), Error> {
    let (id, text) = token::mint(kind)?;
    let hash: [u8; 32] = Sha256::digest(&text).into();
    Ok((keep(store, owner, id, kind.as_str(), &hash, time).await?, text))
}

/// Mints a text and keeps all of it, to be mailed.
pub(super) async fn mint_to_mail(
    store: &Store,
    kind: Kind,
    owner: Owner,
    time: Duration,
) -> Result<SecretRef, Error> {
    let (id, text) = token::mint(kind)?;
    keep(store, owner, id, kind.as_str(), text.as_bytes(), Some(time)).await
}

pub(super) async fn keep(
    store: &Store,
    owner: Owner,
    id: Uuid,
    kind: &str,
    secret: &[u8],
    time: Option<Duration>,
) -> Result<SecretRef, Error> {
    let secret = [owner.id.as_bytes(), secret].concat();
    let fingerprint = match time {
        Some(time) => store.keep_secret_for(time, owner.tenant, id, kind, &secret).await?,
        None => store.keep_secret(owner.tenant, id, kind, &secret).await?,
    };
    Ok(SecretRef { id, fingerprint })
}

/// Whose secret this is, and what was kept.
pub(super) async fn find(store: &Store, id: Uuid) -> Result<Option<(Owner, Vec<u8>)>, Error> {
    let Some((tenant, secret)) = store.secret(id).await? else { return Ok(None) };
    let Some((owner, secret)) = secret.split_first_chunk::<16>() else { return Ok(None) };
    let owner = Owner { tenant, id: Uuid::from_bytes(*owner) };
    Ok(Some((owner, secret.to_vec())))
}

/// What this text opens, whose it is, and its secret's id; `None` for what is none of ours, or was
/// once.
pub(super) async fn recognise(
    store: &Store,
    text: &str,
) -> Result<Option<(Kind, Owner, Uuid)>, Error> {
    let Some((kind, id)) = token::parse(text) else { return Ok(None) };
    let Some((owner, kept)) = find(store, id).await? else { return Ok(None) };
    let hash: [u8; 32] = Sha256::digest(text).into();
    let same = bool::from(hash.ct_eq(&kept)) || bool::from(text.as_bytes().ct_eq(&kept));
    Ok(same.then_some((kind, owner, id)))
}
