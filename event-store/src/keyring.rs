//! The keys of personal data: found or made, committed with their first use, cached in the process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::codec::{Key, KeyName};
use crate::keys::{self, KeyError, MasterKey};
use crate::sessions::Sessions;
use crate::store::Error;
use crate::tenant::within;

/// How many keys a process remembers; a key is 32 bytes.
const CACHED: usize = 200_000;

/// A key that nobody has made yet.
pub(crate) struct NewKey {
    pub(crate) name: KeyName,
    key: Key,
    /// Encrypted, as it is stored.
    pub(crate) wrapped: Vec<u8>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewKey(…)")
    }
}

/// Keys that were found, by their names.
pub(crate) struct Keys(Vec<(KeyName, Key)>);

impl Keys {
    pub(crate) fn of(mut found: Vec<(KeyName, Key)>) -> Keys {
        found.sort_unstable_by_key(|(name, _)| *name);
        Keys(found)
    }

    pub(crate) fn get(&self, name: KeyName) -> Option<&Key> {
        let found = self.0.binary_search_by_key(&name, |(name, _)| *name).ok()?;
        self.0.get(found).map(|(_, key)| key)
    }
}

#[derive(Clone)]
pub(crate) struct Keyring {
    pool: Sessions,
    pub(crate) master: MasterKey,
    cache: Arc<Cache<(Uuid, KeyName), Key>>,
    /// Changes whenever everything is forgotten.
    forgotten: Arc<AtomicU64>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    pub(crate) fn new(pool: Sessions, master: MasterKey) -> Self {
        Keyring { pool, master, cache: Arc::new(Cache::new(CACHED)), forgotten: Arc::default() }
    }

    /// The keys of these names, and those among them that are not there yet: they come to be with
    /// the append that uses them. Of `new` subjects there are none. A key that was destroyed is an
    /// error: nothing may be written of that person.
    pub(crate) async fn obtain(
        &self,
        tenant: Uuid,
        names: Vec<KeyName>,
        new: &HashSet<Uuid>,
    ) -> Result<(Keys, Vec<NewKey>), Error> {
        let (mut found, missing) = self.cached(tenant, names);
        if missing.is_empty() {
            return Ok((Keys::of(found), vec![]));
        }
        let known: Vec<_> =
            missing.iter().filter(|(subject, _)| !new.contains(subject)).copied().collect();
        let loaded = self.load(tenant, &known).await?;
        let mut made = vec![];
        for name in missing.into_iter().filter(|name| !loaded.contains_key(name)) {
            let key: Key = keys::random()?;
            let wrapped = self.master.wrap(&key, &bound_to(tenant, name))?;
            found.push((name, key));
            made.push(NewKey { name, key, wrapped });
        }
        for (name, key) in loaded {
            found.push((name, key.ok_or(Error::Erased { subject: name.0 })?));
        }
        Ok((Keys::of(found), made))
    }

    /// Whether one of these is known by now.
    pub(crate) fn has_any(&self, tenant: Uuid, made: &[NewKey]) -> bool {
        made.iter().any(|key| self.cache.get(&(tenant, key.name)).is_some())
    }

    /// Keys that an append has made.
    pub(crate) fn remember(&self, tenant: Uuid, made: &[NewKey]) {
        for NewKey { name, key, .. } in made {
            self.cache.insert((tenant, *name), *key);
        }
    }

    /// The keys of these names as far as they exist. A database that doesn't answer is an error,
    /// never an erasure.
    pub(crate) async fn find(&self, tenant: Uuid, names: Vec<KeyName>) -> Result<Keys, Error> {
        let (mut found, missing) = self.cached(tenant, names);
        if !missing.is_empty() {
            let loaded = self.load(tenant, &missing).await?;
            found.extend(loaded.into_iter().filter_map(|(name, key)| Some((name, key?))));
        }
        Ok(Keys::of(found))
    }

    /// Changes whenever everything is forgotten.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Forgets everything: after an erasure somewhere, a cached key may be one that is destroyed.
    pub(crate) fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.cache.clear();
        // Who has opened something meanwhile did so before.
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    /// The keys of these names that are remembered, and the names of those that are not.
    fn cached(&self, tenant: Uuid, mut names: Vec<KeyName>) -> (Vec<(KeyName, Key)>, Vec<KeyName>) {
        names.sort_unstable();
        names.dedup();
        let mut found = Vec::with_capacity(names.len());
        names.retain(|name| match self.cache.get(&(tenant, *name)) {
            Some(key) => {
                found.push((*name, key));
                false
            }
            None => true,
        });
        (found, names)
    }

    /// What the database has of these: `None` for a key that was destroyed.
    async fn load(
        &self,
        tenant: Uuid,
        names: &[KeyName],
    ) -> Result<HashMap<KeyName, Option<Key>>, Error> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let forgotten = self.forgotten.load(Ordering::SeqCst);
        let (subjects, classes) = columns(names);
        let rows: Vec<(Uuid, i16, Option<Vec<u8>>)> = sqlx::query_as(&within(
            "select k.subject, k.class, k.wrapped
               from unnest($2::uuid[], $3::smallint[]) u(subject, class)
               join personal_keys k on k.tenant_id = t.id and k.subject = u.subject
                and k.class = u.class",
        ))
        .bind(tenant)
        .bind(&subjects)
        .bind(&classes)
        .fetch_all(&self.pool)
        .await?;
        let mut keys = HashMap::with_capacity(rows.len());
        for (subject, class, wrapped) in rows {
            let name = (subject, u8::try_from(class).unwrap_or_default());
            let Some(wrapped) = wrapped else {
                keys.insert(name, None);
                continue;
            };
            let plain = self.master.unwrap(&wrapped, &bound_to(tenant, name))?;
            let key = Key::try_from(plain).map_err(|_| KeyError::WrongMasterKey)?;
            keys.insert(name, Some(key));
        }
        // An erasure that was noticed meanwhile may have destroyed what was read before it.
        for (name, key) in keys.iter().filter_map(|(name, key)| Some((*name, (*key)?))) {
            if self.forgotten.load(Ordering::SeqCst) == forgotten {
                self.cache.insert((tenant, name), key);
            }
            if self.forgotten.load(Ordering::SeqCst) != forgotten {
                self.cache.remove(&(tenant, name));
            }
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
