//! Appends that don't wait for each other, as an import or a burst of webhooks makes them; beside
//! the least that PostgreSQL does for the same rows.

use std::time::Instant;

use event_store::{Append, Store};
use sqlx::PgPool;
use uuid::Uuid;

use super::append::one_event;
use crate::Outcome;
use crate::bench::Bench;
use crate::history::append_all;
use crate::load::median;
use crate::report::{Line, Target};

/// Rows in one statement: as many appends as Verbatim puts into a batch at most.
const ROWS: usize = 512;
/// Units of work that are made before the clock runs.
const AT_ONCE: usize = 20_000;

/// The log's columns and indexes, and nothing that looks at them.
const BARE: &str = "create table bare (
    aggregate_type text collate \"C\" not null, aggregate_id text collate \"C\" not null,
    sequence bigint not null, event_type text not null, event_version text not null,
    payload json not null, metadata json not null, position bigint primary key,
    tenant_id uuid not null, event_id uuid not null, actor text not null, command_id uuid,
    correlation_id uuid not null, causation_id uuid, recorded_at timestamptz not null,
    unique (aggregate_type, aggregate_id, sequence));
    create index on bare (tenant_id, position)";

const INSERT: &str = "insert into bare
    select type, id, seq, name, version, payload::json, metadata::json, position, tenant, event,
           actor, command, correlation, causation, clock_timestamp()
      from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                  $7::text[], $8::bigint[], $9::uuid[], $10::uuid[], $11::text[], $12::uuid[],
                  $13::uuid[], $14::uuid[])
           u(type, id, seq, name, version, payload, metadata, position, tenant, event, actor,
             command, correlation, causation)";

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let log = bench.log("ingest_ours").await?;
    let stock = bench.stock("ingest_peer", 1).await?;
    sqlx::raw_sql(BARE).execute(&stock).await?;
    let (mut ours, mut peer, mut position) = (vec![], vec![], 0);
    for _ in 0..bench.scale.rounds {
        ours.push(append(&log.store, bench).await?);
        peer.push(insert(&stock, bench, &mut position).await?);
    }
    stock.close().await;
    bench.cluster.remove("ingest_peer").await?;
    log.close(bench).await?;
    let fair = format!(
        "One event in each unit of work, with a stream of its own; the same rows with all their \
         columns, durable. What the table beside it takes is written out before the clock runs. \
         It has the log's columns and indexes and no checks, and takes {ROWS} rows in a statement, \
         which is the most that the appender puts into one."
    );
    let (rates, target) = ((median(ours), median(peer)), Target::RatioAtLeast(0.7));
    let against = "multi-row `INSERT … unnest`";
    Ok(vec![Line::beside("append, pipelined ingest", "events/s", rates, against, target, fair)])
}

async fn append(store: &Store, bench: &Bench) -> Outcome<f64> {
    let tenant = Uuid::from_u128(7);
    let (mut taken, mut events) = (std::time::Duration::ZERO, 0);
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

async fn insert(pool: &PgPool, bench: &Bench, position: &mut i64) -> Outcome<f64> {
    let tenant = Uuid::from_u128(7);
    let (mut taken, mut events) = (std::time::Duration::ZERO, 0);
    while taken < bench.scale.window {
        let units = (0..ROWS).map(|_| one_event(tenant, Uuid::now_v7().to_string(), 0));
        let units: Vec<Append> = units.collect();
        let told = |of: fn(&Append) -> String| units.iter().map(of).collect::<Vec<_>>();
        let ids = |of: fn(&Append) -> Option<Uuid>| units.iter().map(of).collect::<Vec<_>>();
        let query = sqlx::query(INSERT)
            .bind(told(|unit| unit.streams[0].aggregate_type.clone()))
            .bind(told(|unit| unit.streams[0].aggregate_id.clone()))
            .bind(vec![1_i64; ROWS])
            .bind(told(|unit| unit.streams[0].events[0].event_type.clone()))
            .bind(told(|unit| unit.streams[0].events[0].event_version.clone()))
            .bind(told(|unit| unit.streams[0].events[0].payload.to_string()))
            .bind(told(|unit| unit.metadata.to_string()))
            .bind((*position + 1..).take(ROWS).collect::<Vec<i64>>())
            .bind(ids(|unit| Some(unit.tenant)))
            .bind(ids(|unit| Some(unit.streams[0].events[0].event_id)))
            .bind(told(|unit| unit.actor.clone()))
            .bind(ids(|unit| unit.command_id))
            .bind(ids(|unit| Some(unit.correlation_id)))
            .bind(ids(|unit| unit.causation_id));
        *position += ROWS as i64;
        let started = Instant::now();
        query.execute(pool).await?;
        taken += started.elapsed();
        events += ROWS;
    }
    Ok(events as f64 / taken.as_secs_f64())
}
