//! Feeds the live generations of all read models: reads each page of the log once, folds it into
//! every model, and moves their checkpoints in the transaction that writes their rows.

use std::collections::HashSet;
use std::time::Duration;

use event_store::{Database, Store, log};
use sqlx::PgConnection;
use tokio::sync::watch;
use uuid::Uuid;

use crate::generation::{self, Generation};
use crate::recorded::meaning;
use crate::working_set::{Fault, WorkingSet};
use crate::{Error, MODELS, Model, Recorded, rebuild};

/// Events in one transaction: enough to be fast when behind, few enough to be fresh.
const PAGE: i64 = 1_000;
/// Rows of one model that stay in memory between pages.
const KEPT_ROWS: usize = 20_000;
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
pub async fn prepare(database: &Database, store: &Store) -> Result<(), Error> {
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
        tokio::spawn(build(database.clone(), store.clone(), missing));
    }
    Ok(())
}

/// Builds what is missing, however often that takes: an operator's tool may be building the same.
async fn build(database: Database, store: Store, mut missing: Vec<&'static dyn Model>) {
    while let Some(model) = missing.pop() {
        tracing::info!(model = model.name(), "Building a read model");
        let built = rebuild::rebuild(&database, store.pool(), model, &|_| {}).await;
        let Err(error) = built else { continue };
        tracing::warn!(model = model.name(), %error, "A read model could not be built yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !matches!(generation::live(&database.owner, model).await, Ok(Some(_))) {
            missing.insert(0, model);
        }
    }
}

struct Feed {
    model: &'static dyn Model,
    generation: Generation,
    rows: Box<dyn WorkingSet>,
    /// Keys and streams that a fault has stopped.
    stopped: HashSet<String>,
}

struct Feeder {
    database: Database,
    store: Store,
    lease: Uuid,
    /// Holds the feeder's lock.
    _lock: sqlx::pool::PoolConnection<sqlx::Postgres>,
    feeds: Vec<Feed>,
}

impl Feeder {
    async fn take_over(database: &Database, store: &Store) -> Result<Self, Error> {
        let mut lock = database.projector.acquire().await?;
        loop {
            let got: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
                .bind(FEEDER_LOCK)
                .fetch_one(&mut *lock)
                .await?;
            if got {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // The lock must go when this feeder goes, so its connection must not return to the pool.
        lock.close_on_drop();
        let mut feeder = Feeder {
            database: database.clone(),
            store: store.clone(),
            lease: Uuid::now_v7(),
            _lock: lock,
            feeds: vec![],
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
                self.refresh().await?;
                continue;
            }
            if let Err(error) = self.feed_page(page, behind).await {
                tracing::info!(%error, "Read models are fed anew from their checkpoints");
                self.feeds.clear();
                self.refresh().await?;
            }
        }
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
        let stopped: Vec<String> = sqlx::query_scalar(
            "select distinct key from dead_letters where model = $1 and generation = $2",
        )
        .bind(model.name())
        .bind(live.generation)
        .fetch_all(&self.database.projector)
        .await?;
        self.feeds.push(Feed {
            model,
            generation: Generation { position, ..live },
            rows: model.working_set(),
            stopped: stopped.into_iter().collect(),
        });
        Ok(())
    }

    async fn feed_page(&mut self, page: Vec<log::Recorded>, after: i64) -> Result<(), Error> {
        let started = std::time::Instant::now();
        let (last, count) = (page.last().map_or(after, |event| event.position), page.len());
        let page: Vec<_> = page.into_iter().map(decode).collect();
        let mut tx = self.database.projector.begin().await?;
        // Rows and checkpoint are one commit: losing it to a crash only means folding it again.
        sqlx::query("set local synchronous_commit = off").execute(&mut *tx).await?;
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            feed.take(&mut tx, &page).await?;
            feed.move_checkpoint(&mut tx, self.lease, last).await?;
        }
        tx.commit().await?;
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            feed.generation.position = last;
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
}

/// A decoded event, or the stored one with the reason why it can't be.
pub(crate) type Decoded = Result<Recorded, Box<(log::Recorded, String)>>;

pub(crate) fn decode(stored: log::Recorded) -> Decoded {
    match meaning(&stored) {
        Ok(event) => Ok(Recorded { stored, event }),
        Err(error) => Err(Box::new((stored, error.to_string()))),
    }
}

impl Feed {
    async fn take(&mut self, db: &mut PgConnection, page: &[Decoded]) -> Result<(), Error> {
        let known: Vec<Recorded> = page.iter().flatten().cloned().collect();
        if let Some(keys) = self.rows.want(&known) {
            generation::load(db, self.model, self.generation.generation, &keys, &mut *self.rows)
                .await?;
        }
        let mut letters = vec![];
        for event in page {
            fold_or_stop(&mut *self.rows, event, &mut self.stopped, &mut letters);
        }
        for letter in &letters {
            letter.keep(db, self.model, self.generation.generation).await?;
        }
        generation::write(db, self.model, self.generation.generation, &mut *self.rows).await?;
        Ok(())
    }

    async fn move_checkpoint(
        &self,
        db: &mut PgConnection,
        lease: Uuid,
        position: i64,
    ) -> Result<(), Error> {
        let moved = sqlx::query(
            "update generations set position = $5 where model = $1 and generation = $2
                and position = $3 and lease = $4 and state = 'live'",
        )
        .bind(self.model.name())
        .bind(self.generation.generation)
        .bind(self.generation.position)
        .bind(lease)
        .bind(position)
        .execute(db)
        .await?;
        if moved.rows_affected() == 0 {
            return Err(Error::LostLease(self.model.name()));
        }
        Ok(())
    }
}

/// An event that a read model could not take in, or that waits behind one.
pub(crate) struct DeadLetter {
    key: String,
    position: i64,
    reason: String,
}

impl DeadLetter {
    pub(crate) async fn keep(
        &self,
        db: &mut PgConnection,
        model: &dyn Model,
        generation: i32,
    ) -> sqlx::Result<()> {
        tracing::error!(
            model = model.name(),
            position = self.position,
            key = self.key,
            reason = self.reason,
            "An event was put aside"
        );
        sqlx::query(
            "insert into dead_letters (model, generation, key, position, reason)
             values ($1, $2, $3, $4, $5) on conflict do nothing",
        )
        .bind(model.name())
        .bind(generation)
        .bind(&self.key)
        .bind(self.position)
        .bind(&self.reason)
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Folds one event. A fault stops its key, and an event that can't be decoded its stream, not the
/// world: it and what follows for that key are put aside.
pub(crate) fn fold_or_stop(
    rows: &mut dyn WorkingSet,
    event: &Decoded,
    stopped: &mut HashSet<String>,
    letters: &mut Vec<DeadLetter>,
) {
    let stored = match event {
        Ok(recorded) => &recorded.stored,
        Err(undecodable) => &undecodable.0,
    };
    let stream = format!("{}/{}", stored.aggregate_type, stored.aggregate_id);
    let faults = match event {
        Err(undecodable) => vec![Fault { key: stream, reason: undecodable.1.clone() }],
        Ok(recorded) if !stopped.is_empty() && stopped.contains(&stream) => {
            let touches = !rows.keys(recorded).is_empty();
            touches.then(|| Fault::waiting(stream)).into_iter().collect()
        }
        Ok(recorded) => rows.fold(recorded, stopped),
    };
    for Fault { key, reason } in faults {
        stopped.insert(key.clone());
        letters.push(DeadLetter { key, position: stored.position, reason });
    }
}
