//! Builds a generation of a read model beside the live one and puts it in its place, while the
//! server goes on writing and reading.

use std::time::Instant;

use event_store::{Database, log};
use sqlx::PgConnection;

use crate::feed::{Decoded, Feed, decode};
use crate::generation::{self, Generation};
use crate::{Error, Model};

/// Events read at once.
const PAGE: i64 = 5_000;
/// Rows folded in memory before they are written out, and events between two such points: what a
/// kill -9 may cost.
const ROWS: usize = 200_000;
const EVENTS: i64 = 100_000;

/// How far a rebuild is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub generation: i32,
    pub position: i64,
    pub head: i64,
    /// Where this run began; more than 0 when it resumes an interrupted one.
    pub began_at: i64,
}

/// What a rebuild did.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Rebuilt {
    pub generation: i32,
    pub position: i64,
    pub events: i64,
    pub seconds: f64,
}

/// Rebuilds one read model and swaps it in. `told` hears of progress. An interrupted rebuild of
/// the same version and shape is taken up near where it was.
pub async fn rebuild(
    database: &Database,
    model: &'static dyn Model,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Rebuilt, Error> {
    let mut lock = database.owner.acquire().await?;
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_lock(7204, hashtext($1))")
        .bind(model.name())
        .fetch_one(&mut *lock)
        .await?;
    if !alone {
        return Err(Error::Busy(model.name()));
    }
    // Closing the connection gives the lock back, whatever happens in between.
    lock.close_on_drop();
    let rebuilt = build_and_swap(database, model, told).await?;
    // But that takes a moment, and the next rebuild may come at once.
    sqlx::query("select pg_advisory_unlock(7204, hashtext($1))")
        .bind(model.name())
        .execute(&mut *lock)
        .await?;
    Ok(rebuilt)
}

async fn build_and_swap(
    database: &Database,
    model: &'static dyn Model,
    told: &(dyn Fn(Progress) + Sync),
) -> Result<Rebuilt, Error> {
    let started = Instant::now();
    let mut build = Build::begin(database, model).await?;
    let began_at = build.flushed;
    let head = log::head(&database.projector).await?;
    build.fold_until(head, told, began_at).await?;
    if let Err(error) = build.finish_table().await {
        let Some(refusal) = error.refusal() else { return Err(error) };
        tracing::warn!(model = model.name(), refusal, "An index refused a row: building anew");
        build.start_over().await?;
        build.fold_until(head, told, 0).await?;
        build.finish_table().await?;
    }
    let position = build.swap().await?;
    generation::prune(&database.owner, model, build.generation).await?;
    Ok(Rebuilt {
        generation: build.generation,
        position,
        events: position - began_at,
        seconds: started.elapsed().as_secs_f64(),
    })
}

struct Build<'a> {
    database: &'a Database,
    model: &'static dyn Model,
    generation: i32,
    feed: Feed,
    /// How far the rows in memory are, and how far those in the table.
    position: i64,
    flushed: i64,
}

impl<'a> Build<'a> {
    async fn begin(database: &'a Database, model: &'static dyn Model) -> Result<Self, Error> {
        let owner = &database.owner;
        let resumed = generation::in_state(owner, model, "building").await?;
        let building = match resumed {
            Some(building) => building,
            None => generation::create(owner, model, "building").await?,
        };
        let Generation { generation, .. } = building;
        // Table and progress row are both unlogged: a crash of the database empties both.
        let flushed: Option<i64> = sqlx::query_scalar(
            "select position from rebuild_progress where model = $1 and generation = $2",
        )
        .bind(model.name())
        .bind(generation)
        .fetch_optional(owner)
        .await?;
        if flushed.is_none() {
            sqlx::query(&format!("truncate {}", model.table(generation))).execute(owner).await?;
        }
        let flushed = flushed.unwrap_or_default();
        // Keys that a fault had stopped before the interruption stay stopped; letters from what is
        // folded once more will be written once more.
        sqlx::query(
            "delete from dead_letters where model = $1 and generation = $2 and position > $3",
        )
        .bind(model.name())
        .bind(generation)
        .bind(flushed)
        .execute(owner)
        .await?;
        let feed = Feed::open(owner, model, Generation { position: flushed, ..building }).await?;
        Ok(Build { database, model, generation, feed, position: flushed, flushed })
    }

    /// Begins anew with the indexes in place, so that a row they refuse is found where it is
    /// written.
    async fn start_over(&mut self) -> Result<(), Error> {
        sqlx::query("delete from rebuild_progress where model = $1 and generation = $2")
            .bind(self.model.name())
            .bind(self.generation)
            .execute(&self.database.owner)
            .await?;
        *self = Build::begin(self.database, self.model).await?;
        let mut db = self.database.owner.acquire().await?;
        Ok(generation::index(&mut db, self.model, self.generation).await?)
    }

