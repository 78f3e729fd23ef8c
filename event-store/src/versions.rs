//! The streams that this process wrote last, and where the log ended then. As long as it still ends
//! there nobody else has written, and the database need not look these streams up.

use std::collections::HashMap;

use uuid::Uuid;

use crate::batch::{Append, StreamAppend};

/// Streams that are remembered before all are forgotten.
const REMEMBERED: usize = 100_000;
/// After another process wrote, so many batches are not vouched for: it will go on writing.
const WARY: u32 = 100;

#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// Where the log ends once all that is on its way has been written; `None`: unknown.
    end: Option<i64>,
    /// Events on their way.
    sent: i64,
    /// Batches that go out before one is vouched for again.
    wary: u32,
    streams: HashMap<(String, String), (Uuid, i64)>,
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
        match self.streams.remove(&name(stream)) {
            Some(known) => known == (tenant, stream.expected),
            None => stream.expected == 0,
        }
    }

    /// They have come back. `last` is the position of the last, if all were written.
    pub(crate) fn land(&mut self, events: i64, last: Option<i64>) {
        self.sent -= events;
        self.end = last.map(|last| last + self.sent);
    }

    /// An append was written.
    pub(crate) fn remember(&mut self, append: &Append) {
        if self.streams.len() > REMEMBERED {
            self.streams.clear();
        }
        for stream in append.streams.iter().filter(|stream| !stream.events.is_empty()) {
            let version = stream.expected + stream.events.len() as i64;
            self.streams.insert(name(stream), (append.tenant, version));
        }
    }

    /// Somebody else has written.
    pub(crate) fn doubt(&mut self) {
        self.wary = WARY;
        self.forget();
    }

    pub(crate) fn forget(&mut self) {
        self.end = None;
        self.streams.clear();
    }
}

fn name(stream: &StreamAppend) -> (String, String) {
    (stream.aggregate_type.clone(), stream.aggregate_id.clone())
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
    fn after_somebody_else_wrote_nothing_is_vouched_for_a_while() {
        let mut versions = Versions::default();
        versions.doubt();
        for _ in 0..WARY {
            assert_eq!(versions.send(1), None);
            versions.land(1, Some(7));
        }
        assert_eq!(versions.send(1), Some(7));
    }
}
