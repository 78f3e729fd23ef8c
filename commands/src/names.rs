//! Claims on what can be had again: a name whose thing was removed, an address whose invitation is
//! over. Nothing takes a claim back, so each stands behind the value with a number of its own, and
//! the newest one counts.

use event_store::Store;
use uuid::Uuid;

use crate::{Error, Refusal, Work};

/// The beginning of a value's claims.
pub fn value(store: &Store, tenant: Uuid, scope: &str, parts: &[&[u8]]) -> Vec<u8> {
    let parts = [&[scope.as_bytes()], parts].concat();
    store.lookup(tenant, &parts)[..16].to_vec()
}

/// Claims the value for `owner`, unless somebody has it: `is_free` tells whether the last one who
/// claimed it needs it no longer.
pub async fn claim(
    work: &mut Work<'_>,
    scope: &str,
    value: Vec<u8>,
    owner: Uuid,
    is_free: impl AsyncFnOnce(&mut Work<'_>, Uuid) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (store, tenant) = (work.commands().store().clone(), work.meta().tenant);
    let claims = store.claims(tenant, &[(scope, value.clone())]).await?;
    if let Some(last) = claims.last() {
        let had_by: Uuid = last.owner.parse().map_err(|_| Refusal::NotFound)?;
        if had_by != owner && !is_free(work, had_by).await? {
            return Err(Refusal::Taken { scope: scope.into(), owner: last.owner.clone() }.into());
        }
    }
    let ordinal = u32::try_from(claims.len()).unwrap_or(u32::MAX).to_be_bytes();
    work.claim(scope, [value, ordinal.to_vec()].concat(), owner.to_string());
    Ok(())
}
