//! A read model made anew out of the whole log, and the reading in it by itself; beside cqrs-es's
//! own replay, and the fastest way in which PostgreSQL hands out the same rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};
use commands::sourced::Sourced;
use cqrs_es::persist::{GenericQuery, QueryReplay};
use cqrs_es::{EventEnvelope, View};
use domain::Event;
use domain::conversation::Conversation;
use event_store::log;
use futures_util::{StreamExt, TryStreamExt, stream};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use projections::inbox::{Inbox, Key, Row};
use projections::{ReadModel, Recorded};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;
use uuid::Uuid;

use crate::Outcome;
use crate::bench::{Bench, Log};
use crate::history::{self, Plan, Shop};
use crate::load::median;
use crate::report::{Line, Target};

/// What Verbatim promises whatever it stands beside.
const LEAST_RATE: f64 = 100_000.0;
/// As a rebuild reads.
const PAGE: i64 = 4_000;
const WORKERS: usize = 2;

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut lines = vec![];
    for events in bench.scale.events {
        let log = bench.log("rebuild_ours").await?;
        let shop = Shop { tenant: Uuid::now_v7(), channel: Uuid::now_v7() };
        let events = history::fill(&log.store, shop, Plan::of_events(*events)).await?;
        bench.cluster.rest().await?;
        let (mut rebuilt, mut replayed) = (vec![], vec![]);
        let (mut read, mut copied) = (vec![], vec![]);
        for _ in 0..bench.scale.rounds {
            rebuilt.push(events as f64 / log.rebuild(&[&Inbox]).await?);
            replayed.push(replay(bench, &log).await?);
            read.push(events as f64 / read_all(&log).await?);
            copied.push(events as f64 / copy_all(&log).await?);
        }
        log.close(bench).await?;
        let rates = (median(rebuilt), median(replayed));
        lines.extend(rebuild_lines(bench, events, rates));
        lines.push(reading_line(events, (median(read), median(copied))));
    }
    Ok(lines)
}

fn rebuild_lines(bench: &Bench, events: usize, rates: (f64, f64)) -> [Line; 2] {
    let fair = format!(
        "The same aggregate, events, payloads and fold, into the columns of the same row; indexes, \
         durability and the swap are within our time. cqrs-es replays {} of the events, for each \
         costs it the same, out of its stock table through its `GenericQuery`.",
        bench.scale.replayed
    );
    let against = "cqrs-es's own replay";
    let name = format!("rebuild of inbox, {events} events");
    let beside = Target::RatioAtLeast(20.0);
    let alone = Target::AtLeast(LEAST_RATE);
    [
        Line::beside(name.clone(), "events/s", rates, against, beside, fair),
        Line::alone(name + ", by itself", "events/s", rates.0, alone, "The same rate."),
    ]
}

fn reading_line(events: usize, rates: (f64, f64)) -> Line {
    Line::beside(
        format!("rebuild, reading side, {events} events"),
        "events/s",
        rates,
        "`COPY (SELECT … ORDER BY position) TO STDOUT`",
        Target::RatioAtLeast(0.5),
        "All columns of all events. Ours are values of Rust when the clock stops, two pages of \
         the log at a time; COPY's are bytes.",
    )
}

