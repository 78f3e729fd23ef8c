//! What a rebuild would do, before it is done.

use std::time::{Duration, Instant};

use event_store::{Database, log};
use serde::Serialize;

use crate::generation::{self, Generation};
use crate::rebuild::pages;
use crate::stops::Stops;
use crate::working_set::InTable;
use crate::{Error, Model};

/// Events that are folded on trial, to see how fast that goes.
const TRIED: i64 = 20_000;
/// Events that are counted, to see how many of all a read model reads.
const COUNTED: f64 = 100_000.0;
/// What tables and their indexes are written with where no trial tells: bytes a second.
const WRITTEN: f64 = 30e6;

#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub model: &'static str,
    pub version: i32,
    /// The version that answers now, if it is another or there is none.
    pub live_version: Option<i32>,
    /// Events in the log, and about how many of them the read model reads.
    pub head: i64,
    pub events: i64,
    /// Where an interrupted rebuild would be taken up.
    pub resumes_at: i64,
    /// Rows and bytes of the generation that answers, which is what to expect; none without one.
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    /// By a trial over the newest events.
    pub events_per_second: i64,
    pub seconds: f64,
}

/// Plans the rebuild of one read model.
pub async fn plan(database: &Database, model: &'static dyn Model) -> Result<Plan, Error> {
    let owner = &database.owner;
    let head = log::head(owner).await?;
    let building = generation::in_state(owner, model, "building").await?;
    let resumes_at = match &building {
        Some(building) => resumed(owner, model, building).await?,
        None => 0,
    };
    let before = generation::before(owner, model, 0).await?;
    let (rows, bytes) = match &before {
        Some(before) => {
            let table = model.table(before.generation);
            let bytes = sqlx::query_scalar("select pg_total_relation_size($1::regclass)")
                .bind(&table)
                .fetch_one(owner)
                .await?;
            (Some(generation::count(owner, model, before.generation).await?), Some(bytes))
        }
        None => (None, None),
    };
    let kinds = pages::kinds(std::iter::once(model));
    let events = match &kinds {
        None => head,
        Some(kinds) => estimate(owner, kinds, head).await?,
    };
    let events_per_second = attempt(database, model, kinds, head).await?;
    let reading = (head - resumes_at) as f64 / events_per_second.max(1) as f64;
    let writing = bytes.unwrap_or_default() as f64 / WRITTEN;
    Ok(Plan {
        model: model.name(),
        version: model.version(),
        live_version: before.map(|before| before.version),
        head,
        events,
        resumes_at,
        rows,
        bytes,
        events_per_second,
        seconds: reading + writing,
    })
}

async fn resumed(
    owner: &sqlx::PgPool,
    model: &dyn Model,
    building: &Generation,
) -> sqlx::Result<i64> {
    let written: Option<i64> = sqlx::query_scalar(
        "select position from rebuild_progress where model = $1 and generation = $2",
    )
    .bind(model.name())
    .bind(building.generation)
    .fetch_optional(owner)
    .await?;
    Ok(written.unwrap_or_default())
}

/// By a part of the log: to count all of them would take as long as to read them.
async fn estimate(owner: &sqlx::PgPool, kinds: &[&str], head: i64) -> Result<i64, Error> {
    let percent = (COUNTED * 100.0 / head.max(1) as f64).min(100.0);
    let query = format!(
        "select count(*), count(*) filter (where aggregate_type = any($1))
           from events tablesample system ({percent:.6})"
    );
    let (seen, wanted): (i64, i64) = sqlx::query_as(&query).bind(kinds).fetch_one(owner).await?;
    Ok((wanted as f64 / seen.max(1) as f64 * head as f64).round() as i64)
}

/// Reads, decodes and folds the newest events into nothing. Returns positions a second.
async fn attempt(
    database: &Database,
    model: &'static dyn Model,
    kinds: Option<Vec<&'static str>>,
    head: i64,
) -> Result<i64, Error> {
    let (began, from) = (Instant::now(), (head - TRIED).max(0));
    let mut rows = model.working_set();
    let page = pages::page(database.projector.clone(), kinds, (from, head)).await?;
    let known: Vec<_> =
        page.events.iter().flatten().filter(|event| model.source().covers(&event.stored)).collect();
    rows.want(&known, &InTable::Only(std::collections::HashSet::new()));
    for event in known {
        rows.fold(event, &Stops::default());
    }
    let elapsed = began.elapsed().max(Duration::from_millis(1));
    Ok(((head - from) as f64 / elapsed.as_secs_f64()) as i64)
}
