//! Rows between memory and the table of a generation.

use sqlx::PgConnection;

use super::{names, quoted};
use crate::working_set::{Changes, Columns, WorkingSet};
use crate::{Error, Model};

/// Bytes that are sent at once when rows are copied.
const COPIED: usize = 1 << 20;

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
) -> Result<(), Error> {
    put(db, model, generation, &rows.changes()).await
}

/// Writes rows, over what the table has of them where it may have some. What is to be inserted was
/// looked for in vain, or lies beyond the checkpoint, which is one commit with the rows.
pub(crate) async fn put(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    changes: &Changes,
) -> Result<(), Error> {
    for (rows, over) in [(&changes.inserts, false), (&changes.upserts, true)] {
        if let Some(reason) = rows.unfit() {
            return Err(Error::Unfit { model: model.name(), reason: reason.to_owned() });
        }
        if rows.rows() > 0 {
            let query = insertion(model, generation, over);
            rows.bind(sqlx::query(&query)).execute(&mut *db).await?;
        }
    }
    if changes.deleted > 0 {
        delete(db, model, generation, &changes.deletes).await?;
    }
    Ok(())
}

/// What takes rows in as arrays of columns, over those of the same keys or not.
fn insertion(model: &dyn Model, generation: i32, over: bool) -> String {
    let (table, columns) = (model.table(generation), names(model.columns()));
    let values = Columns::parameters(model.columns());
    let insert = format!("insert into {table} ({columns}) select * from unnest({values})");
    if !over {
        return insert;
    }
    let set: Vec<String> = model.columns()[model.key().len()..]
        .iter()
        .map(|c| format!("{0} = excluded.{0}", quoted(c.name)))
        .collect();
    let key = names(model.key());
    format!("{insert} on conflict ({key}) do update set {}", set.join(", "))
}

/// Copies what changed in memory into a table that nobody else writes.
pub(crate) async fn copy(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    rows: &mut dyn WorkingSet,
) -> sqlx::Result<()> {
    if let Some(outdated) = rows.outdated() {
        delete(db, model, generation, &outdated).await?;
    }
    let table = model.table(generation);
    let columns = names(model.columns());
    let mut copy = db.copy_in_raw(&format!("copy {table} ({columns}) from stdin")).await?;
    loop {
        let lines = rows.copy(COPIED);
        if lines.is_empty() {
            break;
        }
        copy.send(lines).await?;
    }
    copy.finish().await?;
    Ok(())
}

async fn delete(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    keys: &str,
) -> sqlx::Result<()> {
    let table = model.table(generation);
    let same: Vec<String> =
        model.key().iter().map(|c| format!("t.{0} = k.{0}", quoted(c.name))).collect();
    let query = format!(
        "delete from {table} t using json_populate_recordset(null::{table}, $1::json) k where {}",
        same.join(" and ")
    );
    sqlx::query(&query).bind(keys).execute(db).await?;
    Ok(())
}
