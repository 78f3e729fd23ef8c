//! What was written and is sent again is recognised, in whatever company.

use super::*;

fn claiming(mut append: Append, value: u8) -> Append {
    let (scope, owner) = ("name".to_owned(), append.streams[0].aggregate_id.clone());
    append.claims = vec![Claim { tenant: TENANT, scope, value: vec![value], owner }];
    append
}

#[tokio::test]
async fn who_followed_another_is_recognised_when_both_are_sent_again_in_one_batch() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let chain: Vec<Append> = (0..3).map(|n| claiming(append(&[("a", n, 1)]), n as u8)).collect();
    let mut written = vec![];
    for append in &chain {
        written.push(store.append(append.clone()).await.unwrap());
    }
    // The first is in flight while the others arrive.
    let mut lock = db.database.owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *lock).await.unwrap();
    let before = store.round_trips();
    let spawn = |append: Append| {
        let store = store.clone();
        tokio::spawn(async move { store.append(append).await })
    };
    let first = spawn(append(&[("b", 0, 1)]));
    while store.round_trips() == before {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = chain.into_iter().map(spawn).collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    lock.commit().await.unwrap();
    first.await.unwrap().unwrap();
    for (again, written) in again.into_iter().zip(written) {
        assert_eq!(again.await.unwrap().unwrap(), written);
    }
    assert_eq!(log::head(store.worker()).await.unwrap(), 4);
}

#[tokio::test]
async fn what_another_has_written_is_recognised_though_somebody_in_the_batch_is_refused() {
    let db = TestDatabase::new().await;
    let (store, other) = (db.store().await, db.store().await);
    let repeated = claiming(append(&[("a", 0, 1)]), 7);
    let written = other.append(repeated.clone()).await.unwrap();
    other.append(append(&[("b", 0, 2)])).await.unwrap();
    // From here on this one knows where the log ends, and vouches for what is new to it.
    for expected in 0..3 {
        store.append(append(&[("c", expected, 1)])).await.unwrap();
    }
    let late = append(&[("b", 1, 1)]);
    let before = store.round_trips();
    let (again, late) = tokio::join!(store.append(repeated), store.append(late));
    assert_eq!(again.unwrap(), written);
    assert!(matches!(late, Err(Error::Refused(Refusal::Version { actual: 2 }))), "{late:?}");
    // Once vouched for, once with all that has to be looked up.
    assert_eq!(store.round_trips() - before, 2);
    assert_dense(&db).await;
}
