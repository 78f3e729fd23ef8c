//! How events, rows and tables look: lines for people, JSON lines for programs.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use comfy_table::{Table, presets};
use event_store::Recorded;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::failure::Failure;
use crate::moment::rfc3339;

/// An event with everything that the log holds, payload and metadata as they are stored.
#[derive(Serialize)]
struct Everything<'a> {
    position: i64,
    recorded_at: DateTime<Utc>,
    tenant_id: Uuid,
    event_id: Uuid,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    event_type: &'a str,
    event_version: &'a str,
    actor: &'a str,
    command_id: Option<Uuid>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    metadata: Box<RawValue>,
    payload: Box<RawValue>,
}

/// One line of JSON.
pub(crate) fn json_line(event: &Recorded) -> Result<String, Failure> {
    Ok(serde_json::to_string(&Everything {
        position: event.position,
        recorded_at: event.recorded_at,
        tenant_id: event.tenant_id,
        event_id: event.event_id,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        sequence: event.sequence,
        event_type: &event.event_type,
        event_version: &event.event_version,
        actor: &event.actor,
        command_id: event.command_id,
        correlation_id: event.correlation_id,
        causation_id: event.causation_id,
        metadata: stored(&event.metadata)?,
        payload: stored(&event.payload)?,
    })?)
}

/// Stored JSON, in one line: a line break in it can only stand between its parts.
fn stored(text: &str) -> Result<Box<RawValue>, Failure> {
    let line: Cow<str> = match text.contains(['\n', '\r']) {
        true => text.replace(['\n', '\r'], " ").into(),
        false => text.into(),
    };
    Ok(RawValue::from_string(line.into_owned())?)
}

/// One line for people: where, when, who, what.
pub(crate) fn line(event: &Recorded) -> String {
    let action = format!("{}.{}", event.aggregate_type, event.event_type);
    format!(
        "{:>8}  {}  {:<44}  {:<32}  {}/{}@{}",
        event.position,
        rfc3339(event.recorded_at),
        event.actor,
        action,
        event.aggregate_type,
        event.aggregate_id,
        event.sequence
    )
}

/// Writes events as lines; for people the payload only where it was opened.
pub(crate) fn write_events(
    out: &mut impl Write,
    events: &[Recorded],
    json: bool,
    payloads: bool,
) -> Result<(), Failure> {
    for event in events {
        if json {
            writeln!(out, "{}", json_line(event)?)?;
            continue;
        }
        writeln!(out, "{}", line(event))?;
        if payloads {
            writeln!(out, "          {}", stored(&event.payload)?)?;
        }
    }
    Ok(out.flush()?)
}

/// Answers a program: one document, one line.
pub(crate) fn say_json(answer: &impl Serialize) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{}", serde_json::to_string(answer)?)?)
}

pub(crate) fn say(text: impl std::fmt::Display) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

/// A table without lines: columns are enough.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

/// A JSON value as a person reads it in a cell.
pub(crate) fn cell(value: Option<&serde_json::Value>) -> String {
    match value {
        None | Some(serde_json::Value::Null) => "—".into(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A number that may be unknown.
pub(crate) fn known(number: Option<impl std::fmt::Display>) -> String {
    number.map_or_else(|| "—".into(), |number| number.to_string())
}

/// Something beside the answer, for people.
pub(crate) fn note(text: &str) {
    eprintln!("replay-tool: {text}");
}
