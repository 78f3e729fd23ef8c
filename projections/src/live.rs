//! Feeds the live generations of all read models, in two lanes beside each other: reads each page of
//! the log once, folds it into every model of the lane, and moves their checkpoints in the transaction
//! that writes their rows.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::lease::begin_anew;
use event_store::news::News;
use event_store::{Database, Store, log, transaction};
use sqlx::{PgConnection, Postgres, Transaction};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{Level, Span, span_enabled};
use uuid::Uuid;

use crate::feed::{Decoded, Feed, decode};
use crate::generation::{self, Generation};
use crate::model::Source;
use crate::rebuild::{self, Terms};
use crate::{Error, MODELS, Model, letters};

/// Events in one transaction: enough to be fast when behind, few enough to be fresh.
const PAGE: i64 = 1_000;
/// Rows of one model that stay in memory between pages.
const KEPT_ROWS: usize = 20_000;
/// How often a feeder that has nothing to do looks for generations that a rebuild made live.
const REFRESH: Duration = Duration::from_millis(200);
/// What a server that builds missing read models beside its other work gives to that.
const BUILD_MEMORY: usize = 128 << 20;
/// How often it is tried to show SQL users what is fed: a query of theirs may stand in the way.
const SHOW: Duration = Duration::from_secs(2);
/// The lease to feed: only one process does at a time.
pub(crate) const LEASE: &str = "read_models";

/// Feeds until `stop` says so. Another process may be feeding: then this one stands by.
pub async fn run(database: Database, store: Store, stop: watch::Receiver<bool>) {
    store.leases().run(LEASE, stop, |fence| feed(&database, &store, fence)).await;
}

/// Feeds both lanes. One that fails begins anew while the other goes on.
async fn feed(database: &Database, store: &Store, fence: i64) -> Result<Infallible, Error> {
    let mut lanes = JoinSet::new();
    for lane in [Lane::Present, Lane::Past] {
        let (database, store) = (database.clone(), store.clone());
        let follow = move || follow(database.clone(), store.clone(), lane, fence);
        lanes.spawn(async move { begin_anew(lane.as_str(), follow).await });
    }
    match lanes.join_next().await {
        Some(Ok(never)) => match never {},
        ended => Err(Error::Panicked(format!("a lane of read models ended: {ended:?}"))),
    }
}

async fn follow(
    database: Database,
    store: Store,
    lane: Lane,
    fence: i64,
) -> Result<Infallible, Error> {
    Feeder::take_over(&database, &store, lane, fence).await?.feed().await
}

/// Which models are fed together. What somebody waits for on a screen is not kept waiting by what is
/// looked up afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// How things stand.
    Present,
    /// What happened, and how often.
    Past,
}

impl Lane {
    pub fn of(model: &dyn Model) -> Lane {
        match model.source() {
            Source::Stream(_) => Lane::Present,
            Source::Position | Source::Bucket => Lane::Past,
        }
    }

    /// What is told when it has read on.
    pub fn news(self, store: &Store) -> &News {
        match self {
            Lane::Present => store.present(),
            Lane::Past => store.past(),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Lane::Present => "present",
            Lane::Past => "past",
        }
    }
}

