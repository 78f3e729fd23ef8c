//! Appends that don't wait for each other, as an import or a burst of webhooks makes them; beside
//! the least that PostgreSQL does for the same rows.

use std::time::{Duration, Instant};

use event_store::Store;
use uuid::Uuid;

use super::append::one_event;
use super::bare::Bare;
use crate::Outcome;
use crate::bench::Bench;
use crate::history::append_all;
use crate::load::median;
use crate::report::{Line, Target};

/// Rows in one statement: as many appends as Verbatim puts into a batch at most.
const ROWS: usize = 512;
/// Units of work that are made before the clock runs.
const AT_ONCE: usize = 20_000;

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let log = bench.log("ingest_ours").await?;
    let stock = bench.stock("ingest_peer", 1).await?;
    let bare = Bare::new(&stock).await?;
    let (mut ours, mut peer) = (vec![], vec![]);
    for _ in 0..bench.scale.rounds {
        ours.push(append(&log.store, bench).await?);
        peer.push(insert(&bare, bench).await?);
    }
    stock.close().await;
    bench.cluster.remove("ingest_peer").await?;
    log.close(bench).await?;
    let fair = format!(
        "One event in each unit of work, with a stream of its own; the same rows with all their \
         columns, durable. Twice as many units are on their way as two batches hold. What the table beside it takes is written out before the clock runs. \
         It has the log's columns and indexes and no checks, and takes {ROWS} rows in a statement, \
         which is the most that the appender puts into one."
    );
    let (rates, target) = ((median(ours), median(peer)), Target::RatioAtLeast(0.7));
    let against = "multi-row `INSERT … unnest`";
    Ok(vec![Line::beside("append, pipelined ingest", "events/s", rates, against, target, fair)])
}

async fn append(store: &Store, bench: &Bench) -> Outcome<f64> {
    let tenant = Uuid::from_u128(7);
    let (mut taken, mut events) = (Duration::ZERO, 0);
    while taken < bench.scale.window {
        let unit = |_| one_event(tenant, Uuid::now_v7().to_string(), 0);
        let units = (0..AT_ONCE).map(unit).collect();
        let started = Instant::now();
        append_all(store, units).await?;
        taken += started.elapsed();
        events += AT_ONCE;
    }
    Ok(events as f64 / taken.as_secs_f64())
}

async fn insert(bare: &Bare, bench: &Bench) -> Outcome<f64> {
    let tenant = Uuid::from_u128(7);
    let (mut taken, mut events) = (Duration::ZERO, 0);
    while taken < bench.scale.window {
        let units = (0..ROWS).map(|_| one_event(tenant, Uuid::now_v7().to_string(), 0));
        taken += bare.insert(&units.collect::<Vec<_>>()).await?;
        events += ROWS;
    }
    Ok(events as f64 / taken.as_secs_f64())
}
