//! Limits that all processes share.

use std::time::Duration;

use event_store::rate_limit::Limit;
use futures_util::future::join_all;

use crate::support::TestDatabase;

const HOURLY: Limit = Limit { burst: 20, per: Duration::from_secs(3600) };

#[tokio::test]
async fn two_processes_take_from_one_bucket() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    let asked = (0..60).map(|number| {
        let store = if number % 2 == 0 { &one } else { &other };
        store.take_token(&[b"login", b"192.0.2.7"], HOURLY)
    });
    let answers = join_all(asked).await;
    let allowed = answers.iter().filter(|answer| answer.as_ref().unwrap().allowed).count();
    assert_eq!(allowed, 20);
    let somebody_else = one.take_token(&[b"login", b"192.0.2.8"], HOURLY).await.unwrap();
    assert_eq!((somebody_else.allowed, somebody_else.remaining), (true, 19));
}

#[tokio::test]
async fn who_used_up_a_limit_is_told_when_to_come_back() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let take = async || store.take_token(&[b"login"], HOURLY).await.unwrap();
    for remaining in (0..20).rev() {
        let taken = take().await;
        assert_eq!((taken.allowed, taken.remaining), (true, remaining));
        assert_eq!(taken.retry_after, Duration::ZERO);
    }
    let refused = take().await;
    assert!(!refused.allowed);
    let three_minutes = Duration::from_secs(180);
    assert!(refused.retry_after <= three_minutes && refused.retry_after > three_minutes / 2);
    assert!(refused.full_after > Duration::from_secs(3500));
    // Three minutes later there is one more.
    sqlx::query("update rate_limits set full_at = full_at - interval '3 minutes'")
        .execute(&db.database.owner)
        .await
        .unwrap();
    assert!(take().await.allowed);
    assert!(!take().await.allowed);
}

#[tokio::test]
async fn a_clock_that_was_ahead_leaves_no_limit_longer_than_it_takes_to_fill() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let take = async || store.take_token(&[b"login"], HOURLY).await.unwrap();
    assert!(take().await.allowed);
    sqlx::query("update rate_limits set full_at = full_at + interval '2 days'")
        .execute(&db.database.owner)
        .await
        .unwrap();
    let refused = take().await;
    assert!(!refused.allowed);
    assert!(refused.retry_after <= Duration::from_secs(180), "{refused:?}");
    assert!(refused.full_after <= HOURLY.per, "{refused:?}");
}
