//! The streams that this process wrote last, and where the log ended then. As long as it still ends
//! there nobody else has written, and the database need not look these streams up.

use std::collections::HashMap;

use uuid::Uuid;

use crate::batch::{Append, StreamAppend};

/// Streams that are remembered before all are forgotten.
const REMEMBERED: usize = 100_000;
/// The most batches that go out without being vouched for, before that is tried again.
const WARY: u32 = 128;

/// Where a stream stands.
#[derive(Debug)]
struct Known {
    aggregate_type: String,
    tenant: Uuid,
    version: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// Where the log ends once all that is on its way has been written; `None`: unknown.
    end: Option<i64>,
    /// The last position that was heard of, and events on their way.
    last: i64,
    sent: i64,
    /// How often in a row the log ended elsewhere, and how many batches go out before one is
    /// vouched for again.
    wrong: u32,
    wary: u32,
    /// By their ids: of two that share one, the one that was written last.
    streams: HashMap<String, Known>,
}

impl Versions {
    /// So many events go out. Returns where the log has to end for what is known to hold.
    pub(crate) fn send(&mut self, events: i64) -> Option<i64> {
        let known = if self.wary == 0 { self.end } else { None };
        self.wary = self.wary.saturating_sub(1);
        self.sent += events;
        self.end = self.end.map(|end| end + events);
        known
    }

    /// Whether a stream is taken to stand where an append expects it: it is known to, or it is new,
    /// and the index would tell if it were not. From then on, until that has been written, nothing
    /// is known of it.
    pub(crate) fn take(&mut self, tenant: Uuid, stream: &StreamAppend) -> bool {
        match self.streams.remove(&stream.aggregate_id) {
            Some(known) => {
                known.aggregate_type == stream.aggregate_type
                    && (known.tenant, known.version) == (tenant, stream.expected)
            }
            None => stream.expected == 0,
        }
    }

    /// They have come back. `last` is the position of the last, if all were written. Two batches may
    /// come back in another order than they were written.
    pub(crate) fn land(&mut self, events: i64, last: Option<i64>) {
        self.sent -= events;
        self.last = self.last.max(last.unwrap_or_default());
        self.end = last.map(|_| self.last + self.sent);
    }

    /// An append was written.
    pub(crate) fn remember(&mut self, append: &Append) {
        if self.streams.len() > REMEMBERED {
            self.streams.clear();
        }
        for stream in append.streams.iter().filter(|stream| !stream.events.is_empty()) {
            let version = stream.expected + stream.events.len() as i64;
            let known = Known {
                aggregate_type: stream.aggregate_type.clone(),
                tenant: append.tenant,
                version,
            };
            self.streams.insert(stream.aggregate_id.clone(), known);
        }
    }

    /// The log ended where it was known to.
    pub(crate) fn trust(&mut self) {
        self.wrong = 0;
    }

    /// What was vouched for was not taken. The log ended elsewhere: some of what was on its way was
    /// refused, or another process writes, and may go on. Or a stream that was told of stood elsewhere,
    /// somebody was erased, or the clock was set back. Each time in a row it is left alone for twice as
    /// long.
    pub(crate) fn doubt(&mut self) {
        self.end = None;
        self.wary = WARY.min(1 << self.wrong);
        self.wrong = (self.wrong + 1).min(WARY.ilog2());
    }

    /// There may be another database, which lacks the last of what the first had.
    pub(crate) fn forget(&mut self) {
        *self =
            Versions { sent: self.sent, wrong: self.wrong, wary: self.wary, ..Versions::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::NewEvent;

    fn stream(expected: i64) -> StreamAppend {
        let event = NewEvent {
            event_id: Uuid::nil(),
            event_type: "Said".to_owned(),
            event_version: "1".to_owned(),
            payload: serde_json::Value::Null,
        };
        let (aggregate_type, aggregate_id) = ("talk".to_owned(), "7".to_owned());
        StreamAppend { aggregate_type, aggregate_id, expected, events: vec![event] }
    }

    fn append(tenant: Uuid, expected: i64) -> Append {
        Append {
            tenant,
            actor: "system".to_owned(),
            command_id: None,
            correlation_id: Uuid::nil(),
            causation_id: None,
            metadata: serde_json::Value::Null,
            streams: vec![stream(expected)],
            claims: vec![],
            idempotency: None,
        }
    }

    #[test]
    fn a_stream_is_vouched_for_at_the_version_that_was_written_and_to_nobody_else() {
        let (ours, theirs) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let mut versions = Versions::default();
        assert!(versions.take(ours, &stream(0)), "it would be the first");
        assert!(!versions.take(ours, &stream(5)), "nobody knows where it stands");
        versions.remember(&append(ours, 4));
        assert!(versions.take(ours, &stream(5)));
        assert!(!versions.take(ours, &stream(5)), "it is on its way");
        for (tenant, expected) in [(ours, 0), (ours, 4), (ours, 6), (theirs, 5)] {
            versions.remember(&append(ours, 4));
            assert!(!versions.take(tenant, &stream(expected)));
        }
    }

    #[test]
    fn where_the_log_ends_is_known_of_two_batches_on_their_way() {
        let mut versions = Versions::default();
        assert_eq!(versions.send(3), None);
        assert_eq!(versions.send(2), None);
        versions.land(3, Some(13));
        assert_eq!(versions.send(4), Some(15), "behind the two that are on their way");
        versions.land(2, Some(15));
        versions.land(4, None);
        assert_eq!(versions.send(1), None, "some of the four were refused");
    }

    #[test]
    fn two_batches_that_come_back_in_another_order_leave_the_end_where_it_is() {
        let mut versions = Versions::default();
        versions.send(3);
        versions.send(2);
        versions.land(2, Some(15));
        versions.land(3, Some(13));
        assert_eq!(versions.send(1), Some(15));
    }

    #[test]
    fn whoever_writes_beside_others_vouches_ever_more_rarely_until_once_it_was_right() {
        let mut versions = Versions::default();
        let alone = |versions: &mut Versions| {
            (0..).find(|_| {
                let known = versions.send(1);
                versions.land(1, Some(7));
                known.is_some()
            })
        };
        assert_eq!(alone(&mut versions), Some(1), "the first tells where the log ends");
        for rarely in [1, 2, 4, 8, 16, 32, 64, 128, 128] {
            versions.doubt();
            assert_eq!(alone(&mut versions), Some(rarely));
        }
        versions.trust();
        versions.doubt();
        assert_eq!(alone(&mut versions), Some(1));
    }
}
