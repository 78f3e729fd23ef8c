//! Feeds the live generations of all read models: reads each page of the log once, folds it into
//! every model, and moves their checkpoints in the transaction that writes their rows.

use std::time::{Duration, Instant};

use event_store::{Database, Store, log};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::watch;
use uuid::Uuid;

use crate::alone::alone;
use crate::feed::{Decoded, Feed, decode};
use crate::generation::{self, Generation};
use crate::{Error, MODELS, Model, rebuild};

/// Events in one transaction: enough to be fast when behind, few enough to be fresh.
const PAGE: i64 = 1_000;
/// Rows of one model that stay in memory between pages.
const KEPT_ROWS: usize = 20_000;
/// How often a feeder that has nothing to do looks for generations that a rebuild made live.
const REFRESH: Duration = Duration::from_millis(200);
/// Only one process feeds at a time; the lock goes with its connection.
const FEEDER_LOCK: i64 = 7203;

/// Feeds until `stop` says so. Another process may be feeding: then this one stands by.
pub async fn run(database: Database, store: Store, mut stop: watch::Receiver<bool>) {
    loop {
        let fed = async {
            let mut feeder = Feeder::take_over(&database, &store).await?;
            feeder.feed().await
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            outcome = fed => if let Err(error) = outcome {
                tracing::warn!(%error, "Feeding read models was interrupted; going on from their checkpoints");
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// Makes sure that each read model has a live generation or is being built. A new database begins
/// with empty live ones; where there is history, models without one are built in the background,
/// one after the other.
pub async fn prepare(database: &Database) -> Result<(), Error> {
    let mut missing = vec![];
    for model in MODELS.iter().copied() {
        if generation::live(&database.owner, model).await?.is_some() {
            continue;
        }
        if log::head(&database.owner).await? == 0 {
            generation::create(&database.owner, model, "live").await?;
        } else {
            missing.push(model);
        }
    }
    if !missing.is_empty() {
        tokio::spawn(build(database.clone(), missing));
    }
    Ok(())
}

/// Builds what is missing, however often that takes: an operator's tool may be building the same.
async fn build(database: Database, mut missing: Vec<&'static dyn Model>) {
    while let Some(model) = missing.pop() {
        tracing::info!(model = model.name(), "Building a read model");
        let built = rebuild::rebuild(&database, model, &|_| {}).await;
        let Err(error) = built else { continue };
        tracing::warn!(model = model.name(), %error, "A read model could not be built yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !matches!(generation::live(&database.owner, model).await, Ok(Some(_))) {
            missing.insert(0, model);
        }
    }
}

struct Feeder {
    database: Database,
    store: Store,
    lease: Uuid,
    /// Holds the feeder's lock.
    _lock: sqlx::pool::PoolConnection<sqlx::Postgres>,
    feeds: Vec<Feed>,
    refreshed: Instant,
}

impl Feeder {
    async fn take_over(database: &Database, store: &Store) -> Result<Self, Error> {
        let lock = alone(&database.projector, FEEDER_LOCK).await?;
        let mut feeder = Feeder {
            database: database.clone(),
            store: store.clone(),
            lease: Uuid::now_v7(),
            _lock: lock,
            feeds: vec![],
            refreshed: Instant::now(),
        };
        feeder.refresh().await?;
        Ok(feeder)
    }

    async fn feed(&mut self) -> Result<(), Error> {
        loop {
            let Some(behind) = self.feeds.iter().map(|feed| feed.generation.position).min() else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.refresh().await?;
                continue;
            };
            // Models behind the others catch up alone and then share every page.
            let positions = self.feeds.iter().map(|feed| feed.generation.position);
            let until = positions.filter(|position| *position > behind).min().unwrap_or(i64::MAX);
            let page = log::page(&self.database.projector, behind, until, PAGE).await?;
            if page.is_empty() {
                self.store.wait_past(behind).await;
                if self.refreshed.elapsed() >= REFRESH {
                    self.refresh().await?;
                }
                continue;
            }
            match self.feed_page(page, behind).await {
                Err(error @ Error::LostLease(_)) => {
                    tracing::info!(%error, "Read models are fed anew from their checkpoints");
                    self.start_over().await?;
                }
                outcome => outcome?,
            }
        }
    }

    /// Forgets what is in memory and goes on from what is committed.
    async fn start_over(&mut self) -> Result<(), Error> {
        self.feeds.clear();
        self.refresh().await
    }

    /// Looks which generations are live now; a rebuild may have swapped one in.
    async fn refresh(&mut self) -> Result<(), Error> {
        for model in MODELS.iter().copied() {
            let live = generation::live(&self.database.projector, model).await?;
            let known = self.feeds.iter().position(|feed| feed.model.name() == model.name());
            match (live, known) {
                (Some(live), Some(index))
                    if self.feeds[index].generation.generation == live.generation => {}
                (Some(live), known) => {
                    if let Some(index) = known {
                        self.feeds.remove(index);
                    }
                    self.adopt(model, live).await?;
                }
                (None, Some(index)) => {
                    self.feeds.remove(index);
                }
                (None, None) => {}
            }
        }
        self.refreshed = Instant::now();
        Ok(())
    }

    async fn adopt(&mut self, model: &'static dyn Model, live: Generation) -> Result<(), Error> {
        let position: i64 = sqlx::query_scalar(
            "update generations set lease = $3 where model = $1 and generation = $2
              returning position",
        )
        .bind(model.name())
        .bind(live.generation)
        .bind(self.lease)
        .fetch_one(&self.database.projector)
        .await?;
        let live = Generation { position, ..live };
        self.feeds.push(Feed::open(&self.database.projector, model, live).await?);
        Ok(())
    }

    async fn feed_page(&mut self, page: Vec<log::Recorded>, after: i64) -> Result<(), Error> {
        let started = Instant::now();
        let (last, count) = (page.last().map_or(after, |event| event.position), page.len());
        let page: Vec<_> = page.into_iter().map(decode).collect();
        if let Err(error) = self.take_together(&page, after, last).await {
            let Some(refusal) = error.refusal() else { return Err(error) };
            tracing::warn!(after, last, refusal, "Each read model takes a refused page by itself");
            self.start_over().await?;
            self.take_apart(&page, after, last).await?;
        }
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            feed.generation.position = last;
            feed.tell();
            metrics::gauge!("verbatim_read_model_position", "model" => feed.model.name())
                .set(last as f64);
            if feed.rows.len() > KEPT_ROWS {
                feed.rows.clear();
            }
        }
        metrics::counter!("verbatim_projected_events_total").increment(count as u64);
        metrics::histogram!("verbatim_projection_page_seconds")
            .record(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// All models that stand at `after` take the page in one transaction.
    async fn take_together(
        &mut self,
        page: &[Decoded],
        after: i64,
        last: i64,
    ) -> Result<(), Error> {
        let mut tx = begin(&self.database).await?;
        let mut taken = vec![];
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            feed.take(&mut tx, page).await?;
            taken.push(&*feed);
        }
        move_checkpoints(&mut tx, &taken, self.lease, last).await?;
        Ok(tx.commit().await?)
    }

    /// Each model takes what it can in a transaction of its own.
    async fn take_apart(&mut self, page: &[Decoded], after: i64, last: i64) -> Result<(), Error> {
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            let mut tx = begin(&self.database).await?;
            feed.take_piecemeal(&mut tx, page).await?;
            move_checkpoints(&mut tx, &[feed], self.lease, last).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Rows and checkpoint are one commit: losing it to a crash only means folding it again.
async fn begin(database: &Database) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut tx = database.projector.begin().await?;
    sqlx::query("set local synchronous_commit = off").execute(&mut *tx).await?;
    Ok(tx)
}

/// Moves the checkpoints of models that stand together, in the transaction that writes their rows,
/// if nobody else has moved one.
async fn move_checkpoints(
    db: &mut PgConnection,
    feeds: &[&Feed],
    lease: Uuid,
    position: i64,
) -> Result<(), Error> {
    let Some(first) = feeds.first() else { return Ok(()) };
    let models: Vec<&str> = feeds.iter().map(|feed| feed.model.name()).collect();
    let generations: Vec<i32> = feeds.iter().map(|feed| feed.generation.generation).collect();
    let moved: Vec<String> = sqlx::query_scalar(
        "update generations g set position = $5
           from unnest($1::text[], $2::int[]) f(model, generation)
          where g.model = f.model and g.generation = f.generation
            and g.position = $3 and g.lease = $4 and g.state = 'live'
         returning g.model",
    )
    .bind(&models)
    .bind(&generations)
    .bind(first.generation.position)
    .bind(lease)
    .bind(position)
    .fetch_all(db)
    .await?;
    match feeds.iter().find(|feed| !moved.iter().any(|model| model == feed.model.name())) {
        Some(lost) => Err(Error::LostLease(lost.model.name())),
        None => Ok(()),
    }
}
