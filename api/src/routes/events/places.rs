//! How many streams one process keeps open: so many in all, and of them a share for each
//! organisation, so that none can keep the others out.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use uuid::Uuid;

const ALL: usize = 4_000;
const SHARE: usize = 500;

static TAKEN: LazyLock<Mutex<HashMap<Uuid, usize>>> = LazyLock::new(Mutex::default);

/// Free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Uuid);

impl Place {
    /// `None` where there is none left.
    pub(super) fn of(organization: Uuid) -> Option<Place> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&organization).copied().unwrap_or_default();
        if own >= SHARE || taken.values().sum::<usize>() >= ALL {
            return None;
        }
        taken.insert(organization, own + 1);
        Some(Place(organization))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.0) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organisation_has_its_share_and_gets_back_what_it_frees() {
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let mut places: Vec<_> = (0..SHARE).map(|_| Place::of(one)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(Place::of(one).is_none() && Place::of(other).is_some());
        places.pop();
        assert!(Place::of(one).is_some());
    }
}