    async fn fold_until(
        &mut self,
        until: i64,
        told: &(dyn Fn(Progress) + Sync),
        began_at: i64,
    ) -> Result<(), Error> {
        while self.position < until {
            let page = log::page(&self.database.projector, self.position, until, PAGE).await?;
            let Some(last) = page.last().map(|event| event.position) else { break };
            self.fold(page).await?;
            self.position = last;
            if self.feed.rows.len() > ROWS || self.position - self.flushed >= EVENTS {
                self.flush().await?;
            }
            told(Progress {
                generation: self.generation,
                position: self.position,
                head: until,
                began_at,
            });
        }
        self.flush().await
    }

    async fn fold(&mut self, page: Vec<log::Recorded>) -> Result<(), Error> {
        let page: Vec<Decoded> = page.into_iter().map(decode).collect();
        let mut db = self.database.owner.acquire().await?;
        self.feed.fold(&mut db, &page).await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        match self.write().await {
            Err(error) if error.refusal().is_some() => self.fold_piecemeal().await,
            outcome => outcome,
        }
    }

    async fn write(&mut self) -> Result<(), Error> {
        let mut tx = self.database.owner.begin().await?;
        self.feed.write(&mut tx).await?;
        self.note_progress(&mut tx).await?;
        tx.commit().await?;
        self.flushed();
        Ok(())
    }

    /// Folds what could not be written once more, without what the database refuses of it.
    async fn fold_piecemeal(&mut self) -> Result<(), Error> {
        let until = self.position;
        tracing::warn!(
            model = self.model.name(),
            after = self.flushed,
            until,
            "The database refused rows: looking for the event behind them"
        );
        *self = Build::begin(self.database, self.model).await?;
        while self.position < until {
            let page = log::page(&self.database.projector, self.position, until, PAGE).await?;
            let Some(last) = page.last().map(|event| event.position) else { break };
            let page: Vec<Decoded> = page.into_iter().map(decode).collect();
            let mut tx = self.database.owner.begin().await?;
            self.feed.take_piecemeal(&mut tx, &page).await?;
            self.position = last;
            self.note_progress(&mut tx).await?;
            tx.commit().await?;
            self.flushed();
        }
        Ok(())
    }

    async fn note_progress(&self, db: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query(
            "insert into rebuild_progress (model, generation, position) values ($1, $2, $3)
             on conflict (model, generation) do update set position = excluded.position",
        )
        .bind(self.model.name())
        .bind(self.generation)
        .bind(self.position)
        .execute(db)
        .await?;
        Ok(())
    }

    fn flushed(&mut self) {
        self.flushed = self.position;
        self.feed.tell();
        if self.feed.rows.len() > ROWS {
            self.feed.rows.clear();
        }
    }

    /// Indexes and durability come last, when the rows are in.
    async fn finish_table(&self) -> Result<(), Error> {
        let mut db = self.database.owner.acquire().await?;
        let table = self.model.table(self.generation);
        sqlx::query(&format!("alter table {table} set logged")).execute(&mut *db).await?;
        generation::index(&mut db, self.model, self.generation).await?;
        sqlx::query(&format!("analyze {table}")).execute(&mut *db).await?;
        Ok(())
    }

    /// Catches up with the live generation, which stands still meanwhile, and takes its place.
    async fn swap(&mut self) -> Result<i64, Error> {
        let head = log::head(&self.database.projector).await?;
        self.fold_until(head, &|_| {}, self.position).await?;
        let name = self.model.name();
        let mut tx = self.database.owner.begin().await?;
        let live: Option<(i32, i64)> = sqlx::query_as(
            "select generation, position from generations
              where model = $1 and version = $2 and shape = $3 and state = 'live' for update",
        )
        .bind(name)
        .bind(self.model.version())
        .bind(self.model.shape())
        .fetch_optional(&mut *tx)
        .await?;
        // No reader may see the position go back.
        self.fold_until(live.map_or(0, |(_, position)| position), &|_| {}, self.position).await?;
        if let Some((generation, _)) = live {
            sqlx::query(
                "update generations set state = 'old' where model = $1 and generation = $2",
            )
            .bind(name)
            .bind(generation)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "update generations set state = 'live', position = $3, live_since = now()
              where model = $1 and generation = $2",
        )
        .bind(name)
        .bind(self.generation)
        .bind(self.position)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.show().await?;
        Ok(self.position)
    }

    /// The view for SQL users follows; a long query on it only delays this, never a reader.
    async fn show(&self) -> Result<(), Error> {
        loop {
            let mut tx = self.database.owner.begin().await?;
            match generation::show(&mut tx, self.model, self.generation).await {
                Ok(()) => return Ok(tx.commit().await?),
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
                    tx.rollback().await?;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
