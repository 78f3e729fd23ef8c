//! The least that PostgreSQL does for events and idempotency records: rows into tables with the
//! log's columns and indexes, and nothing that looks at them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use event_store::{Append, IdempotencyRecord};
use sqlx::PgPool;
use uuid::Uuid;

use crate::Outcome;

const TABLES: &str = "create table bare (
    aggregate_type text collate \"C\" not null, aggregate_id text collate \"C\" not null,
    sequence bigint not null, event_type text not null, event_version text not null,
    payload json not null, metadata json not null, position bigint primary key,
    tenant_id uuid not null, event_id uuid not null, actor text not null, command_id uuid,
    correlation_id uuid not null, causation_id uuid, recorded_at timestamptz not null,
    unique (aggregate_type, aggregate_id, sequence));
    create index on bare (tenant_id, position);
    create table bare_keys (
    tenant_id uuid not null, key bytea not null, fingerprint bytea not null,
    position bigint not null, status int not null, response bytea, recorded_at timestamptz not null,
    kept boolean not null default false, primary key (tenant_id, key));
    create index on bare_keys (recorded_at) where not kept;
    create index on bare_keys (recorded_at)
      where tenant_id = '00000000-0000-0000-0000-000000000000'";

const EVENTS: &str = "insert into bare
    select type, id, seq, name, version, payload::json, metadata::json, position, tenant, event,
           actor, command, correlation, causation, clock_timestamp()
      from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                  $7::text[], $8::bigint[], $9::uuid[], $10::uuid[], $11::text[], $12::uuid[],
                  $13::uuid[], $14::uuid[])
           u(type, id, seq, name, version, payload, metadata, position, tenant, event, actor,
             command, correlation, causation)";

const KEYS: &str = "insert into bare_keys
    select tenant, key, fingerprint, position, status, response, clock_timestamp()
      from unnest($9::uuid[], $15::bytea[], $16::bytea[], $8::bigint[], $17::int[], $18::bytea[])
           k(tenant, key, fingerprint, position, status, response)";

/// One session that writes nothing but rows.
pub(super) struct Bare {
    pool: PgPool,
    position: AtomicI64,
}

impl Bare {
    pub(super) async fn new(pool: &PgPool) -> Outcome<Bare> {
        sqlx::raw_sql(TABLES).execute(pool).await?;
        Ok(Bare { pool: pool.clone(), position: AtomicI64::new(0) })
    }

    /// Inserts units of one event each in one statement, with their records if they have some.
    /// Returns how long that took once everything was written out.
    pub(super) async fn insert(&self, units: &[Append]) -> Outcome<Duration> {
        let rows = units.len() as i64;
        let first = self.position.fetch_add(rows, Ordering::Relaxed) + 1;
        let told = |of: fn(&Append) -> String| units.iter().map(of).collect::<Vec<_>>();
        let ids = |of: fn(&Append) -> Option<Uuid>| units.iter().map(of).collect::<Vec<_>>();
        let records: Vec<&IdempotencyRecord> =
            units.iter().filter_map(|unit| unit.idempotency.as_ref()).collect();
        let bytes = |of: fn(&IdempotencyRecord) -> &[u8]| {
            records.iter().map(|record| of(record).to_vec()).collect::<Vec<_>>()
        };
        let both = format!("with events as ({EVENTS}) {KEYS}");
        let mut query = sqlx::query(if records.is_empty() { EVENTS } else { &both })
            .bind(told(|unit| unit.streams[0].aggregate_type.clone()))
            .bind(told(|unit| unit.streams[0].aggregate_id.clone()))
            .bind(units.iter().map(|unit| unit.streams[0].expected + 1).collect::<Vec<_>>())
            .bind(told(|unit| unit.streams[0].events[0].event_type.clone()))
            .bind(told(|unit| unit.streams[0].events[0].event_version.clone()))
            .bind(told(|unit| unit.streams[0].events[0].payload.to_string()))
            .bind(told(|unit| unit.metadata.to_string()))
            .bind((first..first + rows).collect::<Vec<_>>())
            .bind(ids(|unit| Some(unit.tenant)))
            .bind(ids(|unit| Some(unit.streams[0].events[0].event_id)))
            .bind(told(|unit| unit.actor.clone()))
            .bind(ids(|unit| unit.command_id))
            .bind(ids(|unit| Some(unit.correlation_id)))
            .bind(ids(|unit| unit.causation_id));
        if !records.is_empty() {
            query = query
                .bind(bytes(|record| &record.key))
                .bind(bytes(|record| &record.fingerprint))
                .bind(records.iter().map(|record| record.status).collect::<Vec<_>>())
                .bind(bytes(|record| record.response.as_deref().unwrap_or_default()));
        }
        let started = Instant::now();
        query.execute(&self.pool).await?;
        Ok(started.elapsed())
    }
}
