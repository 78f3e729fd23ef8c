//! Dead letters: events that a read model could not take in, and what waits behind them. A key is
//! tried once more when a new program begins to feed, or when a person asks for it; then its row is
//! folded from all of its events, as if nothing had been.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use event_store::lease::Leases;
use event_store::{Database, log, transaction};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::feed::{Feed, stream_key};
use crate::generation::{self, Generation};
use crate::model::Source;
use crate::stops::Stops;
use crate::working_set::{Changes, Columns, InTable, WorkingSet};
use crate::{Error, MODELS, Model, Recorded, as_of, live};

/// A key that stands still.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
pub struct Stopped {
    pub model: String,
    pub generation: i32,
    /// A row's key as JSON, or a stream whose event could not be decoded.
    pub key: String,
    /// The event that could not be taken in, and why.
    pub position: i64,
    pub reason: String,
    pub since: DateTime<Utc>,
    /// Events that wait, the first among them.
    pub waiting: i64,
}

/// All keys that stand still in live generations of this program; of one model, if one is told.
pub async fn list(pool: &PgPool, of: Option<&dyn Model>) -> Result<Vec<Stopped>, Error> {
    let mut stopped = vec![];
    for model in MODELS.iter().filter(|model| of.is_none_or(|of| of.name() == model.name())) {
        let Some(live) = generation::live(pool, *model).await? else { continue };
        let found: Vec<Stopped> = sqlx::query_as(
            "select distinct on (key) model, generation, key, position, reason,
                    recorded_at as since, count(*) over (partition by key) as waiting
               from dead_letters where model = $1 and generation = $2 order by key, position",
        )
        .bind(model.name())
        .bind(live.generation)
        .fetch_all(pool)
        .await?;
        stopped.extend(found);
    }
    Ok(stopped)
}

/// What readers of a generation should know of a key that stands still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stale {
    pub tenant: Uuid,
    /// What its row is known by, in the row and in what is told of it. None for a row that many
    /// streams make.
    pub id: Option<String>,
    pub since: DateTime<Utc>,
}

/// The keys that stand still in a generation. The pool must be one that sees every organisation.
pub async fn stale(pool: &PgPool, model: &dyn Model, generation: i32) -> Result<Vec<Stale>, Error> {
    let found: Vec<(String, Uuid, DateTime<Utc>)> = sqlx::query_as(
        "select distinct on (d.key) d.key, e.tenant_id, e.recorded_at
           from dead_letters d join events e on e.position = d.position
          where d.model = $1 and d.generation = $2 order by d.key, d.position",
    )
    .bind(model.name())
    .bind(generation)
    .fetch_all(pool)
    .await?;
    let stale = |(key, tenant, since): (String, _, _)| Stale { tenant, id: id(model, &key), since };
    Ok(found.into_iter().map(stale).collect())
}

/// The stream that a row belongs to alone.
fn id(model: &dyn Model, key: &str) -> Option<String> {
    let Source::Stream(_) = model.source() else { return None };
    let Ok(row) = serde_json::from_str::<serde_json::Value>(key) else {
        return key.split_once('/').map(|(_, id)| id.to_owned());
    };
    let column = model.key().get(1)?;
    row.get(column.name)?.as_str().map(str::to_owned)
}

/// The positions of the events that wait for a key.
pub async fn waiting(pool: &PgPool, stopped: &Stopped) -> Result<Vec<i64>, Error> {
    let positions = sqlx::query_scalar(
        "select position from dead_letters where model = $1 and generation = $2 and key = $3
          order by position",
    )
    .bind(&stopped.model)
    .bind(stopped.generation)
    .bind(&stopped.key)
    .fetch_all(pool)
    .await?;
    Ok(positions)
}

/// Asks whoever feeds to try a key once more; where nobody feeds, it is tried here. Whether it was.
pub async fn retry(database: &Database, stopped: &Stopped) -> Result<bool, Error> {
    sqlx::query(
        "update dead_letters set asked_at = clock_timestamp()
          where model = $1 and generation = $2 and key = $3",
    )
    .bind(&stopped.model)
    .bind(stopped.generation)
    .bind(&stopped.key)
    .execute(&database.owner)
    .await?;
    let leases = Leases::of(database);
    let Some(lease) = leases.try_take(live::LEASE).await? else { return Ok(false) };
    let model = crate::model(&stopped.model).ok_or(Error::Building("of that name"))?;
    let live = generation::live(&database.owner, model).await?;
    let live = live.ok_or(Error::Building(model.name()))?;
    let live = generation::take_over(&database.projector, model, &live, lease.fence()).await?;
    let mut feed = Feed::open(&database.projector, model, live).await?;
    asked(database, &mut feed, lease.fence()).await?;
    leases.release(&[lease]).await?;
    Ok(true)
}

/// Whether a key has been tried since it was asked for.
pub async fn is_tried(pool: &PgPool, stopped: &Stopped) -> Result<bool, Error> {
    let waits: bool = sqlx::query_scalar(
        "select exists (select from dead_letters where model = $1 and generation = $2
            and key = $3 and asked_at is not null)",
    )
    .bind(&stopped.model)
    .bind(stopped.generation)
    .bind(&stopped.key)
    .fetch_one(pool)
    .await?;
    Ok(!waits)
}

