//! One look for all who ask at about the same time: what group commit is for writing. Whoever asks
//! while one is under way shares the next, so nobody is told what was so before they asked, but for
//! who says that this will do. A failure is told to those who wait, and to nobody after them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::oneshot::{self, Sender};
use tokio::time::{Instant, timeout};

/// How long others wait for one who looks before each looks alone: it may take long, or its session
/// have gone silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// When it was so long ago; now, where there was no such time.
pub(crate) fn ago(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_sub(time).unwrap_or(now)
}

#[derive(Debug)]
pub(crate) struct Shared<T, E> {
    known: std::sync::Mutex<Known<T, E>>,
    /// Whoever has it looks for all who wait.
    turn: Mutex<()>,
}

/// What was found last, and when the look began that found it; and who waits for the next.
#[derive(Debug)]
struct Known<T, E> {
    latest: Option<(Instant, T)>,
    /// Each with the moment after which a look must begin that will do for them.
    waiting: Vec<(Instant, Sender<Result<T, E>>)>,
}

impl<T, E> Default for Shared<T, E> {
    fn default() -> Self {
        let known = Known { latest: None, waiting: vec![] };
        Shared { known: std::sync::Mutex::new(known), turn: Mutex::default() }
    }
}

impl<T: Clone, E: Clone> Shared<T, E> {
    /// What a look finds that begins after `since`: perhaps somebody has looked already.
    pub(crate) async fn look_since(
        &self,
        since: Instant,
        look: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match self.found_after(since) {
            Some(found) => Ok(found),
            None => self.find(since, look).await,
        }
    }

    /// All who wait are told at once: to hand on from one to the next would wake another thread for each.
    async fn find(&self, since: Instant, look: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let (answer, mut answered) = oneshot::channel();
        self.known().waiting.push((since, answer));
        let turn = tokio::select! {
            biased;
            Ok(found) = &mut answered => return found,
            turn = timeout(PATIENCE, self.turn.lock()) => turn,
        };
        let Ok(_turn) = turn else {
            drop(answered);
            self.known().waiting.retain(|(_, answer)| !answer.is_closed());
            return look().await;
        };
        if let Ok(found) = answered.try_recv() {
            return found;
        }
        if let Some(found) = self.found_after(since) {
            return Ok(found);
        }
        let begun = Instant::now();
        let found = look().await;
        self.tell(begun, &found);
        found
    }

    fn tell(&self, begun: Instant, found: &Result<T, E>) {
        let waited: Vec<_> = {
            let mut known = self.known();
            if let Ok(found) = found {
                known.latest = Some((begun, found.clone()));
            }
            known.waiting.extract_if(.., |(since, _)| *since < begun).collect()
        };
        for (_, answer) in waited {
            // They may have gone.
            let _ = answer.send(found.clone());
        }
    }

    fn found_after(&self, since: Instant) -> Option<T> {
        let known = self.known();
        let (begun, found) = known.latest.as_ref()?;
        (*begun > since).then(|| found.clone())
    }

    fn known(&self) -> MutexGuard<'_, Known<T, E>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One `S` for each key, as long as somebody has to do with it.
#[derive(Debug)]
pub(crate) struct Each<K, S>(std::sync::Mutex<HashMap<K, Arc<S>>>);

impl<K, S> Default for Each<K, S> {
    fn default() -> Self {
        Each(std::sync::Mutex::default())
    }
}

impl<K: Clone + Eq + Hash, S: Default> Each<K, S> {
    /// Has to do with the one of this key.
    pub(crate) async fn with<A>(&self, key: K, act: impl AsyncFnOnce(&S) -> A) -> A {
        // Goes last, when this one's share is gone.
        let _asking = Asking { among: self, key: key.clone() };
        let own = self.of(key);
        act(&own).await
    }

    /// The one of this key, which is there as long as it is held.
    pub(crate) fn of(&self, key: K) -> Arc<S> {
        self.all().entry(key).or_default().clone()
    }
}

impl<K, S> Each<K, S> {
    fn all(&self) -> MutexGuard<'_, HashMap<K, Arc<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who asks; the last one clears up, also when called off.
struct Asking<'a, K: Eq + Hash, S> {
    among: &'a Each<K, S>,
    key: K,
}

impl<K: Eq + Hash, S> Drop for Asking<'_, K, S> {
    fn drop(&mut self) {
        let mut all = self.among.all();
        if all.get(&self.key).is_some_and(|own| Arc::strong_count(own) == 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    /// Looks at what the cell holds when the look begins.
    async fn seen(shared: &Shared<u32, ()>, looks: &Cell<u32>, cell: &Cell<u32>) -> u32 {
        shared
            .look_since(Instant::now(), async || {
                looks.set(looks.get() + 1);
                let found = cell.get();
                yield_now().await;
                Ok(found)
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn who_asks_during_a_look_shares_the_next_one_with_others() {
        let (shared, looks, cell) = (Shared::default(), Cell::new(0), Cell::new(1));
        let found = join_all((0..50).map(|_| seen(&shared, &looks, &cell))).await;
        assert_eq!((found, looks.get()), (vec![1; 50], 2));
    }

    #[tokio::test]
    async fn whoever_waits_for_one_who_is_called_off_looks_with_the_others() {
        let (shared, looks, cell) = (Shared::default(), Cell::new(0), Cell::new(1));
        let look = || Box::pin(seen(&shared, &looks, &cell));
        let mut gone = [look(), look()];
        let others = [look(), look(), look()];
        assert!(gone[0].as_mut().now_or_never().is_none());
        assert!(gone[1].as_mut().now_or_never().is_none());
        let off = async { drop(gone) };
        let (found, ()) = tokio::join!(join_all(others), off);
        assert_eq!((found, looks.get()), (vec![1; 3], 2));
    }

    #[tokio::test]
    async fn who_is_content_with_what_was_so_a_moment_ago_shares_an_earlier_look() {
        let (shared, looks, cell) = (Shared::default(), Cell::new(0), Cell::new(1));
        let before = Instant::now();
        assert_eq!(seen(&shared, &looks, &cell).await, 1);
        let after = Instant::now();
        let again = |since| shared.look_since(since, async || Ok(2));
        assert_eq!((again(before).await, again(after).await), (Ok(1), Ok(2)));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_those_who_wait_and_to_nobody_after_them() {
        let (shared, looks, before) = (Shared::<u32, u32>::default(), Cell::new(0), Instant::now());
        let look = || {
            shared.look_since(before, async || {
                looks.set(looks.get() + 1);
                yield_now().await;
                Err(looks.get())
            })
        };
        assert_eq!(join_all([look(), look(), look()]).await, [Err(1); 3]);
        assert_eq!(look().await, Err(2));
    }

    #[tokio::test]
    async fn who_asks_for_something_else_shares_nothing_and_nothing_is_kept() {
        let (each, looks) = (Each::<u32, Shared<(), ()>>::default(), Cell::new(0));
        let look = async || {
            looks.set(looks.get() + 1);
            yield_now().await;
            Ok(())
        };
        let seen =
            |key| each.with(key, async |shared| shared.look_since(Instant::now(), look).await);
        join_all([1, 2, 1, 2, 1, 3].map(seen)).await;
        // The first who asks for something looks alone, the others together.
        assert_eq!(looks.get(), 5);
        // Whoever is called off is the last one, too.
        assert!(seen(4).now_or_never().is_none());
        assert!(each.all().is_empty());
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
