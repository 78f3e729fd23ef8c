//! Reading the log: pages in position order, and single streams.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgExecutor, Row};
use uuid::Uuid;

use crate::tenant::within;

/// An event as it stands in the log, personal values encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    /// The stored JSON, byte for byte.
    pub payload: String,
    pub metadata: String,
    pub position: i64,
    pub tenant_id: Uuid,
    pub event_id: Uuid,
    pub actor: String,
    pub command_id: Option<Uuid>,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    pub recorded_at: DateTime<Utc>,
}

/// The columns of [`Recorded`] in their order, for those who write a query of their own.
pub const COLUMNS: &str = "aggregate_type, aggregate_id, sequence, event_type, event_version, \
     payload::text as payload, metadata::text as metadata, position, tenant_id, event_id, actor, \
     command_id, correlation_id, causation_id, recorded_at";

/// By the order of [`COLUMNS`]: to look each up by its name takes as long as to read it.
impl FromRow<'_, PgRow> for Recorded {
    fn from_row(row: &PgRow) -> sqlx::Result<Recorded> {
        Ok(Recorded {
            aggregate_type: row.try_get(0)?,
            aggregate_id: row.try_get(1)?,
            sequence: row.try_get(2)?,
            event_type: row.try_get(3)?,
            event_version: row.try_get(4)?,
            payload: row.try_get(5)?,
            metadata: row.try_get(6)?,
            position: row.try_get(7)?,
            tenant_id: row.try_get(8)?,
            event_id: row.try_get(9)?,
            actor: row.try_get(10)?,
            command_id: row.try_get(11)?,
            correlation_id: row.try_get(12)?,
            causation_id: row.try_get(13)?,
            recorded_at: row.try_get(14)?,
        })
    }
}

/// Up to `limit` events after `position`, not beyond `until`.
pub async fn page(
    db: impl PgExecutor<'_>,
    after: i64,
    until: i64,
    limit: i64,
) -> sqlx::Result<Vec<Recorded>> {
    sqlx::query_as(&format!(
        "select {COLUMNS} from events where position > $1 and position <= $2
          order by position limit $3"
    ))
    .bind(after)
    .bind(until)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// The events between two positions, the first not among them; of these aggregate types, where some
/// are told.
pub async fn span(
    db: impl PgExecutor<'_>,
    (after, until): (i64, i64),
    kinds: Option<&[&str]>,
) -> sqlx::Result<Vec<Recorded>> {
    sqlx::query_as(&format!(
        "select {COLUMNS} from events where position > $1 and position <= $2
            and ($3::text[] is null or aggregate_type = any($3))
          order by position"
    ))
    .bind(after)
    .bind(until)
    .bind(kinds)
    .fetch_all(db)
    .await
}

/// Events of one stream after a sequence number, recorded up to a position.
pub async fn stream(
    db: impl PgExecutor<'_>,
    aggregate_type: &str,
    aggregate_id: &str,
    after: i64,
    until: i64,
) -> sqlx::Result<Vec<Recorded>> {
    sqlx::query_as(&format!(
        "select {COLUMNS} from events
          where aggregate_type = $1 and aggregate_id = $2 and sequence > $3 and position <= $4
          order by sequence"
    ))
    .bind(aggregate_type)
    .bind(aggregate_id)
    .bind(after)
    .bind(until)
    .fetch_all(db)
    .await
}

/// The same of one organisation, for who sees no other.
pub async fn stream_of(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    aggregate_type: &str,
    aggregate_id: &str,
    after: i64,
) -> sqlx::Result<Vec<Recorded>> {
    let query = within(&format!(
        "select {COLUMNS} from events where tenant_id = t.id
            and aggregate_type = $2 and aggregate_id = $3 and sequence > $4"
    ));
    sqlx::query_as(&format!("{query} order by sequence"))
        .bind(tenant)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .bind(after)
        .fetch_all(db)
        .await
}

/// The version of a stream: its last sequence number, 0 where there is none.
pub async fn version(
    db: impl PgExecutor<'_>,
    aggregate_type: &str,
    aggregate_id: &str,
) -> sqlx::Result<i64> {
    let version: Option<i64> = sqlx::query_scalar(
        "select max(sequence) from events where aggregate_type = $1 and aggregate_id = $2",
    )
    .bind(aggregate_type)
    .bind(aggregate_id)
    .fetch_one(db)
    .await?;
    Ok(version.unwrap_or_default())
}

/// The same of one organisation, for who sees no other.
pub async fn version_of(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    aggregate_type: &str,
    aggregate_id: &str,
) -> sqlx::Result<i64> {
    let query = within(
        "select coalesce(max(sequence), 0) from events
          where tenant_id = t.id and aggregate_type = $2 and aggregate_id = $3",
    );
    sqlx::query_scalar(&query)
        .bind(tenant)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .fetch_one(db)
        .await
}

/// Whether a command has written to a stream of an organisation.
pub async fn is_written_by(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    aggregate_type: &str,
    aggregate_id: &str,
    command: Uuid,
) -> sqlx::Result<bool> {
    let query = within(
        "select exists (select from events where tenant_id = t.id
            and aggregate_type = $2 and aggregate_id = $3 and command_id = $4)",
    );
    sqlx::query_scalar(&query)
        .bind(tenant)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .bind(command)
        .fetch_one(db)
        .await
}

