//! What was read lately, for who knows how to find out that it still holds. It is kept in two halves:
//! when the younger is full, or has been filled for long, it becomes the elder, and the elder goes.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::{replace, take};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a half is filled: nothing is told for more than twice as long.
const FILLED: Duration = Duration::from_secs(5);
/// About how many bytes a half has room for.
const ROOM: usize = 6 << 20;
/// What is kept takes so much by itself, and what takes so much is not: much else would have to go.
const ENTRY: usize = 256;
const LARGE: usize = ROOM / 8;

#[derive(Debug)]
pub(crate) struct Lately<K, T>(std::sync::Mutex<Halves<K, T>>);

#[derive(Debug)]
struct Halves<K, T> {
    younger: HashMap<K, T>,
    elder: HashMap<K, T>,
    /// Since when the younger one is filled, and with about how many bytes.
    since: Instant,
    bytes: usize,
}

impl<K, T> Default for Lately<K, T> {
    fn default() -> Self {
        let (younger, elder) = (HashMap::new(), HashMap::new());
        Lately(std::sync::Mutex::new(Halves { younger, elder, since: Instant::now(), bytes: 0 }))
    }
}

impl<K: Eq + Hash, T: Clone> Lately<K, T> {
    pub(crate) fn get(&self, key: &K) -> Option<T> {
        let halves = self.halves();
        halves.younger.get(key).or_else(|| halves.elder.get(key)).cloned()
    }

    /// Keeps what takes about so many bytes, in the place of what is `older` if there is something.
    pub(crate) fn put(&self, key: K, bytes: usize, read: T, older: impl Fn(&T) -> bool) {
        let mut halves = self.halves();
        let kept = halves.younger.get(&key).or_else(|| halves.elder.get(&key));
        if bytes > LARGE || kept.is_some_and(|kept| !older(kept)) {
            return;
        }
        halves.bytes += ENTRY + bytes;
        halves.younger.insert(key, read);
        if halves.bytes > ROOM {
            let gone = halves.grow_old();
            halves.since = Instant::now();
            // To free all of it takes long enough for others to wait.
            drop(halves);
            drop(gone);
        }
    }

    fn halves(&self) -> MutexGuard<'_, Halves<K, T>> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = halves.since.elapsed();
        if age > FILLED {
            halves.grow_old();
            halves.since += FILLED;
        }
        if age > 2 * FILLED {
            halves.grow_old();
            halves.since = Instant::now();
        }
        halves
    }
}

impl<K, T> Halves<K, T> {
    /// Returns the elder, which goes.
    fn grow_old(&mut self) -> HashMap<K, T> {
        self.bytes = 0;
        replace(&mut self.elder, take(&mut self.younger))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn always<T>(_: &T) -> bool {
        true
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_last_is_known_for_as_long_as_it_takes_to_fill_a_half() {
        let lately = Lately::default();
        lately.put("ana", 1, "Hello", always);
        lately.put("ana", 1, "Hello again", always);
        lately.put("ana", 1, "Hello", |kept| kept.is_empty());
        advance(FILLED).await;
        assert_eq!(lately.get(&"ana"), Some("Hello again"));
        assert_eq!(lately.get(&"ben"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_for_longer_than_it_takes_to_fill_both() {
        let lately = Lately::default();
        lately.put("ana", 1, "Hello", always);
        advance(FILLED + MOMENT).await;
        assert_eq!(lately.get(&"ana"), Some("Hello"));
        lately.put("ben", 1, "Good evening", always);
        advance(FILLED).await;
        assert_eq!((lately.get(&"ana"), lately.get(&"ben")), (None, Some("Good evening")));
        advance(2 * FILLED + MOMENT).await;
        assert_eq!(lately.get(&"ben"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_late_lets_nothing_live_longer() {
        let lately = Lately::default();
        lately.put("ana", 1, "Hello", always);
        advance(2 * FILLED - MOMENT).await;
        assert_eq!(lately.get(&"ana"), Some("Hello"));
        advance(2 * MOMENT).await;
        assert_eq!(lately.get(&"ana"), None);
    }

    #[test]
    fn what_would_drive_out_all_else_is_not_kept() {
        let lately = Lately::default();
        lately.put("ana", LARGE, (), always);
        lately.put("ben", LARGE + 1, (), always);
        assert_eq!((lately.get(&"ana"), lately.get(&"ben")), (Some(()), None));
    }

    #[test]
    fn however_much_is_read_there_is_room_for_two_halves() {
        for bytes in [0, 40_000] {
            let lately = Lately::default();
            let most = 2 * (ROOM / (ENTRY + bytes) + 1);
            for conversation in 0..3 * most {
                lately.put(conversation, bytes, (), always);
                assert_eq!(lately.get(&conversation), Some(()));
            }
            let kept = (0..3 * most).filter(|earlier| lately.get(earlier).is_some());
            assert!(kept.count() <= most);
        }
    }
}
