//! Generations: the tables in which a read model's rows stand. One is live; a rebuild makes the
//! next beside it; the one before stays for a way back.

mod rows;
mod view;

use std::collections::HashMap;
use std::sync::LazyLock;

use event_store::lease::Leases;
use event_store::{Database, transaction};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{Error, MODELS, Model, live, rebuild};

pub(crate) use rows::{copy, load, put, write};
pub(crate) use view::{show, show_soon, try_show};

/// One generation of a read model that this program's code fits.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Generation {
    pub generation: i32,
    pub position: i64,
    pub state: String,
}

/// The live generation, as far as there is one for this program's version and shape.
pub async fn live(db: impl PgExecutor<'_>, model: &dyn Model) -> sqlx::Result<Option<Generation>> {
    in_state(db, model, "live").await
}

/// A live generation, and whether some of its rows stand still.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Live {
    model: String,
    #[sqlx(flatten)]
    pub generation: Generation,
    pub has_stale: bool,
}

/// The live generations of all models by name, as far as there are such for this program's versions
/// and shapes.
pub async fn all_live(db: impl PgExecutor<'_>) -> sqlx::Result<HashMap<String, Live>> {
    let (names, versions, shapes) = &*WANTED;
    let live: Vec<Live> = sqlx::query_as(
        "select distinct on (g.model) g.model, g.generation, g.position, g.state, exists (select
             from dead_letters d where d.model = g.model and d.generation = g.generation) as has_stale
           from unnest($1::text[], $2::int[], $3::text[]) m(model, version, shape)
           join generations g using (model, version, shape)
          where g.state = 'live' order by g.model, g.live_since desc, g.generation desc",
    )
    .bind(names)
    .bind(versions)
    .bind(shapes)
    .fetch_all(db)
    .await?;
    Ok(live.into_iter().map(|live| (live.model.clone(), live)).collect())
}

/// Names, versions and shapes of this program's models.
static WANTED: LazyLock<(Vec<&str>, Vec<i32>, Vec<String>)> = LazyLock::new(|| {
    let models = MODELS.iter();
    let names = models.clone().map(|model| model.name()).collect();
    let versions = models.clone().map(|model| model.version()).collect();
    (names, versions, models.map(|model| model.shape()).collect())
});