/// Reads the log as a rebuild does: pages are cut before they are read, and two are on their way.
/// Returns seconds.
async fn read_all(log: &Log) -> Outcome<f64> {
    let started = Instant::now();
    let pool = &log.database.projector;
    let head = log::head(pool).await?;
    let begins = (0..head).step_by(PAGE as usize);
    let pages = begins.map(|from| tokio::spawn(page(pool.clone(), from, from + PAGE)));
    let mut pages = stream::iter(pages).buffered(WORKERS);
    while let Some(page) = pages.try_next().await? {
        page?;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn page(pool: PgPool, after: i64, until: i64) -> sqlx::Result<Vec<log::Recorded>> {
    log::page(&pool, after, until, PAGE).await
}

async fn copy_all(log: &Log) -> Outcome<f64> {
    let started = Instant::now();
    let columns = log::COLUMNS;
    let copy = format!("copy (select {columns} from events order by position) to stdout");
    let mut rows = log.database.owner.copy_out_raw(&copy).await?;
    while rows.try_next().await?.is_some() {}
    Ok(started.elapsed().as_secs_f64())
}

/// Verbatim's row of the inbox as a view of cqrs-es.
#[derive(Debug, Default, Serialize, Deserialize)]
struct InboxView(Option<Row>);

impl View<Sourced<Conversation>> for InboxView {
    fn update(&mut self, event: &EventEnvelope<Sourced<Conversation>>) {
        let recorded = recorded(event);
        let key = Key { tenant_id: Uuid::nil(), conversation_id: recorded.stream() };
        self.0 = Inbox::fold(&key, self.0.take(), &recorded);
    }
}

/// What postgres-es doesn't keep is made up.
fn recorded(event: &EventEnvelope<Sourced<Conversation>>) -> Recorded {
    let stored = log::Recorded {
        aggregate_type: "conversation".to_owned(),
        aggregate_id: event.aggregate_id.clone(),
        sequence: event.sequence as i64,
        event_type: String::new(),
        event_version: String::new(),
        payload: String::new(),
        metadata: String::new(),
        position: 0,
        tenant_id: Uuid::nil(),
        event_id: Uuid::nil(),
        actor: String::new(),
        command_id: None,
        correlation_id: Uuid::nil(),
        causation_id: None,
        recorded_at: DateTime::<Utc>::UNIX_EPOCH,
    };
    Recorded { stored, event: Event::Conversation(event.payload.0.clone()) }
}

/// Events a second of a replay into empty views.
async fn replay(bench: &Bench, log: &Log) -> Outcome<f64> {
    let stock = bench.stock("rebuild_peer", 4).await?;
    let events = copy_beginning(&log.database.owner, &stock, bench.scale.replayed).await?;
    let views =
        PostgresViewRepository::<InboxView, Sourced<Conversation>>::new("inbox", stock.clone());
    let mut query = GenericQuery::new(Arc::new(views));
    let failed = Arc::new(AtomicUsize::new(0));
    let failures = failed.clone();
    query.use_error_handler(Box::new(move |_| {
        failures.fetch_add(1, Ordering::Relaxed);
    }));
    let repository = PostgresEventRepository::new(stock.clone());
    let replay = QueryReplay::<_, _, Sourced<Conversation>>::new(repository, query);
    let started = Instant::now();
    replay.replay_all().await?;
    let rate = events as f64 / started.elapsed().as_secs_f64();
    let rows: i64 = sqlx::query_scalar("select count(*) from inbox").fetch_one(&stock).await?;
    if failed.load(Ordering::Relaxed) > 0 || rows == 0 {
        return Err("the peer could not replay".into());
    }
    stock.close().await;
    bench.cluster.remove("rebuild_peer").await?;
    Ok(rate)
}

/// Puts the beginning of our log into a stock table.
async fn copy_beginning(ours: &PgPool, stock: &PgPool, limit: i64) -> Outcome<u64> {
    let events: Vec<(String, i64, String, String)> = sqlx::query_as(
        "select aggregate_id, sequence, event_type, payload::text from events
          where aggregate_type = 'conversation' order by position limit $1",
    )
    .bind(limit)
    .fetch_all(ours)
    .await?;
    for (stream, sequence, name, payload) in &events {
        sqlx::query(
            "insert into events select 'conversation', $1, $2, $3, '1', $4::json, '{}'::json",
        )
        .bind(stream)
        .bind(sequence)
        .bind(name)
        .bind(payload)
        .execute(stock)
        .await?;
    }
    sqlx::query("analyze events").execute(stock).await?;
    Ok(events.len() as u64)
}
