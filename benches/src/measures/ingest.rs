//! Appends that don't wait for each other, as an import or a burst of webhooks makes them; beside
//! the least that PostgreSQL does for the same rows.

use std::time::Instant;

use event_store::Store;
use sqlx::PgPool;
use uuid::Uuid;

use super::append::{one_event, payload};
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
    select type, id, seq, 'NoteAdded', '1', payload::json, '{\"user_agent\":\"bench/1\"}'::json,
           position, tenant, event, 'user:00000000-0000-7000-8000-000000000007', event, event,
           event, clock_timestamp()
      from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::uuid[],
                  $7::uuid[]) u(type, id, seq, payload, position, tenant, event)";

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
        "One event in each unit of work, with a stream of its own; the same rows, durable. The \
         table beside it has the log's columns and indexes and no checks, and takes {ROWS} rows \
         in a statement, which is the most that the appender puts into one."
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
    let (mut taken, mut events) = (std::time::Duration::ZERO, 0);
    while taken < bench.scale.window {
        let types = vec!["conversation"; ROWS];
        let streams: Vec<String> = (0..ROWS).map(|_| Uuid::now_v7().to_string()).collect();
        let payloads: Vec<String> = (0..ROWS).map(|_| payload().to_string()).collect();
        let positions: Vec<i64> = (*position + 1..).take(ROWS).collect();
        let ids: Vec<Uuid> = (0..ROWS).map(|_| Uuid::now_v7()).collect();
        *position += ROWS as i64;
        let started = Instant::now();
        sqlx::query(INSERT)
            .bind(types)
            .bind(streams)
            .bind(vec![1i64; ROWS])
            .bind(payloads)
            .bind(positions)
            .bind(vec![Uuid::from_u128(7); ROWS])
            .bind(ids)
            .execute(pool)
            .await?;
        taken += started.elapsed();
        events += ROWS;
    }
    Ok(events as f64 / taken.as_secs_f64())
}
