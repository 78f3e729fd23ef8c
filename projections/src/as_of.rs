//! A row as it was at any position of the log, folded from its own events without any table.

use chrono::{DateTime, Utc};
use event_store::log;
use sqlx::PgPool;
use uuid::Uuid;

use crate::feed::{decode, stream_key};
use crate::model::{BUCKET, Source};
use crate::stops::Stops;
use crate::working_set::{Fault, InTable};
use crate::{Error, Model, Recorded};

/// Why a key can't be looked up.
#[derive(Debug, thiserror::Error)]
pub enum AsOfError {
    #[error("a key of {model} is a JSON object with {columns}")]
    BadKey { model: &'static str, columns: String },
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The row's JSON as of `until`, and the events that made it. The key is a JSON object.
pub async fn row(
    pool: &PgPool,
    model: &dyn Model,
    key: &serde_json::Value,
    until: i64,
) -> Result<(Option<String>, Vec<Recorded>), AsOfError> {
    let events = source(pool, model, key, until).await?;
    let mut rows = model.working_set();
    let mut stops = Stops::load(pool, model, None).await?;
    let key = canonical_key(model, key);
    let mut made_by = rows.touching(&key, readable(events, &mut stops));
    made_by.retain(|event| !stops.leaves_out(&key, event.stored.position));
    rows.want(&made_by.iter().collect::<Vec<_>>(), &InTable::Any);
    for event in &made_by {
        // What stops the live row stops it here as well.
        for fault in rows.fold(event, &stops) {
            stops.stop(fault.key, event.stored.position);
        }
    }
    Ok((rows.row(&key), made_by))
}

/// The events of streams that don't stand still. One that can't be decoded stops its own.
fn readable(events: Vec<log::Recorded>, stops: &mut Stops) -> Vec<Recorded> {
    let mut readable = Vec::with_capacity(events.len());
    for stored in events {
        let position = stored.position;
        if !stops.is_empty() {
            let stream = stream_key(&stored);
            if stops.leaves_out(&stream, position) || stops.holds(&stream, position) {
                continue;
            }
        }
        match decode(stored) {
            Ok(event) => readable.push(event),
            Err(undecodable) => stops.stop(stream_key(&undecodable.0), position),
        }
    }
    readable
}

/// The row that its events make when none of them is held back but what `stops` says; or the fault
/// that still stands in the way.
pub(crate) async fn refold(
    pool: &PgPool,
    model: &dyn Model,
    key: &str,
    until: i64,
    stops: &Stops,
) -> Result<Result<Option<String>, Fault>, Error> {
    let told: serde_json::Value = serde_json::from_str(key).unwrap_or_default();
    let events = source(pool, model, &told, until).await.map_err(|error| match error {
        AsOfError::Failed(error) => error,
        bad @ AsOfError::BadKey { .. } => {
            Error::Row { model: model.name(), reason: bad.to_string() }
        }
    })?;
    let mut rows = model.working_set();
    let events = rows.touching(key, readable(events, &mut stops.clone()));
    rows.want(&events.iter().collect::<Vec<_>>(), &InTable::Any);
    for event in &events {
        let faults = rows.fold(event, stops);
        if let Some(fault) = faults.into_iter().find(|fault| fault.key == key) {
            return Ok(Err(fault));
        }
    }
    Ok(Ok(rows.row(key)))
}

/// The key with its columns in the declared order, as working sets write it.
fn canonical_key(model: &dyn Model, key: &serde_json::Value) -> String {
    let member = |column: &crate::model::Column| {
        let value = key.get(column.name).unwrap_or(&serde_json::Value::Null);
        format!("\"{}\":{value}", column.name)
    };
    let members: Vec<String> = model.key().iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// All events that may have touched the row: its source covers its keys.
async fn source(
    pool: &PgPool,
    model: &dyn Model,
    key: &serde_json::Value,
    until: i64,
) -> Result<Vec<log::Recorded>, AsOfError> {
    let bad = || AsOfError::BadKey {
        model: model.name(),
        columns: crate::generation::names(model.key()),
    };
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    let tenant: Uuid = text("tenant_id").and_then(|id| id.parse().ok()).ok_or_else(bad)?;
    let second = model.key().get(1).map_or("", |column| column.name);
    let (from, to) = match model.source() {
        Source::Stream(kind) => {
            let id = text(second).ok_or_else(bad)?;
            let events = log::stream(pool, kind, id, 0, until).await.map_err(Error::from)?;
            return Ok(events.into_iter().filter(|event| event.tenant_id == tenant).collect());
        }
        Source::Position => {
            let position = key.get(second).and_then(serde_json::Value::as_i64).ok_or_else(bad)?;
            (position, position)
        }
        Source::Bucket => {
            let start: DateTime<Utc> =
                text(second).and_then(|time| time.parse().ok()).ok_or_else(bad)?;
            let at = |time| log::position_at(pool, time);
            let instant = chrono::TimeDelta::microseconds(1);
            let before = at(start - instant).await.map_err(Error::from)?;
            (before + 1, at(start + BUCKET - instant).await.map_err(Error::from)?)
        }
    };
    let query = format!(
        "select {} from events where tenant_id = $1 and position between $2 and $3
          order by position",
        log::COLUMNS
    );
    let events = sqlx::query_as(&query)
        .bind(tenant)
        .bind(from)
        .bind(to.min(until))
        .fetch_all(pool)
        .await
        .map_err(Error::from)?;
    Ok(events)
}
