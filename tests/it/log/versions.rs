//! What a process knows of the streams that it wrote last never makes it overlook another.

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