/// Makes sure that each read model has a live generation or is being built. A new database begins
/// with empty live ones; where there is history, models without one are built in the background.
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
    let terms = Terms { memory: BUILD_MEMORY, ..Terms::default() };
    loop {
        missing = still_missing(&database, missing).await;
        if missing.is_empty() {
            return;
        }
        let names: Vec<&str> = missing.iter().map(|model| model.name()).collect();
        tracing::info!(models = names.join(", "), "Building read models");
        match rebuild::rebuild(&database, &missing, &terms, &|_| {}).await {
            Ok(outcomes) => {
                for (model, outcome) in outcomes {
                    if let Err(error) = outcome {
                        tracing::warn!(model = model.name(), %error, "Could not be built yet");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "Read models could not be built yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn still_missing(
    database: &Database,
    models: Vec<&'static dyn Model>,
) -> Vec<&'static dyn Model> {
    let mut missing = vec![];
    for model in models {
        if !matches!(generation::live(&database.owner, model).await, Ok(Some(_))) {
            missing.push(model);
        }
    }
    missing
}

struct Feeder {
    database: Database,
    store: Store,
    lane: Lane,
    fence: i64,
    feeds: Vec<Feed>,
    /// Generations that the views for SQL users show.
    shown: HashMap<&'static str, i32>,
    showed: Instant,
    refreshed: Instant,
}

impl Feeder {
    async fn take_over(
        database: &Database,
        store: &Store,
        lane: Lane,
        fence: i64,
    ) -> Result<Self, Error> {
        let mut feeder = Feeder {
            database: database.clone(),
            store: store.clone(),
            lane,
            fence,
            feeds: vec![],
            shown: HashMap::new(),
            showed: Instant::now(),
            refreshed: Instant::now(),
        };
        feeder.refresh().await?;
        Ok(feeder)
    }

    async fn feed(&mut self) -> Result<Infallible, Error> {
        loop {
            if self.refreshed.elapsed() >= REFRESH {
                self.refresh().await?;
            }
            let Some(behind) = self.feeds.iter().map(|feed| feed.generation.position).min() else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.refresh().await?;
                continue;
            };
            // Models behind the others catch up alone and then share every page.
            let positions = self.feeds.iter().map(|feed| feed.generation.position);
            let until = positions.filter(|position| *position > behind).min().unwrap_or(i64::MAX);
            let limit = PAGE.min(until - behind);
            let page = self.store.follow(behind, limit).await?;
            if page.is_empty() {
                self.store.wait_past(behind).await;
                continue;
            }
            let taken = page.len();
            match self.feed_page(page, behind).await {
                Err(error @ Error::LostLease(_)) => {
                    tracing::info!(%error, "Read models are fed anew from their checkpoints");
                    self.start_over().await?;
                }
                outcome => outcome?,
            }
            self.lane.news(&self.store).tell();
            self.lane.news(&self.store).rest_after(taken, limit).await;
        }
    }

    /// Forgets what is in memory and goes on from what is committed.
    async fn start_over(&mut self) -> Result<(), Error> {
        self.feeds.clear();
        self.refresh().await
    }

    /// Looks which generations are live now; a rebuild may have swapped one in.
    async fn refresh(&mut self) -> Result<(), Error> {
        let mut all_live = generation::all_live(&self.database.projector).await?;
        let lane = self.lane;
        for model in MODELS.iter().copied().filter(|model| Lane::of(*model) == lane) {
            let live = all_live.remove(model.name()).map(|live| live.generation);
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
        self.show().await?;
        self.retry().await?;
        self.refreshed = Instant::now();
        Ok(())
    }

    /// SQL users see what is fed here. A long query of theirs only delays that.
    async fn show(&mut self) -> Result<(), Error> {
        if self.showed.elapsed() < SHOW {
            return Ok(());
        }
        self.showed = Instant::now();
        for feed in &self.feeds {
            let (model, generation) = (feed.model, feed.generation.generation);
            if self.shown.get(model.name()) != Some(&generation)
                && generation::try_show(&self.database.owner, model, generation, "20ms").await?
            {
                self.shown.insert(model.name(), generation);
            }
        }
        Ok(())
    }

    /// Begins to feed a generation. What stood still in it is tried once more: this program may be
    /// the one that can read it.
    async fn adopt(&mut self, model: &'static dyn Model, live: Generation) -> Result<(), Error> {
        let pool = &self.database.projector;
        let live = generation::take_over(pool, model, &live, self.fence).await?;
        if let Some(shown) = generation::shown(pool, model).await? {
            self.shown.insert(model.name(), shown);
        }
        let mut feed = Feed::open(pool, model, live).await?;
        for key in feed.stops.keys() {
            letters::attempt(&self.database, &mut feed, self.fence, &key).await?;
        }
        self.feeds.push(feed);
        Ok(())
    }

    /// Tries what somebody asked for.
    async fn retry(&mut self) -> Result<(), Error> {
        let asked: Vec<String> = sqlx::query_scalar(
            "select distinct model from dead_letters where asked_at is not null",
        )
        .fetch_all(&self.database.projector)
        .await?;
        for feed in &mut self.feeds {
            if asked.iter().any(|model| model == feed.model.name()) {
                letters::asked(&self.database, feed, self.fence).await?;
            }
        }
        Ok(())
    }

    async fn feed_page(&mut self, page: Vec<Arc<log::Recorded>>, after: i64) -> Result<(), Error> {
        let started = Instant::now();
        let _spans = spans(&page, self.lane);
        let (last, count) = (page.last().map_or(after, |event| event.position), page.len());
        let page: Vec<_> = page.into_iter().map(Arc::unwrap_or_clone).map(decode).collect();
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
        let lane = self.lane.as_str();
        metrics::counter!("verbatim_projected_events_total", "lane" => lane)
            .increment(count as u64);
        metrics::histogram!("verbatim_projection_page_duration_seconds", "lane" => lane)
            .record(started.elapsed());
        Ok(())
    }

    /// All models of the lane that stand at `after` take the page in one transaction.
    async fn take_together(
        &mut self,
        page: &[Decoded],
        after: i64,
        last: i64,
    ) -> Result<(), Error> {
        let mut tx = begin(&self.database).await?;
        let mut taken = vec![];
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            let began = Instant::now();
            feed.take(&mut tx, page).await?;
            taken.push(Taken { feed, events: page.len(), time: began.elapsed() });
        }
        move_checkpoints(&mut tx, &taken, self.fence, last).await?;
        for Taken { feed, time, .. } in taken {
            metrics::histogram!(
                "verbatim_read_model_page_duration_seconds",
                "model" => feed.model.name()
            )
            .record(time);
        }
        Ok(tx.commit().await?)
    }

    /// Each model takes what it can in a transaction of its own.
    async fn take_apart(&mut self, page: &[Decoded], after: i64, last: i64) -> Result<(), Error> {
        for feed in self.feeds.iter_mut().filter(|feed| feed.generation.position == after) {
            let mut tx = begin(&self.database).await?;
            let began = Instant::now();
            feed.take_piecemeal(&mut tx, page).await?;
            let taken = Taken { feed, events: page.len(), time: began.elapsed() };
            move_checkpoints(&mut tx, &[taken], self.fence, last).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// A page belongs to many requests: each that has events in it sees how long the page took.
fn spans(page: &[Arc<log::Recorded>], lane: Lane) -> Vec<Span> {
    if !span_enabled!(Level::DEBUG) {
        return vec![];
    }
    let mut requests: HashMap<Uuid, (usize, i64)> = HashMap::new();
    for event in page {
        let (events, last) = requests.entry(event.correlation_id).or_default();
        (*events, *last) = (*events + 1, event.position);
    }
    let span = |(id, (events, position)): (Uuid, (usize, i64))| {
        tracing::debug_span!(
            parent: None, "projection", correlation_id = %id, lane = lane.as_str(), events, position,
            page = page.len()
        )
    };
    requests.into_iter().map(span).collect()
}

/// Rows and checkpoint are one commit: losing it to a crash only means folding it again. Rows are
/// looked up by their keys, however many the planner thinks there are in a JSON array.
async fn begin(database: &Database) -> sqlx::Result<Transaction<'static, Postgres>> {
    let settings = "begin; set local synchronous_commit = off; set local enable_seqscan = off; \
         set local enable_hashjoin = off; set local enable_mergejoin = off; \
         set local plan_cache_mode = force_generic_plan";
    transaction::begin_with(&database.projector, settings).await
}

/// A page that a read model has taken in, and how long it took.
struct Taken<'a> {
    feed: &'a Feed,
    events: usize,
    time: Duration,
}

/// Moves the checkpoints of models that stand together, in the transaction that writes their rows,
/// if nobody else has moved one or taken over.
async fn move_checkpoints(
    db: &mut PgConnection,
    taken: &[Taken<'_>],
    fence: i64,
    position: i64,
) -> Result<(), Error> {
    let Some(first) = taken.first() else { return Ok(()) };
    let models: Vec<&str> = taken.iter().map(|taken| taken.feed.model.name()).collect();
    let generations: Vec<i32> =
        taken.iter().map(|taken| taken.feed.generation.generation).collect();
    let micros = |taken: &Taken| i64::try_from(taken.time.as_micros()).unwrap_or(i64::MAX);
    let micros: Vec<i64> = taken.iter().map(micros).collect();
    let moved: Vec<String> = sqlx::query_scalar(
        "update generations g set position = $5, page_events = $6, page_micros = f.micros
           from unnest($1::text[], $2::int[], $7::bigint[]) f(model, generation, micros)
          where g.model = f.model and g.generation = f.generation
            and g.position = $3 and g.fence = $4 and g.state = 'live'
         returning g.model",
    )
    .bind(&models)
    .bind(&generations)
    .bind(first.feed.generation.position)
    .bind(fence)
    .bind(position)
    .bind(i32::try_from(first.events).unwrap_or(i32::MAX))
    .bind(&micros)
    .fetch_all(db)
    .await?;
    match models.iter().find(|model| !moved.iter().any(|moved| moved == *model)) {
        Some(lost) => Err(Error::LostLease(lost)),
        None => Ok(()),
    }
}
