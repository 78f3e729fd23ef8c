//! How many streams one process keeps open: so many in all, and of them a share for each
//! organisation, so that none can keep the others out.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

const ALL: usize = 4_000;
const SHARE: usize = 500;

/// A client that went away is seen when the server writes to it the second time; so often, and so
/// long after one another, the listeners are called before a newcomer is refused.
const CALLS: usize = 5;
const BETWEEN: Duration = Duration::from_millis(100);

static TAKEN: LazyLock<Mutex<HashMap<Uuid, Share>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Share {
    taken: usize,
    call: Arc<Notify>,
}

/// Free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    organization: Uuid,
    call: Arc<Notify>,
}

impl Place {
    /// `None` where there is none left, not even one of somebody who is gone.
    pub(super) async fn of(organization: Uuid) -> Option<Place> {
        for _ in 0..CALLS {
            if let Some(place) = Place::free(organization) {
                return Some(place);
            }
            call(organization);
            tokio::time::sleep(BETWEEN).await;
        }
        Place::free(organization)
    }

    fn free(organization: Uuid) -> Option<Place> {
        let mut shares = shares();
        let all: usize = shares.values().map(|share| share.taken).sum();
        let own = shares.get(&organization).map_or(0, |share| share.taken);
        if own >= SHARE || all >= ALL {
            return None;
        }
        let share = shares.entry(organization).or_default();
        share.taken += 1;
        Some(Place { organization, call: share.call.clone() })
    }

    /// Until a newcomer finds no place; who holds one then says something to its client, by which it
    /// comes out whether that is still there.
    pub(super) async fn called(&self) {
        self.call.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shares = shares();
        match shares.get_mut(&self.organization) {
            Some(share) if share.taken > 1 => share.taken -= 1,
            _ => drop(shares.remove(&self.organization)),
        }
    }
}

fn shares() -> MutexGuard<'static, HashMap<Uuid, Share>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Only those of the organisation where it is their share that is taken.
fn call(organization: Uuid) {
    let shares = shares();
    let own = shares.get(&organization).filter(|share| share.taken >= SHARE);
    let called: Vec<&Share> = own.map_or_else(|| shares.values().collect(), |own| vec![own]);
    for share in called {
        share.call.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_organisation_has_its_share_and_gets_back_what_it_frees() {
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let mut places: Vec<_> = (0..SHARE).map(|_| Place::free(one)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(Place::of(one).await.is_none() && Place::of(other).await.is_some());
        places.pop();
        assert!(Place::of(one).await.is_some());
    }
}
