//! Secrets: kept encrypted in a table of their own, outside the log, which holds only their ids
//! and fingerprints.

use std::time::Duration;

use uuid::Uuid;

use crate::tenant::TOLD;
use crate::{Error, Store};

impl Store {
    /// Keeps a secret; returns a fingerprint that recognises it.
    pub async fn keep_secret(
        &self,
        tenant: Uuid,
        id: Uuid,
        kind: &str,
        secret: &[u8],
    ) -> Result<String, Error> {
        self.keep(tenant, id, kind, secret, None).await
    }

    /// Keeps a secret for a time.
    pub async fn keep_secret_for(
        &self,
        time: Duration,
        tenant: Uuid,
        id: Uuid,
        kind: &str,
        secret: &[u8],
    ) -> Result<String, Error> {
        self.keep(tenant, id, kind, secret, Some(time)).await
    }

    async fn keep(
        &self,
        tenant: Uuid,
        id: Uuid,
        kind: &str,
        secret: &[u8],
        time: Option<Duration>,
    ) -> Result<String, Error> {
        let wrapped = self.codec.keyring.master.wrap(secret, &secret_of(tenant, id))?;
        // Whoever brings one takes some of the expired out, so that they never pile up.
        sqlx::query(&format!(
            "insert into secrets (tenant_id, id, kind, ciphertext, expires_at)
             select t.id, $2, $3, $4, clock_timestamp() + $5
               from {TOLD} cross join sweep_secrets()"
        ))
        .bind(tenant)
        .bind(id)
        .bind(kind)
        .bind(wrapped)
        .bind(time)
        .execute(self.pool())
        .await?;
        Ok(self.fingerprint(tenant, kind, secret))
    }

    /// By what the log recognises a secret without giving it away.
    pub fn fingerprint(&self, tenant: Uuid, kind: &str, secret: &[u8]) -> String {
        hex::encode(&self.lookup(tenant, &[b"secret", kind.as_bytes(), secret])[..8])
    }

    /// A secret and whose it is, while it is good. Whoever knows its id may not know the organisation
    /// yet.
    pub async fn secret(&self, id: Uuid) -> Result<Option<(Uuid, Vec<u8>)>, Error> {
        let (tenant, wrapped): (Option<Uuid>, Option<Vec<u8>>) =
            sqlx::query_as("select tenant_id, ciphertext from secret($1)")
                .bind(id)
                .fetch_one(self.pool())
                .await?;
        let Some((tenant, wrapped)) = tenant.zip(wrapped) else { return Ok(None) };
        let secret = self.codec.keyring.master.unwrap(&wrapped, &secret_of(tenant, id))?;
        Ok(Some((tenant, secret)))
    }

    /// Destroys secrets that are of no more use.
    pub async fn forget_secrets(&self, tenant: Uuid, ids: &[Uuid]) -> Result<(), Error> {
        sqlx::query("select forget_secrets($1, $2)")
            .bind(tenant)
            .bind(ids)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

/// What a secret's ciphertext is bound to.
pub(crate) fn secret_of(tenant: Uuid, id: Uuid) -> Vec<u8> {
    [b"secret".as_slice(), tenant.as_bytes(), id.as_bytes()].concat()
}
