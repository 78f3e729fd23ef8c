//! One look for all who ask at about the same time: what group commit is for writing. Whoever asks
//! while one is under way shares the next, so nobody is told what was so before they asked.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

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
        let mut latest = self.latest.lock().await;
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

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
