//! One generation that is being built: folds in memory, copies into its table, and takes its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::{Database, log, transaction};
use futures_util::{StreamExt, TryStreamExt, stream};
use sqlx::PgConnection;
use tokio::sync::{mpsc, watch};

use crate::feed::{Decoded, Feed, decode, stored};
use crate::generation::{self, Generation};
use crate::rebuild::memory::Memory;
use crate::rebuild::pages::{self, Page};
use crate::rebuild::progress::{Phase, Progress};
use crate::working_set::InTable;
use crate::{Error, Model};

/// After so long the rows in memory are written out: what a kill -9 may cost.
const EVERY: Duration = Duration::from_secs(60);
/// Events that are read at once where the database refused some of them.
const PIECE: i64 = 5_000;

pub(super) struct Build {
    database: Database,
    feed: Feed,
    /// Who has been told to build it later has a higher one.
    fence: i64,
    /// Where this run began, how far the rows in memory are, and how far those in the table.
    began_at: i64,
    position: i64,
    flushed: i64,
    flushed_at: Instant,
    /// The key's index is there.
    keyed: bool,
    memory: Arc<Memory>,
    held: usize,
    progress: watch::Sender<Progress>,
}

impl Build {
    /// Begins a generation, or takes up one whose building was interrupted.
    pub(super) async fn begin(
        database: &Database,
        model: &'static dyn Model,
        fence: i64,
        memory: Arc<Memory>,
    ) -> Result<Self, Error> {
        let owner = &database.owner;
        let building = match generation::in_state(owner, model, "building").await? {
            Some(building) => building,
            None => generation::create(owner, model, "building").await?,
        };
        let feed = open(database, model, building, fence).await?;
        Ok(Build::of(database, feed, fence, memory))
    }

    /// Goes on with a generation whose table is complete up to its position.
    pub(super) fn of(database: &Database, feed: Feed, fence: i64, memory: Arc<Memory>) -> Self {
        let Generation { generation, position, .. } = feed.generation;
        let progress = Progress {
            model: feed.model.name(),
            generation,
            phase: Phase::Reading,
            position,
            until: position,
            began_at: position,
            began: Instant::now(),
            rows: 0,
        };
        Build {
            database: database.clone(),
            feed,
            fence,
            began_at: position,
            position,
            flushed: position,
            flushed_at: Instant::now(),
            keyed: false,
            memory,
            held: 0,
            progress: watch::Sender::new(progress),
        }
    }

