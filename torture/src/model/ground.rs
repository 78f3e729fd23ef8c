//! What all worlds share: the database, the stores over it, and what is counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::sleep;

use super::stores::Stores;
use super::whole::Sum;
use crate::Outcome;
use crate::cluster::Cluster;

/// Longer than the database is ever away.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Ground<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) stores: Stores,
    /// As its superuser, past the stores and all that happens to them but its death.
    pub(crate) own: PgPool,
    pub(crate) seed: u64,
    done: AtomicU64,
    over: AtomicBool,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    wrong: Mutex<Vec<String>>,
    /// Of the worlds that have ended.
    sum: Mutex<Sum>,
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        cluster: &'a Cluster,
        stores: Stores,
        own: PgConnectOptions,
        seed: u64,
    ) -> Ground<'a> {
        let own = PgPoolOptions::new().max_connections(6).connect_lazy_with(own);
        let (done, over, counts, wrong, sum) = Default::default();
        Ground { cluster, stores, own, seed, done, over, counts, wrong, sum }
    }

    pub(crate) fn does(&self, operations: u64) {
        self.done.fetch_add(operations, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Nobody begins anything any more.
    pub(crate) fn ends(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self, what: &'static str) {
        *lock(&self.counts).entry(what).or_default() += 1;
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        lock(&self.counts).get(what).copied().unwrap_or_default()
    }

    /// What follows a difference would only differ, too.
    pub(crate) fn is_wrong(&self, what: impl IntoIterator<Item = String>) {
        let mut wrong = lock(&self.wrong);
        wrong.extend(what);
        if !wrong.is_empty() {
            self.ends();
        }
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    pub(crate) fn sum(&self) -> MutexGuard<'_, Sum> {
        lock(&self.sum)
    }
}

/// Asks until there is an answer: the database, or the way to it, may be gone for a while.
pub(crate) async fn insist<T, E: Error + Send + Sync + 'static>(
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> Outcome<T> {
    let began = Instant::now();
    loop {
        match ask().await {
            Err(_) if began.elapsed() < PATIENCE => sleep(PAUSE).await,
            answered => return Ok(answered?),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
