//! One look for all who ask at about the same time: what group commit is for writing. Whoever asks
//! while one is under way shares the next, so nobody is told what was so before they asked.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long others wait for one who looks before each looks alone: it may take long, or its session
/// have gone silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was found last, and the how many-eth look found it.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    begun: AtomicU64,
    latest: Mutex<(u64, Option<T>)>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Shared { begun: AtomicU64::new(0), latest: Mutex::new((0, None)) }
    }
}

impl<T: Clone> Shared<T> {
    /// What a look finds that begins now or later. A failure should be part of `T`: others share it
    /// instead of failing one after the other.
    pub(crate) async fn look(&self, look: impl AsyncFnOnce() -> T) -> T {
        let before = self.begun.load(Ordering::SeqCst);
        let Ok(mut latest) = timeout(PATIENCE, self.latest.lock()).await else {
            return look().await;
        };
        if let (number, Some(found)) = &*latest
            && *number > before
        {
            return found.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let found = look().await;
        *latest = (number, Some(found.clone()));
        found
    }
}

/// Looks at different things, each shared by those who ask for the same. Nothing that was found is
/// kept once they have it.
#[derive(Debug)]
pub(crate) struct SharedBy<K, T>(std::sync::Mutex<HashMap<K, Arc<Shared<T>>>>);

impl<K, T> Default for SharedBy<K, T> {
    fn default() -> Self {
        SharedBy(std::sync::Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> SharedBy<K, T> {
    /// What a look at this finds that begins now or later.
    pub(crate) async fn look(&self, key: K, look: impl AsyncFnOnce() -> T) -> T {
        // Goes last, when this one's share is gone.
        let _asking = Asking { among: self, key: key.clone() };
        let shared = self.all().entry(key).or_default().clone();
        shared.look(look).await
    }
}

impl<K, T> SharedBy<K, T> {
    fn all(&self) -> MutexGuard<'_, HashMap<K, Arc<Shared<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who asks; the last one clears up, also when called off.
struct Asking<'a, K: Eq + Hash, T> {
    among: &'a SharedBy<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Asking<'_, K, T> {
    fn drop(&mut self) {
        let mut all = self.among.all();
        if all.get(&self.key).is_some_and(|shared| Arc::strong_count(shared) == 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    /// Looks at what the cell holds when the look begins.
    async fn seen(shared: &Shared<u32>, looks: &Cell<u32>, cell: &Cell<u32>) -> u32 {
        shared
            .look(async || {
                looks.set(looks.get() + 1);
                let found = cell.get();
                yield_now().await;
                found
            })
            .await
    }

    #[tokio::test]
    async fn who_asks_during_a_look_shares_the_next_one_with_others() {
        let (shared, looks, cell) = (Shared::default(), Cell::new(0), Cell::new(1));
        let found = join_all((0..50).map(|_| seen(&shared, &looks, &cell))).await;
        assert_eq!((found, looks.get()), (vec![1; 50], 2));
    }

    #[tokio::test]
    async fn who_asks_for_something_else_shares_nothing_and_nothing_is_kept() {
        let (shared, looks) = (SharedBy::default(), Cell::new(0));
        let seen = |key: u32| {
            shared.look(key, async || {
                looks.set(looks.get() + 1);
                yield_now().await;
            })
        };
        join_all([1, 2, 1, 2, 1, 3].map(seen)).await;
        // The first who asks for something looks alone, the others together.
        assert_eq!(looks.get(), 5);
        // Whoever is called off is the last one, too.
        assert!(seen(4).now_or_never().is_none());
        assert!(shared.all().is_empty());
    }

    #[tokio::test]
    async fn nobody_is_told_what_was_so_before_they_asked() {
        let (shared, looks, cell) = (Shared::default(), Cell::new(0), Cell::new(1));
        let early = seen(&shared, &looks, &cell);
        let late = async {
            yield_now().await;
            cell.set(2);
            seen(&shared, &looks, &cell).await
        };
        let (_, late) = tokio::join!(early, late);
        assert_eq!(late, 2);
    }
}
