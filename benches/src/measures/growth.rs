//! What a small log costs and a large one: appending, a page of the inbox, and memory.

use event_store::Store;
use sqlx::PgPool;

use super::append::one_event;
use super::inbox::{Open, Place};
use crate::Outcome;
use crate::bench::{Bench, Log};
use crate::desk::found;
use crate::history::{Plan, Shop, fill};
use crate::load::{Client, Contestant, Load};
use crate::programs;
use crate::report::{Line, Target};

const CLIENTS: usize = 64;
/// Of five appends four go to the newest streams.
const NEWEST: usize = 5;
/// Streams of either kind that are appended to.
const STREAMS: i64 = 12_800;

/// MiB.
const MOST_OF_SERVER: f64 = 200.0;
/// The rebuild's own bound, and as much again as the server may have.
const MOST_OF_REBUILD: f64 = 512.0 + 200.0;

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let (small, large) = bench.scale.growth;
    let log = bench.log("growth").await?;
    let (shop, key) = found(&log).await?;
    fill(&log.store, shop, Plan::of_events(small)).await?;
    let appends_small = append_rate(bench, &log, shop, small).await?;
    let open = Open::over(bench, log, shop, key).await?;
    let pages_small = page_rate(bench, &open).await?;
    let (log, shop, key) = open.shut()?;
    fill(&log.store, shop, Plan::of_events(large - small)).await?;
    let appends_large = append_rate(bench, &log, shop, large).await?;
    // Of the second, one row is made by all that happened in a quarter of an hour: by all of it.
    let rebuilt = ["rebuild", "inbox", "message_volume"];
    let of_rebuild = programs::replay_tool(bench, log.name, &rebuilt).await?;
    let open = Open::over(bench, log, shop, key).await?;
    let pages_large = page_rate(bench, &open).await?;
    let of_server = open.server.peak_memory()?;
    open.close(bench).await?;
    let appends = (appends_large, appends_small);
    Ok(lines((small, large), appends, (pages_large, pages_small), (of_server, of_rebuild)))
}

fn lines(
    (small, large): (usize, usize),
    appends: (f64, f64),
    pages: (f64, f64),
    (of_server, of_rebuild): (f64, f64),
) -> Vec<Line> {
    let least = Target::RatioAtLeast(0.85);
    let against = "the same log when it was small";
    let appending = format!(
        "{CLIENTS} clients, one event at a time; four in five to the newest tenth of the streams. \
         At {large} events, and when it had {small}; what filling left to vacuum was vacuumed."
    );
    let paging =
        format!("Pages all over the inbox, at {large} events and when there were {small}.");
    let serving = format!(
        "The most that the server held at a time, after it fed all read models from where their \
         rebuild left them, at {large} events, and served pages all over the inbox."
    );
    let rebuilding = format!(
        "The most that `replay-tool rebuild inbox message_volume` held at a time, over {large} \
         events, with the bound that it has unless told."
    );
    vec![
        Line::beside("growth: append", "events/s", appends, against, least, appending),
        Line::beside("growth: inbox page", "pages/s", pages, against, least, paging),
        Line::alone(
            "memory of the server",
            "MiB",
            of_server,
            Target::AtMost(MOST_OF_SERVER),
            serving,
        ),
        Line::alone(
            "memory of a rebuild",
            "MiB",
            of_rebuild,
            Target::AtMost(MOST_OF_REBUILD),
            rebuilding,
        ),
    ]
}

async fn page_rate(bench: &Bench, open: &Open) -> Outcome<f64> {
    let places = Place::some(&open.log, open.shop).await?;
    let mut readers = open.readers(&places).await?;
    for _ in 0..bench.scale.rounds {
        readers.take_turn(bench.scale.window).await?;
    }
    Ok(readers.median(Load::rate))
}

async fn append_rate(bench: &Bench, log: &Log, shop: Shop, events: usize) -> Outcome<f64> {
    // What filling leaves to the autovacuum is done before: it would come once, at some time.
    sqlx::query("vacuum (analyze) events").execute(&log.database.owner).await?;
    bench.cluster.rest().await?;
    let conversations = Plan::of_events(events).conversations;
    let (newest, others) = streams(&log.database.owner, conversations).await?;
    let clients = CLIENTS.min(newest.len());
    let writer = |number: usize| {
        let own = |all: &[Stream]| all.iter().skip(number).step_by(clients).cloned().collect();
        let (store, newest, others) = (log.store.clone(), own(&newest), own(&others));
        Writer { store, shop, newest, others, turn: 0 }
    };
    let mut writers = Contestant::new((0..clients).map(writer).collect());
    for _ in 0..bench.scale.rounds {
        writers.take_turn(bench.scale.window).await?;
    }
    Ok(writers.median(Load::rate))
}

/// A stream's id and version.
type Stream = (String, i64);

/// Some of the newest tenth of the conversations, and some of the oldest.
async fn streams(pool: &PgPool, conversations: usize) -> Outcome<(Vec<Stream>, Vec<Stream>)> {
    let from_end = |order: &str| {
        format!(
            "select id, v.version from (select aggregate_id as id from events
               where aggregate_type = 'conversation' and sequence = 1
               order by position {order} limit $1) s
              cross join lateral (select max(sequence) as version from events
               where aggregate_type = 'conversation' and aggregate_id = s.id) v"
        )
    };
    let tenth = i64::try_from(conversations / 10)?;
    let newest = sqlx::query_as(&from_end("desc")).bind(tenth.min(STREAMS)).fetch_all(pool).await?;
    let oldest = sqlx::query_as(&from_end("asc")).bind(tenth.min(STREAMS)).fetch_all(pool).await?;
    Ok((newest, oldest))
}

struct Writer {
    store: Store,
    shop: Shop,
    newest: Vec<Stream>,
    others: Vec<Stream>,
    turn: usize,
}

impl Client for Writer {
    async fn act(&mut self) -> Outcome<()> {
        self.turn += 1;
        let other = self.turn.is_multiple_of(NEWEST);
        let own = if other { &mut self.others } else { &mut self.newest };
        let which = self.turn % own.len();
        let (id, version) = &mut own[which];
        self.store.append(one_event(self.shop.tenant, id.clone(), *version)).await?;
        *version += 1;
        Ok(())
    }
}