    pub(super) fn model(&self) -> &'static dyn Model {
        self.feed.model
    }

    pub(super) fn generation(&self) -> i32 {
        self.feed.generation.generation
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    pub(super) fn began_at(&self) -> i64 {
        self.began_at
    }

    /// The generation as its table is now.
    pub(super) fn standing(&self) -> Generation {
        Generation { position: self.position, ..self.feed.generation.clone() }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn enter(&mut self, phase: Phase, until: i64) {
        let position = self.position;
        self.progress.send_modify(|progress| {
            *progress = Progress {
                phase,
                position,
                until,
                began_at: position,
                began: Instant::now(),
                ..*progress
            };
        });
    }

    /// Takes in what comes, and writes it out in the end.
    pub(super) async fn follow(
        mut self,
        mut pages: mpsc::Receiver<Arc<Page>>,
    ) -> (Self, Result<(), Error>) {
        while let Some(page) = pages.recv().await {
            if let Err(error) = self.take(&page).await {
                return (self, Err(error));
            }
        }
        let flushed = self.flush().await;
        (self, flushed)
    }

    async fn take(&mut self, page: &Page) -> Result<(), Error> {
        if page.until <= self.position {
            return Ok(());
        }
        let known = page.events.partition_point(|event| stored(event).position <= self.position);
        let events = &page.events[known..];
        if let Some(keys) = self.feed.wanted(events) {
            self.load(&keys).await?;
        }
        self.feed.apply(events);
        self.position = page.until;
        let rows = self.feed.rows.len();
        self.progress.send_modify(|progress| {
            (progress.position, progress.rows) = (page.until, rows);
        });
        self.give_back().await
    }

    async fn load(&mut self, keys: &str) -> Result<(), Error> {
        let _writer = self.memory.writer().await;
        self.key().await?;
        let mut db = self.database.owner.acquire().await?;
        self.feed.load(&mut db, keys).await
    }

    /// What is looked up by key needs the key's index.
    async fn key(&mut self) -> Result<(), Error> {
        if !self.keyed {
            generation::index_key(&self.database.owner, self.model(), self.generation()).await?;
            self.keyed = true;
        }
        Ok(())
    }

    /// Writes out rows, and forgets them, where they take too much memory.
    async fn give_back(&mut self) -> Result<(), Error> {
        let is_short = self.hold();
        if is_short || self.flushed_at.elapsed() > EVERY {
            self.flush().await?;
        }
        if is_short {
            self.feed.rows.forget_half(&mut self.feed.table);
            // To know all that was written must not take what rows need.
            if self.feed.table.bytes() > self.memory.share() / 2 {
                self.feed.table = InTable::Any;
            }
            self.hold();
        }
        Ok(())
    }

    fn hold(&mut self) -> bool {
        let held = self.feed.rows.bytes() + self.feed.table.bytes();
        let is_short = self.memory.is_short(self.held, held);
        self.held = held;
        is_short
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let _writer = self.memory.writer().await;
        match self.write().await {
            Err(error) if error.refusal().is_some() => self.fold_piecemeal().await,
            outcome => outcome,
        }
    }

    async fn write(&mut self) -> Result<(), Error> {
        if self.feed.rows.outdated().is_some() {
            self.key().await?;
        }
        let mut tx = transaction::begin(&self.database.owner).await?;
        self.feed.copy(&mut tx).await?;
        self.note_progress(&mut tx).await?;
        tx.commit().await?;
        self.flushed();
        Ok(())
    }

    fn flushed(&mut self) {
        (self.flushed, self.flushed_at) = (self.position, Instant::now());
        self.feed.tell();
    }

    /// Moves the checkpoint with the rows, unless somebody else builds the generation by now.
    async fn note_progress(&self, db: &mut PgConnection) -> Result<(), Error> {
        // One that is gone back to has a position of its own, which stands beside its rows.
        let held = sqlx::query(
            "update generations set position = case state when 'old' then $3 else position end
              where model = $1 and generation = $2 and state <> 'live' and fence = $4",
        )
        .bind(self.model().name())
        .bind(self.generation())
        .bind(self.position)
        .bind(self.fence)
        .execute(&mut *db)
        .await?;
        if held.rows_affected() == 0 {
            return Err(Error::LostLease(self.model().name()));
        }
        sqlx::query(
            "insert into rebuild_progress (model, generation, position) values ($1, $2, $3)
             on conflict (model, generation) do update set position = excluded.position",
        )
        .bind(self.model().name())
        .bind(self.generation())
        .bind(self.position)
        .execute(db)
        .await?;
        Ok(())
    }

    /// Forgets what is in memory and goes on from the table.
    async fn reopen(&mut self) -> Result<(), Error> {
        self.feed =
            open(&self.database, self.model(), self.feed.generation.clone(), self.fence).await?;
        (self.position, self.flushed) =
            (self.feed.generation.position, self.feed.generation.position);
        self.hold();
        Ok(())
    }

    /// Folds what could not be written once more, without what the database refuses of it.
    async fn fold_piecemeal(&mut self) -> Result<(), Error> {
        let (model, until) = (self.model().name(), self.position);
        tracing::warn!(
            model,
            after = self.flushed,
            until,
            "The database refused rows: looking for the event behind them"
        );
        self.reopen().await?;
        self.key().await?;
        while self.position < until {
            let page = log::page(&self.database.projector, self.position, until, PIECE).await?;
            let Some(last) = page.last().map(|event| event.position) else { break };
            let page: Vec<Decoded> = page.into_iter().map(decode).collect();
            let mut tx = transaction::begin(&self.database.owner).await?;
            self.feed.take_piecemeal(&mut tx, &page).await?;
            self.position = last;
            self.note_progress(&mut tx).await?;
            tx.commit().await?;
            self.flushed();
            self.feed.rows.clear();
        }
        Ok(())
    }

    /// Makes the table what a live one is. Where an index refuses a row, all is folded once more
    /// with the indexes in place, so that the row is refused where it is written.
    pub(super) async fn finish(mut self) -> (Self, Result<(), Error>) {
        self.enter(Phase::Indexing, self.position);
        let writer = self.memory.writer().await;
        let completed = self.complete().await;
        drop(writer);
        let outcome = match completed {
            Err(error) if error.refusal().is_some() => {
                let (model, refusal) = (self.model().name(), error.refusal());
                tracing::warn!(model, refusal, "An index refused a row: building anew");
                self.start_over().await
            }
            outcome => outcome,
        };
        (self, outcome)
    }

    /// Durability and indexes come last, when the rows are in.
    async fn complete(&mut self) -> Result<(), Error> {
        let (owner, table) = (&self.database.owner, self.model().table(self.generation()));
        sqlx::query(&format!("alter table {table} set logged")).execute(owner).await?;
        generation::index_key(owner, self.model(), self.generation()).await?;
        let indexes = generation::indexes(self.model(), self.generation());
        stream::iter(indexes)
            .map(Ok)
            .try_for_each_concurrent(2, async |made| {
                let mut tx = transaction::begin(owner).await?;
                sqlx::query(generation::SORT_MEMORY).execute(&mut *tx).await?;
                sqlx::query(&made).execute(&mut *tx).await?;
                tx.commit().await
            })
            .await?;
        sqlx::query(&format!("vacuum (analyze) {table}")).execute(owner).await?;
        self.keyed = true;
        Ok(())
    }

    async fn start_over(&mut self) -> Result<(), Error> {
        let until = self.position;
        let (model, building) = (self.model(), &self.feed.generation);
        let mut tx = transaction::begin(&self.database.owner).await?;
        generation::take_over(&mut *tx, model, building, self.fence).await?;
        sqlx::query("delete from rebuild_progress where model = $1 and generation = $2")
            .bind(model.name())
            .bind(building.generation)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.reopen().await?;
        self.complete().await?;
        self.position = until;
        self.fold_piecemeal().await
    }

    async fn fold_until(&mut self, until: i64) -> Result<(), Error> {
        let kinds = pages::kinds(std::iter::once(self.model()));
        while self.position < until {
            let span = (self.position, until.min(self.position + PIECE));
            let page = pages::page(self.database.projector.clone(), kinds.clone(), span).await?;
            self.take(&page).await?;
        }
        self.flush().await
    }

    /// Catches up with the live generation, which stands still meanwhile, and takes its place.
    pub(super) async fn swap(&mut self) -> Result<(), Error> {
        self.enter(Phase::Swapping, self.position);
        self.fold_until(log::head(&self.database.projector).await?).await?;
        let mut tx = transaction::begin(&self.database.owner).await?;
        let live = generation::stop_live(&mut tx, self.model()).await?;
        // No reader may see the position go back.
        self.fold_until(live.as_ref().map_or(0, |live| live.position)).await?;
        generation::go_live(&mut tx, self.model(), live, &self.standing(), self.fence).await?;
        tx.commit().await?;
        generation::show_soon(&self.database.owner, self.model(), self.generation()).await
    }
}

/// What it held is free for others.
impl Drop for Build {
    fn drop(&mut self) {
        self.memory.is_short(self.held, 0);
    }
}

/// Opens a generation that is being built where its table stands. From then on nobody who was told
/// to build it before writes to it.
async fn open(
    database: &Database,
    model: &'static dyn Model,
    building: Generation,
    fence: i64,
) -> Result<Feed, Error> {
    let mut tx = transaction::begin(&database.owner).await?;
    let building = generation::take_over(&mut *tx, model, &building, fence).await?;
    let Generation { generation, .. } = building;
    // Table and progress row are both unlogged: a crash of the database empties both.
    let written: i64 = sqlx::query_scalar(
        "insert into rebuild_progress (model, generation, position) values ($1, $2, 0)
         on conflict (model, generation) do update set told_at = now()
         returning position",
    )
    .bind(model.name())
    .bind(generation)
    .fetch_one(&mut *tx)
    .await?;
    if written == 0 {
        sqlx::query(&format!("truncate {}", model.table(generation))).execute(&mut *tx).await?;
    }
    // Keys that a fault had stopped before the interruption stay stopped; letters from what is
    // folded once more will be written once more.
    sqlx::query("delete from dead_letters where model = $1 and generation = $2 and position > $3")
        .bind(model.name())
        .bind(generation)
        .bind(written)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Feed::open(&database.owner, model, Generation { position: written, ..building }).await
}
