//! Who did what, when, and because of what: one row for each event.

use chrono::{DateTime, TimeDelta, Utc};
use event_store::log;
use event_store::tenant::within;
use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Audit;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub position: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub position: i64,
    pub event_id: Uuid,
    pub actor: String,
    /// Aggregate type and event type: `conversation.Assigned`.
    pub action: String,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub version: i64,
    pub command_id: Option<Uuid>,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub recorded_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("position", "bigint"),
        column("event_id", "uuid"),
        column("actor", "text"),
        column("action", "text"),
        column("aggregate_type", "text"),
        column("aggregate_id", "text"),
        column("version", "bigint"),
        column("command_id", "uuid"),
        column("correlation_id", "uuid"),
        column("causation_id", "uuid"),
        column("recorded_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, aggregate_id, position)",
        "(tenant_id, actor, position)",
        "(tenant_id, action, position)",
        "(tenant_id, correlation_id, position)",
    ];
}

impl ReadModel for Audit {
    const NAME: &'static str = "audit";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Position;
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        vec![Key { tenant_id: event.stored.tenant_id, position: event.stored.position }]
    }

    fn fold(key: &Key, _: Option<Row>, event: &Recorded) -> Option<Row> {
        let stored = &event.stored;
        Some(Row {
            tenant_id: key.tenant_id,
            position: key.position,
            event_id: stored.event_id,
            actor: stored.actor.clone(),
            action: event.action(),
            aggregate_type: stored.aggregate_type.clone(),
            aggregate_id: stored.aggregate_id.clone(),
            version: stored.sequence,
            command_id: stored.command_id,
            correlation_id: stored.correlation_id,
            causation_id: stored.causation_id,
            recorded_at: stored.recorded_at,
        })
    }
}

/// What an auditor looks for; all of it must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub actor: Option<String>,
    pub action: Option<String>,
    pub aggregate_type: Option<String>,
    pub aggregate_id: Option<String>,
    pub correlation: Option<Uuid>,
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
}

/// Events before position `before`, newest first.
pub async fn page(
    finder: &Finder<Audit>,
    filter: Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let after = last_before(finder.pool(), filter.from).await?;
    let until = last_before(finder.pool(), filter.to).await?;
    let mut find = finder.select("r.*");
    find.when("actor = {}", filter.actor)
        .when("action = {}", filter.action)
        .when("aggregate_type = {}", filter.aggregate_type)
        .when("aggregate_id = {}", filter.aggregate_id)
        .when("correlation_id = {}", filter.correlation)
        .when("position > {}", after)
        .when("position <= {}", until)
        .when("position < {}", before);
    find.fetch("position desc", limit).await
}

/// The last position recorded before a time. A span of time is one of positions too, and in their
/// order the indexes serve it.
pub(crate) async fn last_before(
    db: impl PgExecutor<'_>,
    time: Option<DateTime<Utc>>,
) -> Result<Option<i64>, Error> {
    let Some(time) = time else { return Ok(None) };
    let before = time.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(time);
    Ok(Some(log::position_at(db, before).await?))
}

/// What the log holds at these positions of the organisation.
pub async fn recorded(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    positions: &[i64],
) -> Result<Vec<log::Recorded>, Error> {
    let columns = log::COLUMNS;
    let query = within(&format!(
        "select {columns} from events where tenant_id = t.id and position = any($2)"
    ));
    let query = format!("{query} order by position desc");
    Ok(sqlx::query_as(&query).bind(tenant).bind(positions).fetch_all(db).await?)
}
