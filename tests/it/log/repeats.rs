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
