//! What was read lately, for who knows how to find out that it still holds. It is kept in two halves:
//! when the younger is full, or has been filled for long, it becomes the elder, and the elder goes.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::take;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a half is filled: nothing is kept for more than twice as long.
const FILLED: Duration = Duration::from_secs(5);
/// Rows of a half. A message with its encrypted body takes some 800 bytes.
const ROOM: usize = 8_192;

#[derive(Debug)]
pub(crate) struct Lately<K, T>(std::sync::Mutex<Halves<K, T>>);

#[derive(Debug)]
struct Halves<K, T> {
    younger: HashMap<K, T>,
    elder: HashMap<K, T>,
    /// Since when the younger one is filled, and with how many rows.
    since: Instant,
    rows: usize,
}

impl<K, T> Default for Lately<K, T> {
    fn default() -> Self {
        let (younger, elder) = (HashMap::new(), HashMap::new());
        Lately(std::sync::Mutex::new(Halves { younger, elder, since: Instant::now(), rows: 0 }))
    }
}

impl<K: Eq + Hash, T: Clone> Lately<K, T> {
    pub(crate) fn get(&self, key: &K) -> Option<T> {
        let halves = self.halves();
        halves.younger.get(key).or_else(|| halves.elder.get(key)).cloned()
    }

    /// Keeps what has so many rows in the place of what was read before.
    pub(crate) fn put(&self, key: K, rows: usize, read: T) {
        let mut halves = self.halves();
        halves.rows += rows;
        halves.younger.insert(key, read);
        if halves.rows > ROOM {
            halves.grow_old();
        }
    }

    fn halves(&self) -> MutexGuard<'_, Halves<K, T>> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = halves.since.elapsed();
        for long in [FILLED, 2 * FILLED] {
            if age > long {
                halves.grow_old();
            }
        }
        halves
    }
}

impl<K, T> Halves<K, T> {
    fn grow_old(&mut self) {
        self.elder = take(&mut self.younger);
        (self.since, self.rows) = (Instant::now(), 0);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn what_was_read_last_is_known_for_as_long_as_it_takes_to_fill_a_half() {
        let lately = Lately::default();
        lately.put("ana", 1, "Hello");
        lately.put("ana", 1, "Hello again");
        advance(FILLED).await;
        assert_eq!(lately.get(&"ana"), Some("Hello again"));
        assert_eq!(lately.get(&"ben"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_for_longer_than_it_takes_to_fill_both() {
        let lately = Lately::default();
        lately.put("ana", 1, "Hello");
        advance(FILLED + MOMENT).await;
        assert_eq!(lately.get(&"ana"), Some("Hello"));
        lately.put("ben", 1, "Good evening");
        advance(FILLED + MOMENT).await;
        assert_eq!((lately.get(&"ana"), lately.get(&"ben")), (None, Some("Good evening")));
        advance(2 * FILLED + MOMENT).await;
        assert_eq!(lately.get(&"ben"), None);
    }

    #[test]
    fn however_much_is_read_there_is_room_for_two_halves() {
        let lately = Lately::default();
        let most = 2 * (ROOM / 50 + 1);
        for conversation in 0..1_000 {
            lately.put(conversation, 50, ());
            assert_eq!(lately.get(&conversation), Some(()));
            let kept = (0..=conversation).filter(|earlier| lately.get(earlier).is_some());
            assert!(kept.count() <= most);
        }
    }
}
