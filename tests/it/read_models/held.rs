//! Transactions that stay open while others commit: nothing that they record is left out, and nothing
//! is taken in twice.
//!
//! `VERBATIM_HELD=full` holds each for up to 30 s instead of 300 ms.

use std::time::Duration;

use event_store::log;
use futures_util::{StreamExt, stream};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use crate::support::App;

const HELD: usize = 1_000;
const AT_ONCE: u32 = 60;

/// Records an event as postgres-es does, in a transaction that began long before and ends a little
/// later; every tenth is taken back. Tells whether it was recorded.
async fn record_late(pool: &PgPool, longest: u64) -> bool {
    let chance = Uuid::new_v4().as_u128();
    let within =
        |most: u64, shift: u32| u64::try_from((chance >> shift) % u128::from(most)).unwrap();
    let mut tx = pool.begin().await.unwrap();
    // It has its number before others that commit first.
    sqlx::query("select pg_current_xact_id()").execute(&mut *tx).await.unwrap();
    tokio::time::sleep(Duration::from_millis(within(longest, 0))).await;
    sqlx::query(
        "insert into events
           (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
         values ('organization', $1, 1, 'Founded', '1', $2, '{}')",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(json!({"Founded": {"name": "Held"}}))
    .execute(&mut *tx)
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(within(4, 32))).await;
    let stays = within(10, 64) != 0;
    if stays {
        tx.commit().await.unwrap()
    } else {
        tx.rollback().await.unwrap()
    }
    stays
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_late_is_neither_skipped_nor_taken_in_twice() {
    let full = std::env::var("VERBATIM_HELD").is_ok_and(|form| form == "full");
    let longest = if full { 30_000 } else { 300 };
    let app = App::start().await;
    let ours = app.organization("Baraka").await;
    let before = log::head(&app.db.database.owner).await.unwrap();
    let pool =
        PgPoolOptions::new().max_connections(AT_ONCE).acquire_timeout(Duration::from_secs(60));
    let pool = pool.connect_with(app.db.options.clone()).await.unwrap();
    let held = stream::iter(0..HELD).map(|_| record_late(&pool, longest));
    let held = held.buffer_unordered(AT_ONCE as usize);
    let held = held.filter(|stays| std::future::ready(*stays)).count();
    let mut written = 0;
    let others = async {
        loop {
            let body = json!({"name": "Somebody"});
            app.post(&ours.agent, "/v1/contacts", body).await.expect(201);
            written += 1;
        }
    };
    let late = tokio::select! { late = held => late, () = others => unreachable!("it goes on") };
    pool.close().await;
    app.settle().await;
    let head = log::head(&app.db.database.owner).await.unwrap();
    let recorded = head - before;
    let late = i64::try_from(late).unwrap();
    assert!(
        recorded >= late + written && recorded <= late + written + 1,
        "{recorded} {late} {written}"
    );
    let audited: (i64, i64) =
        sqlx::query_as("select count(*), count(distinct position) from read.audit")
            .fetch_one(&app.db.database.owner)
            .await
            .unwrap();
    assert_eq!(audited, (head, head), "one row for each event");
    app.assert_verified().await;
}