pub(crate) async fn in_state(
    db: impl PgExecutor<'_>,
    model: &dyn Model,
    state: &str,
) -> sqlx::Result<Option<Generation>> {
    sqlx::query_as(
        "select generation, position, state from generations
          where model = $1 and version = $2 and shape = $3 and state = $4
          order by live_since desc nulls last, generation desc limit 1",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(state)
    .fetch_optional(db)
    .await
}

/// Makes the table of a new generation and its record, in one transaction. Of two that make a live
/// one at once the second finds it made.
pub(crate) async fn create(
    owner: &PgPool,
    model: &dyn Model,
    state: &str,
) -> Result<Generation, Error> {
    let mut tx = transaction::begin(owner).await?;
    // One maker at a time, or two would take the same number.
    sqlx::query("select pg_advisory_xact_lock(7202, hashtext($1))")
        .bind(model.name())
        .execute(&mut *tx)
        .await?;
    if state == "live"
        && let Some(made) = stop_live(&mut tx, model).await?
    {
        return Ok(made);
    }
    let generation: i32 = sqlx::query_scalar(
        "insert into generations (model, generation, version, shape, state, live_since)
         select $1, coalesce(max(generation), 0) + 1, $2, $3, $4,
                case $4 when 'live' then now() end
           from generations where model = $1
         returning generation",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(state)
    .fetch_one(&mut *tx)
    .await?;
    let columns: Vec<String> =
        model.columns().iter().map(|c| format!("{} {}", quoted(c.name), c.sql_type)).collect();
    let table = model.table(generation);
    let (columns, key) = (columns.join(", "), names(model.key()));
    let made = match state {
        // Until it is full it has neither indexes nor a log of its own.
        "building" => format!("create unlogged table {table} ({columns})"),
        _ => format!("create table {table} ({columns}, primary key ({key}))"),
    };
    sqlx::query(&made).execute(&mut *tx).await?;
    let grants = [
        format!("select guard('{table}')"),
        format!("grant select, insert, update, delete on {table} to verbatim_projector"),
        format!("grant select on {table} to verbatim_app, verbatim_bi"),
    ];
    for grant in grants {
        sqlx::query(&grant).execute(&mut *tx).await?;
    }
    if state == "live" {
        index(&mut tx, model, generation).await?;
        show(&mut tx, model, generation, "200ms").await?;
    }
    tx.commit().await?;
    Ok(Generation { generation, position: 0, state: state.to_owned() })
}

/// Makes the secondary indexes.
async fn index(db: &mut PgConnection, model: &dyn Model, generation: i32) -> sqlx::Result<()> {
    for made in indexes(model, generation) {
        sqlx::query(&made).execute(&mut *db).await?;
    }
    Ok(())
}

/// Statements that make the secondary indexes that are not there yet.
pub(crate) fn indexes(model: &dyn Model, generation: i32) -> Vec<String> {
    let (name, table) = (model.name(), model.table(generation));
    let made = |(number, index): (usize, &&str)| {
        format!("create index if not exists {name}_g{generation}_{number} on {table} {index}")
    };
    (1..).zip(model.indexes()).map(made).collect()
}

/// Makes the key's index, where it is not there yet.
pub(crate) async fn index_key(
    owner: &PgPool,
    model: &dyn Model,
    generation: i32,
) -> sqlx::Result<()> {
    let (name, table, key) = (model.name(), model.table(generation), names(model.key()));
    let made =
        format!("create unique index if not exists {name}_g{generation}_pkey on {table} ({key})");
    let mut tx = transaction::begin(owner).await?;
    sqlx::query(SORT_MEMORY).execute(&mut *tx).await?;
    sqlx::query(&made).execute(&mut *tx).await?;
    let bound: bool = sqlx::query_scalar(
        "select exists (select from pg_constraint where conrelid = $1::regclass and contype = 'p')",
    )
    .bind(&table)
    .fetch_one(&mut *tx)
    .await?;
    if !bound {
        let bind =
            format!("alter table {table} add primary key using index {name}_g{generation}_pkey");
        sqlx::query(&bind).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// What one index may sort in memory while it is made.
pub(crate) const SORT_MEMORY: &str = "set local maintenance_work_mem = '256MB'";

/// The live generation of this version and shape, which stands still until the transaction ends.
pub(crate) async fn stop_live(
    db: &mut PgConnection,
    model: &dyn Model,
) -> sqlx::Result<Option<Generation>> {
    sqlx::query_as(
        "select generation, position, state from generations
          where model = $1 and version = $2 and shape = $3 and state = 'live' for update",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .fetch_optional(db)
    .await
}

/// Puts a generation that is its builder's in the place of the live one, which is kept for a way
/// back. It is the feeder's from then on.
pub(crate) async fn go_live(
    db: &mut PgConnection,
    model: &dyn Model,
    live: Option<Generation>,
    next: &Generation,
    fence: i64,
) -> Result<(), Error> {
    if let Some(live) = live {
        sqlx::query("update generations set state = 'old' where model = $1 and generation = $2")
            .bind(model.name())
            .bind(live.generation)
            .execute(&mut *db)
            .await?;
    }
    let went = sqlx::query(
        "update generations set state = 'live', position = $3, live_since = now(),
                fence = coalesce((select fence from leases where name = $6), 0)
          where model = $1 and generation = $2 and state = $4 and fence = $5",
    )
    .bind(model.name())
    .bind(next.generation)
    .bind(next.position)
    .bind(&next.state)
    .bind(fence)
    .bind(live::LEASE)
    .execute(&mut *db)
    .await?;
    if went.rows_affected() == 0 {
        return Err(Error::LostLease(model.name()));
    }
    sqlx::query("delete from rebuild_progress where model = $1 and generation = $2")
        .bind(model.name())
        .bind(next.generation)
        .execute(db)
        .await?;
    Ok(())
}

/// Makes the holder of a lease the one that may write a generation, unless that is in another state
/// now or a later holder's. Says where its checkpoint is.
pub(crate) async fn take_over(
    db: impl PgExecutor<'_>,
    model: &dyn Model,
    known: &Generation,
    fence: i64,
) -> Result<Generation, Error> {
    let position: Option<i64> = sqlx::query_scalar(
        "update generations set fence = $4
          where model = $1 and generation = $2 and state = $3 and fence <= $4
         returning position",
    )
    .bind(model.name())
    .bind(known.generation)
    .bind(&known.state)
    .bind(fence)
    .fetch_optional(db)
    .await?;
    let position = position.ok_or(Error::LostLease(model.name()))?;
    Ok(Generation { position, ..known.clone() })
}

/// Keeps a live generation where it is until the transaction ends, if it is still the feeder's.
pub(crate) async fn hold(
    db: &mut PgConnection,
    model: &dyn Model,
    live: &Generation,
    fence: i64,
) -> Result<(), Error> {
    let held: Option<i64> = sqlx::query_scalar(
        "select position from generations where model = $1 and generation = $2
            and position = $3 and fence = $4 and state = 'live' for update",
    )
    .bind(model.name())
    .bind(live.generation)
    .bind(live.position)
    .bind(fence)
    .fetch_optional(db)
    .await?;
    held.map(|_| ()).ok_or(Error::LostLease(model.name()))
}

/// The generation that the view for SQL users shows.
pub(crate) async fn shown(pool: &PgPool, model: &dyn Model) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar("select generation from generations where model = $1 and shown")
        .bind(model.name())
        .fetch_optional(pool)
        .await
}

/// A generation that answers or did, of whatever version.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Before {
    pub(crate) generation: i32,
    pub(crate) version: i32,
    pub(crate) shape: String,
}

/// What a new generation will take the place of: the live one of its own version, else of the
/// newest.
pub(crate) async fn before(
    owner: &PgPool,
    model: &dyn Model,
    generation: i32,
) -> sqlx::Result<Option<Before>> {
    sqlx::query_as(
        "select generation, version, shape from generations
          where model = $1 and state = 'live' and generation <> $4
          order by (version, shape) = ($2, $3) desc, version desc, live_since desc limit 1",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(generation)
    .fetch_optional(owner)
    .await
}

/// How many rows a generation has.
pub(crate) async fn count(owner: &PgPool, model: &dyn Model, generation: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar(&format!("select count(*) from {}", model.table(generation)))
        .fetch_one(owner)
        .await
}

/// Drops what a new live generation leaves without use: those that were replaced before the last
/// one, and builds older than it that nobody will finish.
pub(crate) async fn prune(owner: &PgPool, model: &dyn Model, live: i32) -> sqlx::Result<()> {
    let useless: Vec<(i32, String)> = sqlx::query_as(
        "select generation, state from generations
          where model = $1 and generation < $4
            and (state = 'building'
              or state = 'old' and version = $2 and shape = $3
                and live_since < (select max(live_since) from generations
                 where model = $1 and state = 'old' and version = $2 and shape = $3))",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(live)
    .fetch_all(owner)
    .await?;
    for (generation, state) in useless {
        remove(owner, model, generation, &state).await?;
    }
    Ok(())
}

/// A generation that was dropped.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Dropped {
    pub generation: i32,
    pub version: i32,
    pub state: String,
}

/// Drops the generations that were replaced, and builds that were interrupted; where it is asked
/// for, those of other releases too. `None` where somebody is building one.
pub async fn drop_replaced(
    database: &Database,
    model: &'static dyn Model,
    other_releases: bool,
) -> Result<Option<Vec<Dropped>>, Error> {
    let (owner, leases) = (&database.owner, Leases::of(database));
    let locked = rebuild::lock(&leases, &[model]).await?;
    let Some((_, lease)) = locked.free.into_iter().next() else { return Ok(None) };
    let useless: Vec<Dropped> = sqlx::query_as(
        "select generation, version, state from generations
          where model = $1 and (version, shape) = ($2, $3) and state <> 'live'
             or model = $1 and (version, shape) <> ($2, $3) and $4
          order by generation",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(other_releases)
    .fetch_all(owner)
    .await?;
    for dropped in &useless {
        remove(owner, model, dropped.generation, &dropped.state).await?;
    }
    leases.release(&[lease]).await?;
    Ok(Some(useless))
}

/// Removes a generation with all that is known of it, unless it is in another state now: somebody
/// may have finished it.
async fn remove(
    owner: &PgPool,
    model: &dyn Model,
    generation: i32,
    state: &str,
) -> sqlx::Result<()> {
    let mut tx = transaction::begin(owner).await?;
    let gone = "delete from generations where model = $1 and generation = $2 and state = $3";
    let gone = sqlx::query(gone).bind(model.name()).bind(generation).bind(state);
    if gone.execute(&mut *tx).await?.rows_affected() == 0 {
        return Ok(());
    }
    for record in ["rebuild_progress", "dead_letters"] {
        sqlx::query(&format!("delete from {record} where model = $1 and generation = $2"))
            .bind(model.name())
            .bind(generation)
            .execute(&mut *tx)
            .await?;
    }
    let dropped = format!("drop table if exists {} cascade", model.table(generation));
    sqlx::query(&dropped).execute(&mut *tx).await?;
    tx.commit().await
}

pub(crate) fn names(columns: &[crate::model::Column]) -> String {
    columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

/// Column names are ours, but some (`at`, `position`) are words of SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
