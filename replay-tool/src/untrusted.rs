//! What strangers' bytes are read with, for whoever throws bytes at it: another program's events.

use domain::Event;
use domain::untrusted::Parser;
use serde_json::Value;

use crate::verbs::import::source::SourceEvent;
use crate::verbs::import::stream::prepare;

pub const PARSERS: &[Parser] = &[("import_lines", import_lines)];

/// Type, event, version and metadata in a line each, then the payload, as postgres-es keeps an
/// event. What is taken of it can be kept, and read by whoever reads the log.
pub fn import_lines(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(5, '\n').map(str::to_owned);
    let mut line = || lines.next().unwrap_or_default();
    let source = SourceEvent {
        aggregate_type: line(),
        event_type: line(),
        event_version: line(),
        metadata: line(),
        payload: line(),
        aggregate_id: "A-1".into(),
        sequence: 1,
    };
    let Ok(taken) = prepare(&source, 1) else { return };
    assert!(is_kept(&taken.event.payload) && is_kept(&taken.metadata), "{taken:?}");
    let strings = taken.metadata.as_object().map(|told| told.values().all(Value::is_string));
    assert_eq!(strings, Some(true), "{taken:?}");
    let payload = taken.event.payload.to_string();
    let read = |payload: &str| {
        let SourceEvent { aggregate_type, event_type, event_version, .. } = &source;
        Event::decode(aggregate_type, event_type, event_version, payload)
    };
    assert!(read(&payload).is_ok(), "{payload}");
    // An import that is repeated compares what is stored with what it would store.
    let again = prepare(&SourceEvent { payload: payload.clone(), ..source.clone() }, 1);
    assert_eq!(again.ok().map(|again| again.event.payload.to_string()), Some(payload));
}

/// Whether PostgreSQL's text can hold it.
fn is_kept(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => items.iter().all(is_kept),
        Value::Object(members) => {
            members.iter().all(|(name, member)| !name.contains('\0') && is_kept(member))
        }
        _ => true,
    }
}
