//! Puts a part of one stream into the log, but for what an earlier import put there.

use domain::Event;
use event_store::{Append, Error, NewEvent, Refusal, Store, StreamAppend, log};
use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::source::{Part, SourceEvent};
use crate::failure::Failure;

const ACTOR: &str = "import:postgres-es";
/// Most events and bytes in one append, and appends of one stream on their way at once.
const EVENTS: usize = 500;
const BYTES: usize = 2 << 20;
const WINDOW: usize = 64;
/// How often an append may lose a race before the stream counts as taken by somebody else.
const ATTEMPTS: usize = 3;

/// What became of a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done { imported: u64, present: u64 },
    Refused(String),
}

/// An event as the log will hold it.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) event: NewEvent,
    pub(crate) metadata: Value,
    bytes: usize,
}

pub(super) async fn bring(store: &Store, tenant: Uuid, part: Part) -> Result<Outcome, Failure> {
    let Some(first) = part.events.first().cloned() else {
        return Ok(Outcome::Done { imported: 0, present: 0 });
    };
    let prepared: Result<Vec<Prepared>, String> = (first.sequence..)
        .zip(&part.events)
        .map(|(sequence, event)| prepare(event, sequence))
        .collect();
    let refused = |reason: String| {
        Ok(Outcome::Refused(format!("{}/{}: {reason}", first.aggregate_type, first.aggregate_id)))
    };
    let events = match prepared {
        Ok(events) if first.sequence == 1 || part.continues => events,
        Ok(_) => return refused("the source has no version 1".into()),
        Err(reason) => return refused(reason),
    };
    let mut lost = None;
    for _ in 0..ATTEMPTS {
        let present = match present(store, tenant, &first, &events).await? {
            Ok(present) => present,
            Err(reason) => return refused(reason),
        };
        let (_, missing) = events.split_at(present);
        match append(store, tenant, &first, present, missing).await {
            Ok(()) => {
                let (present, imported) = (present as u64, missing.len() as u64);
                return Ok(Outcome::Done { imported, present });
            }
            Err(Error::Refused(Refusal::Version { actual })) => lost = Some(actual),
            Err(Error::Refused(refusal)) => return refused(refusal.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    refused(format!("somebody else writes to it, up to version {}", lost.unwrap_or_default()))
}

/// The event with an id that a second import derives again. What today's code could not read would
/// stop read models for ever, so it stays outside.
pub(crate) fn prepare(event: &SourceEvent, sequence: i64) -> Result<Prepared, String> {
    if event.sequence != sequence {
        return Err(format!("the source has no version {sequence}"));
    }
    let not_json = |what: &str| format!("the {what} of version {sequence} is not JSON");
    let mut payload: Value =
        serde_json::from_str(&event.payload).map_err(|_| not_json("payload"))?;
    let mut metadata: Value =
        serde_json::from_str(&event.metadata).map_err(|_| not_json("metadata"))?;
    without_nul(&mut payload);
    without_nul(&mut metadata);
    let SourceEvent { aggregate_type, event_type, event_version, .. } = event;
    Event::decode(aggregate_type, event_type, event_version, &payload.to_string())
        .map_err(|error| format!("version {sequence}: {error}"))?;
    let strings = metadata.as_object().is_some_and(|object| object.values().all(Value::is_string));
    Ok(Prepared {
        event: NewEvent {
            event_id: event_id(event),
            event_type: event_type.clone(),
            event_version: event_version.clone(),
            payload,
        },
        metadata: if strings { metadata } else { Value::Object(Map::new()) },
        bytes: event.payload.len(),
    })
}

/// The same event, the same id, however often it is brought in.
fn event_id(event: &SourceEvent) -> Uuid {
    let mut hash = Sha256::new().chain_update(b"verbatim/import/postgres-es/1");
    for part in [&event.aggregate_type, &event.aggregate_id] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(event.sequence.to_be_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// PostgreSQL's text can't hold U+0000, which JSON can spell.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                *members = std::mem::take(members)
                    .into_iter()
                    .map(|(name, member)| (name.replace('\0', "\u{fffd}"), member))
                    .collect();
            }
            members.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}

/// How many of the events are in the log already; what stands in their place instead, if it is
/// something else.
async fn present(
    store: &Store,
    tenant: Uuid,
    first: &SourceEvent,
    events: &[Prepared],
) -> Result<Result<usize, String>, Failure> {
    let (kind, id, before) = (&first.aggregate_type, &first.aggregate_id, first.sequence - 1);
    let version = log::version(store.worker(), kind, id).await?;
    if version < before {
        return Ok(Err(format!("the log has it only up to version {version}")));
    }
    if version == before {
        return Ok(Ok(0));
    }
    let there = log::stream(store.worker(), kind, id, before, i64::MAX).await?;
    for (event, stored) in events.iter().zip(&there) {
        if stored.tenant_id != tenant {
            return Ok(Err("it belongs to another organisation".into()));
        }
        if !is_same(event, stored) {
            return Ok(Err(format!("the log has another version {}", stored.sequence)));
        }
    }
    Ok(Ok(there.len().min(events.len())))
}

fn is_same(event: &Prepared, stored: &event_store::Recorded) -> bool {
    let NewEvent { event_id, event_type, event_version, payload } = &event.event;
    let written = payload.to_string();
    stored.event_id == *event_id
        && stored.event_type == *event_type
        && stored.event_version == *event_version
        // What was encrypted on the way in can't be compared.
        && (stored.payload == written || written.contains(domain::personal::MARKER))
}

/// Appends in order; many travel in one batch.
async fn append(
    store: &Store,
    tenant: Uuid,
    first: &SourceEvent,
    present: usize,
    events: &[Prepared],
) -> Result<(), Error> {
    let mut expected = first.sequence - 1 + present as i64;
    let mut appends = vec![];
    for chunk in chunks(events) {
        appends.push(Append {
            tenant,
            actor: ACTOR.into(),
            command_id: None,
            correlation_id: chunk[0].event.event_id,
            causation_id: None,
            metadata: chunk[0].metadata.clone(),
            streams: vec![StreamAppend {
                aggregate_type: first.aggregate_type.clone(),
                aggregate_id: first.aggregate_id.clone(),
                expected,
                events: chunk.iter().map(|prepared| prepared.event.clone()).collect(),
            }],
            claims: vec![],
            idempotency: None,
        });
        expected += chunk.len() as i64;
    }
    let mut appends = appends.into_iter().peekable();
    while appends.peek().is_some() {
        try_join_all(appends.by_ref().take(WINDOW).map(|append| store.append(append))).await?;
    }
    Ok(())
}

/// Runs of events with the same metadata, for an append has but one; none too large.
fn chunks(events: &[Prepared]) -> Vec<&[Prepared]> {
    let (mut chunks, mut start, mut bytes) = (vec![], 0, 0);
    for (index, event) in events.iter().enumerate() {
        let full = index - start >= EVENTS || bytes + event.bytes > BYTES;
        if index > start && (full || event.metadata != events[start].metadata) {
            chunks.push(&events[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += event.bytes;
    }
    if start < events.len() {
        chunks.push(&events[start..]);
    }
    chunks
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(sequence: i64, payload: &str, metadata: &str) -> SourceEvent {
        SourceEvent {
            aggregate_type: "account".into(),
            aggregate_id: "A-1".into(),
            sequence,
            event_type: "Opened".into(),
            event_version: "1.0".into(),
            payload: payload.into(),
            metadata: metadata.into(),
        }
    }

    #[test]
    fn an_event_gets_the_same_id_each_time_and_its_neighbour_another() {
        let (one, two) = (source(1, "{}", "{}"), source(2, "{}", "{}"));
        assert_eq!(event_id(&one), event_id(&source(1, "[]", "{}")));
        assert_ne!(event_id(&one), event_id(&two));
        assert_eq!(event_id(&one).get_version_num(), 8);
    }

    #[test]
    fn only_metadata_that_is_an_object_of_strings_is_kept() {
        let kept = prepare(&source(1, "{}", r#"{"ip": "x"}"#), 1).unwrap().metadata;
        assert_eq!(kept, serde_json::json!({"ip": "x"}));
        let dropped = prepare(&source(1, "{}", r#"{"n": 1}"#), 1).unwrap().metadata;
        assert_eq!(dropped, serde_json::json!({}));
    }

    #[test]
    fn what_postgres_text_cannot_hold_is_replaced() {
        let prepared = prepare(&source(1, r#"{"a\u0000": ["b\u0000"]}"#, "{}"), 1).unwrap();
        assert_eq!(prepared.event.payload, serde_json::json!({"a\u{fffd}": ["b\u{fffd}"]}));
    }

    #[test]
    fn a_hole_in_the_source_is_named() {
        assert!(prepare(&source(3, "{}", "{}"), 2).unwrap_err().contains("version 2"));
    }

    #[test]
    fn an_append_holds_events_of_one_metadata_and_not_too_many() {
        let metadata = |n: usize| if n < 3 { r#"{"a": "1"}"# } else { "{}" };
        let events: Vec<Prepared> =
            (0..604).map(|n| prepare(&source(1, "{}", metadata(n)), 1).unwrap()).collect();
        let lengths: Vec<usize> = chunks(&events).iter().map(|chunk| chunk.len()).collect();
        assert_eq!(lengths, [3, 500, 101]);
    }
}
