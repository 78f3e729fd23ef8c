//! Tokens that a process takes a few at a time, so that most requests ask no database. What is in
//! no hurry stays with the process until it is used; who is refused is refused from memory until
//! there can be a token again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::sync::Mutex;

use super::{Limit, Taken};
use crate::{Error, Store};

/// How many buckets a process remembers.
const BUCKETS: usize = 50_000;
/// The part of a limit that one process may hold, and the most: what processes hold unused is
/// missing to the others.
const SHARE: i32 = 64;
const MOST: i32 = 16;

/// Buckets of which this process holds tokens. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    store: Store,
    held: Arc<Cache<[u8; 32], Arc<Mutex<Lease>>>>,
}

/// What this process knows of one bucket.
#[derive(Clone, Copy)]
struct Lease {
    /// Tokens that are ours.
    left: i32,
    /// Tokens that the bucket held besides when it was last asked.
    shared: i32,
    none_before: Instant,
    full_at: Instant,
}

impl Leases {
    pub fn new(store: Store) -> Leases {
        Leases { store, held: Arc::new(Cache::new(BUCKETS)) }
    }

    /// Takes a token as [`Store::take_token`] does. Of requests that come at once for one bucket,
    /// one asks the database and the others wait for what it brings.
    pub async fn take(&self, bucket: &[&[u8]], limit: Limit) -> Result<Taken, Error> {
        let bucket = self.store.bucket(bucket);
        let lease = self.lease(&bucket);
        let mut lease = lease.lock().await;
        if lease.left == 0 && lease.none_before <= Instant::now() {
            let wanted = (limit.burst / SHARE).clamp(1, MOST);
            let (granted, taken) = self.store.take_tokens(&bucket, limit, wanted).await?;
            let now = Instant::now();
            *lease = Lease {
                left: granted,
                shared: taken.remaining,
                none_before: now + taken.retry_after,
                full_at: now + taken.full_after,
            };
        }
        let allowed = lease.left > 0;
        lease.left -= i32::from(allowed);
        Ok(lease.told(allowed))
    }

    /// How long there is certainly no token, as far as this process knows.
    pub async fn refused(&self, bucket: &[&[u8]]) -> Option<Duration> {
        let lease = self.lease(&self.store.bucket(bucket));
        let told = lease.lock().await.told(false);
        (told.remaining == 0 && !told.retry_after.is_zero()).then_some(told.retry_after)
    }

    fn lease(&self, bucket: &[u8; 32]) -> Arc<Mutex<Lease>> {
        let fresh = || {
            let now = Instant::now();
            let lease = Lease { left: 0, shared: 0, none_before: now, full_at: now };
            Ok::<_, Infallible>(Arc::new(Mutex::new(lease)))
        };
        match self.held.get_or_insert_with(bucket, fresh) {
            Ok(lease) => lease,
            Err(never) => match never {},
        }
    }
}

impl Lease {
    fn told(self, allowed: bool) -> Taken {
        let now = Instant::now();
        let retry_after = self.none_before.saturating_duration_since(now);
        Taken {
            allowed,
            remaining: self.left + self.shared,
            retry_after: if allowed { Duration::ZERO } else { retry_after },
            full_after: self.full_at.saturating_duration_since(now),
        }
    }
}
