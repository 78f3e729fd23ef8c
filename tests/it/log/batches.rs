//! Appends that wait go out together, and many of them while the database is at others.

use event_store::{Appended, Error, Store};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::append;
use crate::support::TestDatabase;

type Waiting = JoinHandle<Result<Appended, Error>>;

/// The first is in flight while so many others arrive; then, once so many round trips have begun, all
/// go on. Tells how many had begun until then, and how many there were in the end.
async fn arrive(store: &Store, owner: &PgPool, others: usize, begun: u64) -> (u64, u64) {
    let mut lock = owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *lock).await.unwrap();
    let spawn = |n: usize| -> Waiting {
        let store = store.clone();
        tokio::spawn(async move { store.append(append(&[(&format!("s{n}"), 0, 1)])).await })
    };
    let first = spawn(0);
    while store.round_trips() == 0 {
        tokio::task::yield_now().await;
    }
    let rest: Vec<_> = (1..=others).map(spawn).collect();
    // All of them have reached the appender's inbox once each task had its turns.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    while store.round_trips() < begun {
        tokio::task::yield_now().await;
    }
    let begun = store.round_trips();
    lock.commit().await.unwrap();
    let mut positions = vec![first.await.unwrap().unwrap().first];
    for append in rest {
        positions.push(append.await.unwrap().unwrap().first);
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=others as i64 + 1).collect::<Vec<_>>());
    (begun, store.round_trips())
}

#[tokio::test]
async fn sixty_four_waiting_appends_make_one_round_trip() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    assert_eq!(arrive(&store, &db.database.owner, 64, 1).await, (1, 2));
}

#[tokio::test]
async fn many_waiting_appends_set_out_while_the_database_is_at_the_first() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let (begun, all) = arrive(&store, &db.database.owner, 400, 2).await;
    assert_eq!(begun, 2);
    assert!(all <= 4, "{all}");
}
