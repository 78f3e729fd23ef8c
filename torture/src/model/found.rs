//! What the tables hold: of one append whose answer was lost, and of a whole world.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_store::{Appended, Error, IdempotencyRecord, Recorded, Store, StreamAppend, log};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::draw::stranger;
use super::ground::{Ground, insist};
use super::mirror::{Claims, Event, Events, Holds, Record};
use super::personal::KeyName;
use super::work::{Came, THING, Work};
use crate::Outcome;

/// What became of an append that got no answer. None that did is on its way any more, but through a
/// store that closes.
pub(crate) async fn look_up(ground: &Ground<'_>, work: &Work) -> Outcome<Came> {
    ground.stores.are_at_rest().await;
    let looked = async || look(&mut *ground.own.acquire().await?, work).await;
    insist(looked).await
}

/// All of it or nothing.
async fn look(database: &mut PgConnection, work: &Work) -> sqlx::Result<Came> {
    // Behind everything that the database has heard; nobody has to wait meanwhile.
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *database).await?;
    let mut events = vec![];
    for stream in &work.append.streams {
        events.extend(those_of(&mut *database, stream).await?);
    }
    let (mut record, mut is_kept) = (None, true);
    if let Some(asked) = &work.append.idempotency {
        record = kept(&mut *database, asked).await?;
        is_kept = record.is_some();
    }
    let expected = usize::try_from(work.events()).unwrap_or(usize::MAX);
    let at = match (&events[..], record) {
        ([], None) => return Ok(Came::Nothing),
        ([], Some((last, recorded_at))) => Appended { first: last + 1, last, recorded_at },
        ([(first, recorded_at), ..], _) => {
            let last = first + work.events() - 1;
            Appended { first: *first, last, recorded_at: *recorded_at }
        }
    };
    let is_whole = events.len() == expected
        && is_kept
        && events.iter().zip(at.first..).all(|((position, _), expected)| *position == expected);
    Ok(if is_whole { Came::Found(at) } else { Came::Odd(format!("half of it: {events:?}")) })
}

/// Positions and times of these very events, as far as they are there.
async fn those_of(
    database: &mut PgConnection,
    stream: &StreamAppend,
) -> sqlx::Result<Vec<(i64, DateTime<Utc>)>> {
    let ids: Vec<Uuid> = stream.events.iter().map(|event| event.event_id).collect();
    sqlx::query_as(
        "select position, recorded_at from events
          where aggregate_type = $1 and aggregate_id = $2 and sequence > $3 and event_id = any($4)
          order by sequence",
    )
    .bind(THING)
    .bind(&stream.aggregate_id)
    .bind(stream.expected)
    .bind(&ids)
    .fetch_all(database)
    .await
}

/// Position and time of this very record.
async fn kept(
    database: &mut PgConnection,
    asked: &IdempotencyRecord,
) -> sqlx::Result<Option<(i64, DateTime<Utc>)>> {
    sqlx::query_as(
        "select position, recorded_at from idempotency_keys
          where tenant_id = $1 and key = $2 and fingerprint = $3",
    )
    .bind(asked.tenant)
    .bind(&asked.key)
    .bind(&asked.fingerprint)
    .fetch_optional(database)
    .await
}

/// Everything that is there of a world, read past the stores but for what only they can open.
pub(crate) async fn all_of(
    database: &mut PgConnection,
    store: &Store,
    (world, tenant): (u64, Uuid),
) -> Result<Holds, Error> {
    let events = sqlx::query_as(&format!(
        "select {} from events where tenant_id in ($1, $2) order by position",
        log::COLUMNS
    ))
    .bind(tenant)
    .bind(stranger(tenant))
    .fetch_all(&mut *database)
    .await?;
    let claims: Vec<(Uuid, String, Vec<u8>, String)> = sqlx::query_as(
        "select tenant_id, scope, value, aggregate_id from claims
          where tenant_id in ($1, $2)
             or tenant_id = $3 and scope in ('mail', 'name') and value between $4 and $5",
    )
    .bind(tenant)
    .bind(stranger(tenant))
    .bind(Uuid::nil())
    .bind(world.to_be_bytes().as_slice())
    .bind([world.to_be_bytes().as_slice(), &[0xff; 8]].concat())
    .fetch_all(&mut *database)
    .await?;
    let claims: Claims = claims
        .into_iter()
        .map(|(tenant, scope, value, owner)| ((tenant, scope, value), owner))
        .collect();
    let keys: Vec<(Uuid, i16, bool)> = sqlx::query_as(
        "select subject, class, wrapped is not null from personal_keys
          where tenant_id in ($1, $2)",
    )
    .bind(tenant)
    .bind(stranger(tenant))
    .fetch_all(&mut *database)
    .await?;
    let keys = keys.into_iter().map(|(subject, class, is_there)| ((subject, class), is_there));
    let keys: BTreeMap<KeyName, bool> = keys.collect();
    let records = records_of(database, store, tenant).await?;
    Ok(Holds { events: opened(store, events).await?, records, claims, keys })
}

async fn records_of(
    database: &mut PgConnection,
    store: &Store,
    tenant: Uuid,
) -> Result<BTreeMap<Vec<u8>, Record>, Error> {
    let kept: Vec<(Vec<u8>, DateTime<Utc>)> =
        sqlx::query_as("select key, recorded_at from idempotency_keys where tenant_id = $1")
            .bind(tenant)
            .fetch_all(database)
            .await?;
    let mut records = BTreeMap::new();
    for (key, at) in kept {
        if let Some(kept) = store.outcome(tenant, &key).await? {
            let (fingerprint, position, status) = (kept.fingerprint, kept.position, kept.status);
            let record = Record { fingerprint, position, status, answer: kept.response, at };
            records.insert(key, record);
        }
    }
    Ok(records)
}

/// Events as they were before they were encrypted.
pub(crate) async fn opened(store: &Store, rows: Vec<Recorded>) -> Result<Events, Error> {
    let mut events = Events::new();
    for row in rows {
        let mut payload = read(&row.payload)?;
        let mut metadata = read(&row.metadata)?;
        let codec = store.codec();
        codec.open(row.tenant_id, row.event_id, &mut payload).await?;
        let sealed_as = row.command_id.unwrap_or_default();
        codec.open(row.tenant_id, sealed_as, &mut metadata).await?;
        let event = Event {
            id: row.event_id,
            stream: row.aggregate_id,
            sequence: row.sequence,
            name: row.event_type,
            payload,
            metadata,
            actor: row.actor,
            command: row.command_id,
            correlation: row.correlation_id,
            causation: row.causation_id,
            at: row.recorded_at,
        };
        events.insert(row.position, Arc::new(event));
    }
    Ok(events)
}

fn read(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|_| Error::BadToken)
}
