//! Turns: who wants what somebody has waits for them, and for nobody else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_store::database::WAIT;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::Error;

/// Who has, or waits for, a turn at each key. A key that nobody wants is not kept. Cheap to clone.
#[derive(Debug)]
pub struct Turns<K: Eq + Hash + Clone>(Arc<Mutex<HashMap<K, Line>>>);

#[derive(Debug, Default)]
struct Line {
    turn: Arc<tokio::sync::Mutex<()>>,
    people: usize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash + Clone> {
    _turn: OwnedMutexGuard<()>,
    _place: Place<K>,
}

/// A place in a key's line; who loses patience leaves it.
#[derive(Debug)]
struct Place<K: Eq + Hash + Clone> {
    turns: Turns<K>,
    key: K,
}

impl<K: Eq + Hash + Clone> Turns<K> {
    /// Waits until nobody else has the turn at this key.
    pub async fn turn(&self, key: K) -> Turn<K> {
        let turn = {
            let mut lines = self.lines();
            let line = lines.entry(key.clone()).or_default();
            line.people += 1;
            line.turn.clone()
        };
        let _place = Place { turns: self.clone(), key };
        Turn { _turn: turn.lock_owned().await, _place }
    }

    /// The same, but no longer than for a session of the database: whoever has the turn may wait for
    /// one that is gone.
    pub(crate) async fn turn_soon(&self, key: K) -> Result<Turn<K>, Error> {
        let turn = timeout(WAIT, self.turn(key)).await;
        turn.map_err(|_| event_store::Error::from(sqlx::Error::PoolTimedOut).into())
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        if let Some(line) = lines.get_mut(&self.key) {
            line.people -= 1;
            if line.people == 0 {
                lines.remove(&self.key);
            }
        }
    }
}

impl<K: Eq + Hash + Clone> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Turns(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Default for Turns<K> {
    fn default() -> Self {
        Turns(Arc::default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::unconstrained;

    use super::*;

    #[tokio::test]
    async fn who_wants_the_same_waits_and_who_wants_something_else_does_not() {
        let turns = Turns::default();
        let first = turns.turn(0).await;
        for other in 1..5_000 {
            let turn = unconstrained(turns.turn(other)).now_or_never();
            assert!(turn.is_some(), "{other} waits for a stranger");
        }
        assert!(turns.turn(0).now_or_never().is_none());
        drop(first);
        assert!(turns.turn(0).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_key_that_nobody_wants_any_more_is_forgotten() {
        let turns = Turns::default();
        let first = turns.turn("a").await;
        // Somebody waits, and loses patience.
        assert!(turns.turn("a").now_or_never().is_none());
        assert_eq!(turns.lines()["a"].people, 1);
        drop(first);
        assert!(turns.lines().is_empty());
    }
}
