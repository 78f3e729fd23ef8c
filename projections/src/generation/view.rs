//! The view through which SQL users see a read model: it is pointed at the generation that is fed.

use event_store::transaction;
use sqlx::{PgConnection, PgPool};

use crate::{Error, Model, live};

/// Points the view that SQL users see at a generation. A reader that holds the old view must not
/// make everybody behind it wait: the lock is asked for shortly.
pub(crate) async fn show(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    patience: &str,
) -> sqlx::Result<()> {
    let (name, table) = (model.name(), model.table(generation));
    sqlx::query(&format!("set local lock_timeout = '{patience}'")).execute(&mut *db).await?;
    let live = sqlx::query(
        "select from generations where model = $1 and generation = $2 and state = 'live' for share",
    );
    if live.bind(name).bind(generation).fetch_optional(&mut *db).await?.is_none() {
        // Another one took its place meanwhile.
        return Ok(());
    }
    sqlx::query(&format!("drop view if exists read.{name}")).execute(&mut *db).await?;
    let view = format!("create view read.{name} with (security_invoker) as select * from {table}");
    sqlx::query(&view).execute(&mut *db).await?;
    sqlx::query(&format!("grant select on read.{name} to verbatim_bi")).execute(&mut *db).await?;
    sqlx::query("update generations set shown = (generation = $2) where model = $1")
        .bind(name)
        .bind(generation)
        .execute(&mut *db)
        .await?;
    sqlx::query("set local lock_timeout = 0").execute(&mut *db).await?;
    Ok(())
}

/// How often it is tried to point a view at a new generation.
const SHOWN_TRIES: usize = 20;

/// The same as soon as no long query on the view stands in the way: that delays only this, never a
/// reader. Where the release that is fed is another, its generation stays in view.
pub(crate) async fn show_soon(
    owner: &PgPool,
    model: &dyn Model,
    generation: i32,
) -> Result<(), Error> {
    let other: bool = sqlx::query_scalar(
        "select is_held($4) and exists (select from generations
          where model = $1 and state = 'live' and shown and (version, shape) <> ($2, $3))",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .bind(live::LEASE)
    .fetch_one(owner)
    .await?;
    for _ in 0..SHOWN_TRIES {
        if other || try_show(owner, model, generation, "200ms").await? {
            return Ok(());
        }
    }
    tracing::warn!(
        model = model.name(),
        generation,
        "A long query on the view for SQL users stands in its way; whoever feeds will show the new rows"
    );
    Ok(())
}

/// Whether the view could be pointed at the generation at once.
pub(crate) async fn try_show(
    owner: &PgPool,
    model: &dyn Model,
    generation: i32,
    patience: &str,
) -> Result<bool, Error> {
    let mut tx = transaction::begin(owner).await?;
    match show(&mut tx, model, generation, patience).await {
        Ok(()) => tx.commit().await?,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
            tx.rollback().await?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}
