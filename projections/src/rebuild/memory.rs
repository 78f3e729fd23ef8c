//! What the builds of one rebuild share: memory, and turns to write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all builds together may hold, and what each says that it holds.
#[derive(Debug)]
pub(super) struct Memory {
    bound: usize,
    builds: usize,
    held: AtomicUsize,
    writers: Arc<Semaphore>,
}

/// Builds that write at the same time: more would only wait for each other's connections.
const WRITERS: usize = 2;

impl Memory {
    pub(super) fn new(bound: usize, builds: usize) -> Self {
        let writers = Arc::new(Semaphore::new(WRITERS));
        Memory { bound, builds: builds.max(1), held: AtomicUsize::new(0), writers }
    }

    /// Waits until it is a build's turn to write.
    pub(super) async fn writer(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.writers).acquire_owned().await.ok()
    }

    /// A build held `before` bytes and holds `now`. Whether it has to give some back: all together
    /// hold more than they may, and it holds its share of that at least. One of them does.
    pub(super) fn is_short(&self, before: usize, now: usize) -> bool {
        self.held.fetch_add(now, Ordering::Relaxed);
        let held = self.held.fetch_sub(before, Ordering::Relaxed) - before;
        held > self.bound && now >= self.share()
    }

    pub(super) fn share(&self) -> usize {
        self.bound / self.builds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_that_hold_too_much_together_one_with_more_than_its_share_gives_back() {
        let memory = Memory::new(100, 2);
        assert!(!memory.is_short(0, 90), "alone it may have nearly all");
        assert!(!memory.is_short(0, 20), "the other one has to give back");
        assert!(memory.is_short(90, 91));
        assert!(!memory.is_short(91, 10));
    }
}
