//! What one process at a time does: taken over from one that is gone, and from one that sleeps, which
//! writes nothing more when it wakes.

use std::time::{Duration, Instant};

use event_store::lease::{Lease, Leases};
use event_store::subscription::Subscription;
use event_store::{Error, Store};
use tokio::time::timeout;

use crate::support::TestDatabase;

const NAME: &str = "mail";

async fn taken(store: &Store) -> Option<Lease> {
    store.leases().try_take(NAME).await.unwrap()
}

#[tokio::test]
async fn what_one_process_does_no_other_does() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    let lease = taken(&one).await.unwrap();
    assert!(Leases::is_held(one.worker(), NAME).await.unwrap());
    assert_eq!(taken(&other).await, None);
    assert_eq!(taken(&one).await, None, "not even twice in one process");
    one.leases().release(std::slice::from_ref(&lease)).await.unwrap();
    assert!(!Leases::is_held(one.worker(), NAME).await.unwrap());
    assert!(taken(&other).await.unwrap().fence() > lease.fence());
}

#[tokio::test]
async fn a_process_that_is_gone_is_followed_at_once() {
    let db = TestDatabase::new().await;
    let (gone, next) = (db.store().await, db.store().await);
    taken(&gone).await.unwrap();
    gone.leases().leave().await;
    let since = Instant::now();
    next.leases().take(NAME).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_lease_that_is_renewed_stays_until_another_process_took_it() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    let lease = taken(&one).await.unwrap();
    let kept = [lease];
    let kept = one.leases().keep(&kept);
    let stolen = async {
        // Longer than it would hold by itself.
        let waits = timeout(Duration::from_secs(7), other.leases().take(NAME));
        assert!(waits.await.is_err(), "it was renewed all the time");
        // As if it had slept, again and again: it may renew its lease before the other looks.
        loop {
            sqlx::query("update leases set until = now() - interval '1 s'")
                .execute(&db.database.owner)
                .await
                .unwrap();
            if taken(&other).await.is_some() {
                break;
            }
        }
    };
    let (lost, ()) = tokio::join!(kept, stolen);
    assert!(matches!(&lost, Error::LostLease(name) if name == NAME), "{lost:?}");
}

#[tokio::test]
async fn a_clock_that_was_put_back_keeps_nobody_out() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    taken(&one).await.unwrap();
    sqlx::query("update leases set until = until + interval '1 h'")
        .execute(&db.database.owner)
        .await
        .unwrap();
    assert!(taken(&other).await.is_some());
}

#[tokio::test]
async fn one_that_slept_within_a_transaction_neither_stops_its_successor_nor_writes() {
    let db = TestDatabase::new().await;
    let (old, new) = (db.store().await, db.store().await);
    let lease = taken(&old).await.unwrap();
    let resume = async || Subscription::take_over(&old, NAME, 0, lease.fence()).await;
    let (mut in_time, mut late) = (resume().await.unwrap(), resume().await.unwrap());
    let mut tx = old.worker().begin().await.unwrap();
    in_time.advance(&mut tx, 1).await.unwrap();

    // It sleeps: its connections are there, and nobody renews.
    let since = Instant::now();
    let next = new.leases().take(NAME).await.unwrap();
    let mut successor = Subscription::take_over(&new, NAME, 0, next.fence()).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(successor.position(), 0, "nothing of it was committed");

    assert!(tx.commit().await.is_err());
    let mut tx = old.worker().begin().await.unwrap();
    assert!(matches!(late.advance(&mut tx, 1).await, Err(Error::LostSubscription(_))));
    drop(tx);
    assert!(matches!(resume().await, Err(Error::LostSubscription(_))));
    let mut tx = new.worker().begin().await.unwrap();
    successor.advance(&mut tx, 1).await.unwrap();
    tx.commit().await.unwrap();
}