/// Tries the keys of a generation that somebody asked for.
pub(crate) async fn asked(database: &Database, feed: &mut Feed, fence: i64) -> Result<(), Error> {
    let keys: Vec<String> = sqlx::query_scalar(
        "select distinct key from dead_letters
          where model = $1 and generation = $2 and asked_at is not null",
    )
    .bind(feed.model.name())
    .bind(feed.generation.generation)
    .fetch_all(&database.projector)
    .await?;
    for key in keys {
        attempt(database, feed, fence, &key).await?;
    }
    Ok(())
}

/// Tries a key once more. It goes on where its row can be folded and written, else it is told why
/// not.
pub(crate) async fn attempt(
    database: &Database,
    feed: &mut Feed,
    fence: i64,
    key: &str,
) -> Result<(), Error> {
    let model = feed.model.name();
    match revive(database, feed, fence, key).await? {
        Ok(()) => tracing::info!(model, key, "What stood still goes on"),
        Err(reason) => {
            tracing::warn!(model, key, reason, "What stands still could not go on");
            let Generation { generation, .. } = feed.generation;
            sqlx::query(
                "update dead_letters d set asked_at = null, reason = case d.position
                    when (select min(position) from dead_letters
                           where model = $1 and generation = $2 and key = $3)
                    then left($4, 500) else d.reason end
                  where model = $1 and generation = $2 and key = $3",
            )
            .bind(model)
            .bind(generation)
            .bind(key)
            .bind(reason)
            .execute(&database.projector)
            .await?;
        }
    }
    Ok(())
}

/// Folds the rows behind a stopped key up to the checkpoint and writes them, if nothing stands in
/// the way any more; or says what does.
async fn revive(
    database: &Database,
    feed: &mut Feed,
    fence: i64,
    key: &str,
) -> Result<Result<(), String>, Error> {
    let pool = &database.projector;
    let Generation { generation, position, .. } = feed.generation;
    let mut stops = Stops::load(pool, feed.model, Some(generation)).await?;
    let Some(since) = stops.release(key) else { return Ok(Ok(())) };
    let (keys, alone) = match key.starts_with('{') {
        true => (BTreeSet::from([key.to_owned()]), feed.model.working_set()),
        false => match rows_of(pool, feed.model, key, (since, position), &stops).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        },
    };
    // One event, one row: it is folded already, and there may be very many.
    let folded = feed.model.source() == Source::Position && !key.starts_with('{');
    let none = || Columns::new(feed.model.columns());
    let (mut upserts, mut deletes) = (none(), vec![]);
    for key in keys.into_iter().filter(|key| !stops.holds(key, position)) {
        let row = match folded {
            true => Ok(alone.row(&key)),
            false => as_of::refold(pool, feed.model, &key, position, &stops).await?.row,
        };
        match row {
            Err(fault) => return Ok(Err(format!("{} ({})", fault.reason, fault.key))),
            Ok(Some(row)) => upserts.add(&row),
            Ok(None) => deletes.push(key),
        }
    }
    let (deleted, deletes) = (deletes.len(), format!("[{}]", deletes.join(",")));
    let changes = Changes { inserts: none(), upserts, deletes, deleted };
    let mut tx = transaction::begin(pool).await?;
    generation::hold(&mut tx, feed.model, &feed.generation, fence).await?;
    if let Err(error) = generation::put(&mut tx, feed.model, generation, &changes).await {
        return error.refusal().map(Err).ok_or(error);
    }
    sqlx::query("delete from dead_letters where model = $1 and generation = $2 and key = $3")
        .bind(feed.model.name())
        .bind(generation)
        .bind(key)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    feed.release(stops);
    Ok(Ok(()))
}

/// The rows that a stopped stream's waiting events touch, if all of them can be decoded now; and
/// what these events alone make of them.
async fn rows_of(
    pool: &PgPool,
    model: &dyn Model,
    stream: &str,
    (since, until): (i64, i64),
    stops: &Stops,
) -> Result<Result<(BTreeSet<String>, Box<dyn WorkingSet>), String>, Error> {
    let Some((kind, id)) = stream.split_once('/') else {
        return Ok(Err("its name is too long to find it again; rebuild the read model".into()));
    };
    let mut set = model.working_set();
    let mut keys = BTreeSet::new();
    for stored in log::stream(pool, kind, id, 0, until).await? {
        let position = stored.position;
        if position < since || stops.leaves_out(&stream_key(&stored), position) {
            continue;
        }
        match Recorded::decode(stored) {
            Ok(event) => {
                set.want(&[&event], &InTable::Any);
                if let Some(fault) = set.fold(&event, stops).into_iter().next() {
                    return Ok(Err(format!("{} ({})", fault.reason, fault.key)));
                }
                keys.extend(set.keys(&event));
            }
            Err(undecodable) => return Ok(Err(format!("{undecodable} (position {position})"))),
        }
    }
    Ok(Ok((keys, set)))
}
