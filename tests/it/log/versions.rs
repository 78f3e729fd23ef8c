//! What a process knows of the streams that it wrote last never makes it overlook another.

use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};
use event_store::Clock;

use super::*;

fn with_key(append: Append, key: u8) -> Append {
    Append { idempotency: Some(record(key)), ..append }
}

#[tokio::test]
async fn what_another_process_wrote_to_a_stream_meanwhile_is_seen() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    for expected in 0..3 {
        one.append(append(&[("a", expected, 1)])).await.unwrap();
    }
    other.append(append(&[("a", 3, 2)])).await.unwrap();
    let late = one.append(append(&[("a", 3, 1)])).await;
    assert!(matches!(late, Err(Error::Refused(Refusal::Version { actual: 5 }))), "{late:?}");
    one.append(append(&[("a", 5, 1)])).await.unwrap();
    other.append(append(&[("a", 6, 1)])).await.unwrap();
    assert_dense(&db).await;
}

#[tokio::test]
async fn a_stream_of_its_own_is_not_looked_up_again_and_a_repeated_key_still_refused() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(with_key(append(&[("a", 0, 1)]), 7)).await.unwrap();
    let before = store.round_trips();
    store.append(append(&[("a", 1, 1)])).await.unwrap();
    assert_eq!(store.round_trips() - before, 1);
    let again = store.append(with_key(append(&[("a", 2, 1)]), 7)).await;
    assert!(matches!(again, Err(Error::Refused(Refusal::IdempotencyKeyUsed))), "{again:?}");
    // Met at the index first, then asked for what it was.
    assert_eq!(store.round_trips() - before, 3);
    store.append(append(&[("a", 2, 1)])).await.unwrap();
    assert_dense(&db).await;
}

#[tokio::test]
async fn a_record_without_events_is_kept_in_one_round_trip() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 1)])).await.unwrap();
    let before = store.round_trips();
    let kept = store.append(with_key(append(&[]), 7)).await.unwrap();
    store.append(append(&[("a", 1, 1)])).await.unwrap();
    assert_eq!((kept.last, store.round_trips() - before), (1, 2));
}

#[tokio::test]
async fn each_record_of_a_batch_is_kept_with_the_last_of_its_own_events() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 1)])).await.unwrap();
    let before = store.round_trips();
    let (alone, two, one) = tokio::join!(
        store.append(with_key(append(&[]), 1)),
        store.append(with_key(append(&[("b", 0, 2)]), 2)),
        store.append(with_key(append(&[("c", 0, 1)]), 3)),
    );
    let told = [alone, two, one].map(|appended| appended.unwrap().last);
    assert_eq!((told, store.round_trips() - before), ([1, 3, 4], 1));
    for (key, last) in (1..).zip(told) {
        let kept = store.outcome(TENANT, &record(key).key).await.unwrap();
        assert_eq!(kept.map(|outcome| outcome.position), Some(last));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_take_the_log_with_it() {
    let time: DateTime<Utc> = "2026-03-01T09:00:00Z".parse().unwrap();
    let hand = Arc::new(RwLock::new(Some(time)));
    let db = TestDatabase::new().await;
    let store = db.store_at(Clock::Told(hand.clone())).await;
    let mut told = vec![];
    for (expected, minute) in (0..).zip([0, 1, -5, -4, 1, 2]) {
        *hand.write().unwrap() = Some(time + chrono::Duration::minutes(minute));
        let appended = store.append(append(&[("a", expected, 1)])).await.unwrap();
        told.push((appended.recorded_at - time).num_minutes());
    }
    assert_eq!(told, [0, 1, 1, 1, 1, 2]);
    let page = log::page(store.worker(), 0, i64::MAX, 100).await.unwrap();
    let kept: Vec<_> = page.iter().map(|e| (e.recorded_at - time).num_minutes()).collect();
    assert_eq!(kept, told);
}

#[tokio::test]
async fn two_who_extend_one_stream_at_once_are_told_apart() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 1)])).await.unwrap();
    let racing: Vec<_> = (0..200)
        .map(|n| {
            let (store, other) = (store.clone(), format!("s{n}"));
            tokio::spawn(async move { store.append(append(&[("a", 1, 1), (&other, 0, 1)])).await })
        })
        .collect();
    let mut won = 0;
    for racer in racing {
        match racer.await.unwrap() {
            Ok(_) => won += 1,
            Err(Error::Refused(Refusal::Version { actual: 2 })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_dense(&db).await;
}
