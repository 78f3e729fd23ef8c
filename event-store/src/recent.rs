//! The newest events of the log, as one of this process's readers found them: whoever follows close
//! behind need not ask the database for the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::log::{self, Recorded};

/// How many events are kept, and how many bytes of what they say.
const KEPT: usize = 2_000;
const BYTES: usize = 4 << 20;
/// How long they are trusted after the last was read: no longer than it takes to put another
/// database in the place of this one. Whoever is told that this one is gone forgets them at once.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long the others wait for one who reads before each reads alone: its page may be large, or its
/// session have gone silent.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is kept, for all who read. Whoever needs more reads it for all, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Kept>);

impl Recent {
    /// Up to `limit` events after `after`, of a log that has grown to `head`; fewer, where only those
    /// are kept.
    pub(crate) async fn page(
        &self,
        pool: &PgPool,
        after: i64,
        limit: i64,
        head: i64,
    ) -> sqlx::Result<Vec<Arc<Recorded>>> {
        // Who has far to go keeps nobody waiting.
        if head - after > KEPT as i64 {
            return read(pool, after, limit).await;
        }
        let Ok(mut kept) = timeout(PATIENCE, self.0.lock()).await else {
            return read(pool, after, limit).await;
        };
        kept.forget_old(Instant::now());
        match kept.place(after) {
            Place::Kept => return Ok(kept.page(after, limit)),
            Place::Before => drop(kept),
            Place::Behind => {
                let read = read(pool, after, limit).await;
                match &read {
                    Ok(page) => kept.add(page, Instant::now()),
                    Err(_) => *kept = Kept::default(),
                }
                return read;
            }
        }
        read(pool, after, limit).await
    }
}

async fn read(pool: &PgPool, after: i64, limit: i64) -> sqlx::Result<Vec<Arc<Recorded>>> {
    let page = log::page(pool, after, i64::MAX, limit).await?;
    Ok(page.into_iter().map(Arc::new).collect())
}

/// Events without a gap between them.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
    read: Option<Instant>,
}

/// Where somebody stands who wants what comes next.
#[derive(Debug, PartialEq)]
enum Place {
    Before,
    Kept,
    Behind,
}

impl Kept {
    fn ends(&self) -> Option<(i64, i64)> {
        Some((self.events.front()?.position, self.events.back()?.position))
    }

    fn place(&self, after: i64) -> Place {
        match self.ends() {
            Some((first, _)) if after + 1 < first => Place::Before,
            Some((_, last)) if after < last => Place::Kept,
            _ => Place::Behind,
        }
    }

    fn page(&self, after: i64, limit: i64) -> Vec<Arc<Recorded>> {
        let next = self.events.partition_point(|event| event.position <= after);
        let limit = usize::try_from(limit).unwrap_or_default();
        self.events.range(next..).take(limit).cloned().collect()
    }

    /// Takes what was read behind the last one, or further on.
    fn add(&mut self, page: &[Arc<Recorded>], now: Instant) {
        let Some(first) = page.first() else { return };
        if self.ends().is_some_and(|(_, last)| last + 1 != first.position) {
            *self = Kept::default();
        }
        self.read = Some(now);
        for event in page {
            self.bytes += bytes(event);
            self.events.push_back(event.clone());
        }
        while self.events.len() > KEPT || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= bytes(&oldest);
        }
    }

    fn forget_old(&mut self, now: Instant) {
        if self.read.is_some_and(|read| now.duration_since(read) > TRUSTED) {
            *self = Kept::default();
        }
    }
}

fn bytes(event: &Recorded) -> usize {
    event.payload.len() + event.metadata.len()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn events(positions: std::ops::RangeInclusive<i64>, said: &str) -> Vec<Arc<Recorded>> {
        let event = |position| {
            Arc::new(Recorded {
                aggregate_type: "ticket".into(),
                aggregate_id: Uuid::nil().to_string(),
                sequence: position,
                event_type: "Opened".into(),
                event_version: "1".into(),
                payload: said.into(),
                metadata: String::new(),
                position,
                tenant_id: Uuid::nil(),
                event_id: Uuid::nil(),
                actor: "system".into(),
                command_id: None,
                correlation_id: Uuid::nil(),
                causation_id: None,
                recorded_at: DateTime::UNIX_EPOCH,
            })
        };
        positions.map(event).collect()
    }

    fn told(page: &[Arc<Recorded>]) -> Vec<i64> {
        page.iter().map(|event| event.position).collect()
    }

    #[test]
    fn what_one_has_read_is_there_for_those_behind() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.add(&events(11..=14, "{}"), now);
        kept.add(&events(15..=16, "{}"), now);
        let places: Vec<Place> = [9, 10, 15, 16, 17].map(|after| kept.place(after)).into();
        use Place::{Before, Behind, Kept as Here};
        assert_eq!(places, [Before, Here, Here, Behind, Behind]);
        assert_eq!(told(&kept.page(10, 3)), [11, 12, 13]);
        assert_eq!(told(&kept.page(13, 100)), [14, 15, 16]);
    }

    #[test]
    fn nothing_is_kept_across_a_gap_nor_for_long() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.add(&events(1..=4, "{}"), now);
        kept.add(&events(6..=7, "{}"), now);
        assert_eq!(kept.ends(), Some((6, 7)));
        // Nobody was told anything new since.
        kept.add(&[], now + TRUSTED);
        kept.forget_old(now + TRUSTED);
        assert_eq!(kept.ends(), Some((6, 7)));
        kept.forget_old(now + TRUSTED + Duration::from_millis(1));
        assert_eq!((kept.ends(), kept.bytes), (None, 0));
    }

    #[test]
    fn it_holds_so_many_and_so_much_of_the_newest() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.add(&events(1..=KEPT as i64 + 5, "{}"), now);
        assert_eq!(kept.ends(), Some((6, KEPT as i64 + 5)));
        let next = KEPT as i64 + 6;
        kept.add(&events(next..=next, &" ".repeat(BYTES - 100)), now);
        assert!(kept.bytes <= BYTES && kept.events.len() <= 51, "{}", kept.events.len());
        kept.add(&events(next + 1..=next + 1, &" ".repeat(BYTES + 1)), now);
        assert_eq!((kept.ends(), kept.bytes), (None, 0));
    }
}
