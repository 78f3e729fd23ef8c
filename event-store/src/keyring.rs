//! The keys of personal data: found or made, committed before first use, cached in the process.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::PgPool;
use uuid::Uuid;

use crate::codec::{Key, KeyName};
use crate::keys::{self, KeyError, MasterKey};
use crate::store::Error;
use crate::tenant::{TOLD, within};

/// How many keys a process remembers; a key is 32 bytes.
const CACHED: usize = 200_000;

#[derive(Clone)]
pub(crate) struct Keyring {
    pool: PgPool,
    pub(crate) master: MasterKey,
    cache: Arc<Cache<(Uuid, KeyName), Key>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    pub(crate) fn new(pool: PgPool, master: MasterKey) -> Self {
        Keyring { pool, master, cache: Arc::new(Cache::new(CACHED)) }
    }

    /// The keys of these names, made where there are none. A destroyed one is missing.
    pub(crate) async fn obtain(
        &self,
        tenant: Uuid,
        names: &BTreeSet<KeyName>,
    ) -> Result<HashMap<KeyName, Key>, Error> {
        let mut found = self.cached(tenant, names);
        let missing: Vec<KeyName> =
            names.iter().filter(|name| !found.contains_key(name)).copied().collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let mut wrapped = Vec::with_capacity(missing.len());
        for name in &missing {
            let key: Key = keys::random()?;
            wrapped.push(self.master.wrap(&key, &bound_to(tenant, *name))?);
        }
        let (subjects, classes) = columns(&missing);
        // In order, so that two makers of the same keys can't wait for each other.
        sqlx::query(&format!(
            "insert into personal_keys (tenant_id, subject, class, wrapped)
             select t.id, s, c, w
               from {TOLD}, unnest($2::uuid[], $3::smallint[], $4::bytea[]) u(s, c, w)
              order by s, c on conflict do nothing"
        ))
        .bind(tenant)
        .bind(&subjects)
        .bind(&classes)
        .bind(&wrapped)
        .execute(&self.pool)
        .await?;
        found.extend(self.load(tenant, &missing).await?);
        Ok(found)
    }

    /// The keys of these names as far as they exist. A database that doesn't answer is an error,
    /// never an erasure.
    pub(crate) async fn find(
        &self,
        tenant: Uuid,
        names: &BTreeSet<KeyName>,
    ) -> Result<HashMap<KeyName, Key>, Error> {
        let mut found = self.cached(tenant, names);
        let missing: Vec<KeyName> =
            names.iter().filter(|name| !found.contains_key(name)).copied().collect();
        if !missing.is_empty() {
            found.extend(self.load(tenant, &missing).await?);
        }
        Ok(found)
    }

    /// Forgets everything: after an erasure somewhere, a cached key may be one that is destroyed.
    pub(crate) fn forget(&self) {
        self.cache.clear();
    }

    fn cached(&self, tenant: Uuid, names: &BTreeSet<KeyName>) -> HashMap<KeyName, Key> {
        names.iter().filter_map(|name| Some((*name, self.cache.get(&(tenant, *name))?))).collect()
    }

    async fn load(&self, tenant: Uuid, names: &[KeyName]) -> Result<HashMap<KeyName, Key>, Error> {
        let (subjects, classes) = columns(names);
        let rows: Vec<(Uuid, i16, Vec<u8>)> = sqlx::query_as(&within(
            "select k.subject, k.class, k.wrapped
               from unnest($2::uuid[], $3::smallint[]) u(subject, class)
               join personal_keys k on k.tenant_id = t.id and k.subject = u.subject
                and k.class = u.class
              where k.wrapped is not null",
        ))
        .bind(tenant)
        .bind(&subjects)
        .bind(&classes)
        .fetch_all(&self.pool)
        .await?;
        let mut keys = HashMap::with_capacity(rows.len());
        for (subject, class, wrapped) in rows {
            let name = (subject, u8::try_from(class).unwrap_or_default());
            let plain = self.master.unwrap(&wrapped, &bound_to(tenant, name))?;
            let key = Key::try_from(plain).map_err(|_| KeyError::WrongMasterKey)?;
            self.cache.insert((tenant, name), key);
            keys.insert(name, key);
        }
        Ok(keys)
    }
}

fn columns(names: &[KeyName]) -> (Vec<Uuid>, Vec<i16>) {
    names.iter().map(|(subject, class)| (*subject, i16::from(*class))).unzip()
}

fn bound_to(tenant: Uuid, (subject, class): KeyName) -> Vec<u8> {
    [b"key".as_slice(), tenant.as_bytes(), subject.as_bytes(), &[class]].concat()
}
