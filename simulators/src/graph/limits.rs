//! How many messages a number may send in a while: a limit that lets a burst through and then one
//! message at a time.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many may come at once.
    pub burst: u32,
    /// How long it takes until one more may come.
    pub every: Duration,
}

impl Rate {
    /// What a number may send to all its customers, 80 messages a second.
    pub const THROUGHPUT: Rate = Rate { burst: 80, every: Duration::from_micros(12_500) };
    /// What it may send to one of them: one message in six seconds, up to 45 ahead of time.
    pub const PAIR: Rate = Rate { burst: 45, every: Duration::from_secs(6) };
}

/// When each key will have used up nothing any more.
#[derive(Default)]
pub(super) struct Used(HashMap<String, DateTime<Utc>>);

impl Used {
    pub(super) fn admits(&mut self, key: &str, rate: Option<Rate>, now: DateTime<Utc>) -> bool {
        let Some(rate) = rate else { return true };
        let every = TimeDelta::from_std(rate.every).unwrap_or_default();
        let ahead = every * i32::try_from(rate.burst).unwrap_or(i32::MAX);
        let idle = self.0.get(key).copied().unwrap_or(now).max(now) + every;
        let admitted = idle - now <= ahead;
        if admitted {
            self.0.insert(key.to_owned(), idle);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_message_at_a_time() {
        let rate = Some(Rate { burst: 2, every: Duration::from_secs(6) });
        let (mut used, start) = (Used::default(), DateTime::UNIX_EPOCH);
        let mut at = |second| used.admits("pair", rate, start + TimeDelta::seconds(second));
        assert_eq!([at(0), at(0), at(0)], [true, true, false]);
        assert_eq!([at(5), at(6), at(7), at(12)], [false, true, false, true]);
    }
}
