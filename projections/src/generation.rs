//! Generations: the tables in which a read model's rows stand. One is live; a rebuild makes the
//! next beside it; the one before stays for a way back.

use sqlx::{PgConnection, PgPool};

use crate::working_set::WorkingSet;
use crate::{Error, Model};

/// One generation of a read model that this program's code fits.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Generation {
    pub generation: i32,
    pub position: i64,
    pub state: String,
}

/// The live generation, as far as there is one for this program's version and shape.
pub async fn live(pool: &PgPool, model: &dyn Model) -> sqlx::Result<Option<Generation>> {
    in_state(pool, model, "live").await
}

pub(crate) async fn in_state(
    pool: &PgPool,
    model: &dyn Model,
    state: &str,
) -> sqlx::Result<Option<Generation>> {
    sqlx::query_as(
        "select generation, position, state from generations
          where model = $1 and version = $2 and shape = $3 and state = $4
          order by generation desc limit 1",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(state)
    .fetch_optional(pool)
    .await
}

/// Makes the table of a new generation and its record, in one transaction.
pub(crate) async fn create(
    owner: &PgPool,
    model: &dyn Model,
    state: &str,
) -> Result<Generation, Error> {
    let mut tx = owner.begin().await?;
    // One maker at a time, or two would take the same number.
    sqlx::query("select pg_advisory_xact_lock(7202, hashtext($1))")
        .bind(model.name())
        .execute(&mut *tx)
        .await?;
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
    let kind = if state == "building" { "unlogged table" } else { "table" };
    let table = model.table(generation);
    let made = format!(
        "create {kind} {table} ({}, primary key ({}))",
        columns.join(", "),
        names(model.key())
    );
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
        show(&mut tx, model, generation).await?;
    }
    tx.commit().await?;
    Ok(Generation { generation, position: 0, state: state.to_owned() })
}

/// Makes the secondary indexes that are not there yet.
pub(crate) async fn index(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
) -> sqlx::Result<()> {
    for (number, index) in (1..).zip(model.indexes()) {
        let name = format!("{}_g{generation}_{number}", model.name());
        let made =
            format!("create index if not exists {name} on {} {index}", model.table(generation));
        sqlx::query(&made).execute(&mut *db).await?;
    }
    Ok(())
}

/// Points the view that SQL users see at a generation. A reader that holds the old view must not
/// make everybody behind it wait: the lock is asked for shortly.
pub(crate) async fn show(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
) -> sqlx::Result<()> {
    let (name, table) = (model.name(), model.table(generation));
    sqlx::query("set local lock_timeout = '200ms'").execute(&mut *db).await?;
    sqlx::query(&format!("drop view if exists read.{name}")).execute(&mut *db).await?;
    let view = format!("create view read.{name} with (security_invoker) as select * from {table}");
    sqlx::query(&view).execute(&mut *db).await?;
    sqlx::query(&format!("grant select on read.{name} to verbatim_bi")).execute(&mut *db).await?;
    sqlx::query("set local lock_timeout = 0").execute(&mut *db).await?;
    Ok(())
}

/// Drops what a new live generation leaves without use: those that were replaced before the last
/// one, and builds older than it that nobody will finish.
pub(crate) async fn prune(owner: &PgPool, model: &dyn Model, live: i32) -> sqlx::Result<()> {
    let useless: Vec<i32> = sqlx::query_scalar(
        "select generation from generations
          where model = $1 and generation < $4
            and (state = 'building'
              or state = 'old' and version = $2 and shape = $3
                and generation < (select max(generation) from generations
                 where model = $1 and state = 'old' and version = $2 and shape = $3))",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(live)
    .fetch_all(owner)
    .await?;
    for generation in useless {
        remove(owner, model, generation).await?;
    }
    Ok(())
}

/// Removes a generation with all that is known of it.
async fn remove(owner: &PgPool, model: &dyn Model, generation: i32) -> sqlx::Result<()> {
    let mut tx = owner.begin().await?;
    for record in ["generations", "rebuild_progress", "dead_letters"] {
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

/// Brings into memory what the table has for these keys (a JSON array).
pub(crate) async fn load(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    keys: &str,
    rows: &mut dyn WorkingSet,
) -> Result<(), Error> {
    let table = model.table(generation);
    let query = format!(
        "select row_to_json(t)::text from json_populate_recordset(null::{table}, $1::json) k
           join {table} t using ({})",
        names(model.key())
    );
    let found: Vec<String> = sqlx::query_scalar(&query).bind(keys).fetch_all(db).await?;
    rows.supply(&found)
}

/// Writes what changed in memory into the table.
pub(crate) async fn write(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    rows: &mut dyn WorkingSet,
) -> sqlx::Result<()> {
    let changes = rows.changes();
    let table = model.table(generation);
    let key = names(model.key());
    if changes.upserted > 0 {
        let set: Vec<String> = model.columns()[model.key().len()..]
            .iter()
            .map(|c| format!("{0} = excluded.{0}", quoted(c.name)))
            .collect();
        let query = format!(
            "insert into {table} select * from json_populate_recordset(null::{table}, $1::json)
             on conflict ({key}) do update set {}",
            set.join(", ")
        );
        sqlx::query(&query).bind(&changes.upserts).execute(&mut *db).await?;
    }
    if changes.deleted > 0 {
        let same: Vec<String> =
            model.key().iter().map(|c| format!("t.{0} = k.{0}", quoted(c.name))).collect();
        let query = format!(
            "delete from {table} t using json_populate_recordset(null::{table}, $1::json) k
              where {}",
            same.join(" and ")
        );
        sqlx::query(&query).bind(&changes.deletes).execute(&mut *db).await?;
    }
    Ok(())
}

pub(crate) fn names(columns: &[crate::model::Column]) -> String {
    columns.iter().map(|column| quoted(column.name)).collect::<Vec<_>>().join(", ")
}

/// Column names are ours, but some (`at`, `position`) are words of SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}
