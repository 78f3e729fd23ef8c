//! A row as it was at any position of the log, folded from its own events without any table.

use chrono::{DateTime, Utc};
use event_store::log;
use futures_util::TryStreamExt;
use futures_util::stream::TryChunksError;
use sqlx::{PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::feed::{decode, stream_key};
use crate::model::{BUCKET, Source};
use crate::stops::Stops;
use crate::working_set::{Fault, WorkingSet};
use crate::{Error, Model, Recorded};

/// Events that are folded at once, while the database sends the next: few enough that they hold up
/// nobody else on this thread.
const PAGE: usize = 64;

/// Why a key can't be looked up.
#[derive(Debug, thiserror::Error)]
pub enum AsOfError {
    #[error("a key of {model} is a JSON object with {columns}")]
    BadKey { model: &'static str, columns: String },
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<sqlx::Error> for AsOfError {
    fn from(error: sqlx::Error) -> Self {
        AsOfError::Failed(error.into())
    }
}

/// A row as it was at a position.
pub struct AsOf {
    /// Its JSON; `None` where there was none, or none any more.
    pub row: Option<String>,
    /// How many events made it, and the last of them.
    pub events: usize,
    pub last: Option<log::Recorded>,
}

/// The row as of `until`. The key is a JSON object.
pub async fn row(
    pool: &PgPool,
    model: &dyn Model,
    key: &serde_json::Value,
    until: i64,
) -> Result<AsOf, AsOfError> {
    let stops = Stops::load(pool, model, None).await?;
    let past = Past::of(pool, model, key, (until, stops)).await?;
    Ok(AsOf { row: past.rows.row(&past.key), events: past.events, last: past.last })
}

/// The events that made a row as it was at `until`.
pub async fn made_by(
    pool: &PgPool,
    model: &dyn Model,
    key: &serde_json::Value,
    until: i64,
) -> Result<Vec<Recorded>, AsOfError> {
    let mut source = source(pool, model, key, until).await?;
    let mut stops = Stops::load(pool, model, None).await?;
    let (key, rows) = (canonical_key(model, key), model.working_set());
    let mut made_by = vec![];
    let mut pages = source.build_query_as().fetch(pool).try_chunks(PAGE);
    while let Some(page) = pages.try_next().await.map_err(|TryChunksError(_, error)| error)? {
        made_by.extend(touching(&key, page, &*rows, &mut stops));
    }
    Ok(made_by)
}

/// The row that its events make when none of them is held back but what `stops` says; or the fault
/// that still stands in the way.
pub(crate) async fn refold(
    pool: &PgPool,
    model: &dyn Model,
    key: &str,
    until: i64,
    stops: &Stops,
) -> Result<Refolded, Error> {
    let told: serde_json::Value = serde_json::from_str(key).unwrap_or_default();
    let past = Past::of(pool, model, &told, (until, stops.clone())).await;
    let past = past.map_err(|error| match error {
        AsOfError::Failed(error) => error,
        bad @ AsOfError::BadKey { .. } => {
            Error::Row { model: model.name(), reason: bad.to_string() }
        }
    })?;
    let row = past.rows.row(&past.key);
    Ok(Refolded { row: past.fault.map_or(Ok(row), Err), read: past.read })
}

/// What came of folding a row once more.
pub(crate) struct Refolded {
    pub(crate) row: Result<Option<String>, Fault>,
    /// Events that were read for it; of a bucket, all that its organisation did then.
    pub(crate) read: usize,
}

/// A row on its way through its events.
struct Past {
    key: String,
    rows: Box<dyn WorkingSet>,
    stops: Stops,
    /// What stops the row, and all that comes after it.
    fault: Option<Fault>,
    /// Events that were read, those among them that made the row, and the last of these.
    read: usize,
    events: usize,
    last: Option<log::Recorded>,
}

impl Past {
    /// Folds the row as far as `until`, and has no more events in memory than a page, however many
    /// there are.
    async fn of(
        pool: &PgPool,
        model: &dyn Model,
        key: &serde_json::Value,
        (until, stops): (i64, Stops),
    ) -> Result<Past, AsOfError> {
        let mut source = source(pool, model, key, until).await?;
        let (key, rows) = (canonical_key(model, key), model.working_set());
        let mut past = Past { key, rows, stops, fault: None, read: 0, events: 0, last: None };
        let mut pages = source.build_query_as().fetch(pool).try_chunks(PAGE);
        while let Some(page) = pages.try_next().await.map_err(|TryChunksError(_, error)| error)? {
            past.take(page);
        }
        Ok(past)
    }

    fn take(&mut self, page: Vec<log::Recorded>) {
        self.read += page.len();
        let mut events = touching(&self.key, page, &*self.rows, &mut self.stops);
        for event in &events {
            // What stops the live row stops it here as well.
            for fault in self.rows.fold(event, &self.stops) {
                self.stops.stop(fault.key.clone(), event.stored.position);
                if fault.key == self.key {
                    self.fault.get_or_insert(fault);
                }
            }
        }
        self.events += events.len();
        self.last = events.pop().map(|event| event.stored).or(self.last.take());
    }
}

/// Those of the events that touch a row, and are not left out of it.
fn touching(
    key: &str,
    events: Vec<log::Recorded>,
    rows: &dyn WorkingSet,
    stops: &mut Stops,
) -> Vec<Recorded> {
    let mut events = rows.touching(key, readable(events, stops));
    events.retain(|event| !stops.leaves_out(key, event.stored.position));
    events
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

/// The key with its columns in the declared order, as working sets write it.
fn canonical_key(model: &dyn Model, key: &serde_json::Value) -> String {
    let member = |column: &crate::model::Column| {
        let value = key.get(column.name).unwrap_or(&serde_json::Value::Null);
        format!("\"{}\":{value}", column.name)
    };
    let members: Vec<String> = model.key().iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// Asks for all events that may have touched the row: its source covers its keys.
async fn source(
    pool: &PgPool,
    model: &dyn Model,
    key: &serde_json::Value,
    until: i64,
) -> Result<QueryBuilder<'static, Postgres>, AsOfError> {
    let bad = || AsOfError::BadKey {
        model: model.name(),
        columns: crate::generation::names(model.key()),
    };
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    let tenant: Uuid = text("tenant_id").and_then(|id| id.parse().ok()).ok_or_else(bad)?;
    let second = model.key().get(1).map_or("", |column| column.name);
    let mut sql = QueryBuilder::new(format!("select {} from events where ", log::COLUMNS));
    let (from, to) = match model.source() {
        Source::Stream(kind) => {
            let id = text(second).ok_or_else(bad)?;
            sql.push("aggregate_type = ").push_bind(kind).push(" and aggregate_id = ");
            // Not by the index on its tenant, which would find all that is the tenant's.
            sql.push_bind(id.to_owned()).push(" and position <= ").push_bind(until);
            sql.push(" and (tenant_id = ").push_bind(tenant).push(") is true order by sequence");
            return Ok(sql);
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
            let before = at(start - instant).await?;
            (before + 1, at(start + BUCKET - instant).await?)
        }
    };
    sql.push("tenant_id = ").push_bind(tenant).push(" and position between ").push_bind(from);
    sql.push(" and ").push_bind(to.min(until)).push(" order by position");
    Ok(sql)
}