/// The last position, 0 in an empty log.
pub async fn head(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select log_head()").fetch_one(db).await
}

/// The last position recorded at or before a time.
pub async fn position_at(db: impl PgExecutor<'_>, time: DateTime<Utc>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select log_position_at($1)").bind(time).fetch_one(db).await
}

/// The epoch that positions belong to.
pub async fn epoch(db: impl PgExecutor<'_>) -> sqlx::Result<i32> {
    sqlx::query_scalar("select max(epoch) from epochs").fetch_one(db).await
}

/// The organisation that a stream belongs to, if there is one.
pub async fn tenant_of(
    db: impl PgExecutor<'_>,
    aggregate_type: &str,
    aggregate_id: &str,
) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar("select stream_tenant($1, $2)")
        .bind(aggregate_type)
        .bind(aggregate_id)
        .fetch_one(db)
        .await
}

/// The first event of an organisation's stream, if there is one.
pub async fn first_of(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    aggregate_type: &str,
    aggregate_id: &str,
) -> sqlx::Result<Option<Recorded>> {
    let query = within(&format!(
        "select {COLUMNS} from events where tenant_id = t.id
            and aggregate_type = $2 and aggregate_id = $3 and sequence = 1"
    ));
    sqlx::query_as(&query)
        .bind(tenant)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .fetch_optional(db)
        .await
}

/// The event at a position, if it is the organisation's.
pub async fn event_of(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    position: i64,
) -> sqlx::Result<Option<Recorded>> {
    let query =
        within(&format!("select {COLUMNS} from events where tenant_id = t.id and position = $2"));
    sqlx::query_as(&query).bind(tenant).bind(position).fetch_optional(db).await
}

/// The last of an organisation's stream before a sequence number that is of one of these types.
pub async fn last_before(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    (aggregate_type, aggregate_id): (&str, &str),
    sequence: i64,
    types: &[&str],
) -> sqlx::Result<Option<Recorded>> {
    let query = within(&format!(
        "select {COLUMNS} from events where tenant_id = t.id
            and aggregate_type = $2 and aggregate_id = $3 and sequence < $4
            and event_type = any($5)
          order by sequence desc limit 1"
    ));
    sqlx::query_as(&query)
        .bind(tenant)
        .bind(aggregate_type)
        .bind(aggregate_id)
        .bind(sequence)
        .bind(types)
        .fetch_optional(db)
        .await
}

/// The last event of these types in each of an organisation's streams of one kind: its stream's id
/// and its type. Reads all that the organisation has in the log.
pub async fn last_of_each(
    db: impl PgExecutor<'_>,
    tenant: Uuid,
    aggregate_type: &str,
    types: &[&str],
) -> sqlx::Result<Vec<(String, String)>> {
    let query = within(
        "select distinct on (aggregate_id) aggregate_id, event_type from events
          where tenant_id = t.id and aggregate_type = $2 and event_type = any($3)
          order by aggregate_id, sequence desc",
    );
    sqlx::query_as(&query).bind(tenant).bind(aggregate_type).bind(types).fetch_all(db).await
}
