//! Sessions that answer, handed from one statement to the next.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use event_store::database::Connections;
use event_store::tenant::within;
use event_store::transaction::begin;
use event_store::{Database, Sessions};
use futures_util::future::join_all;
use sqlx::postgres::PgPoolOptions;
use tokio::runtime;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::TestDatabase;

#[tokio::test]
async fn whoever_waits_for_a_session_gets_one_however_busy_the_others_are() {
    let db = TestDatabase::new().await;
    let sessions = &db.database.app;
    let pooled = sessions.pool().options().get_max_connections();
    // One of the pool's and the one that is kept are left to all.
    let _held = join_all((1..pooled).map(|_| sessions.pool().acquire())).await;
    let busy = (0..pooled).map(async |_| {
        loop {
            sqlx::query("select pg_sleep(0.002)").execute(sessions).await.unwrap();
        }
    });
    let waiting = async {
        for _ in 0..20 {
            drop(sessions.pool().acquire().await.unwrap());
            sqlx::query("select 1").execute(sessions).await.unwrap();
        }
    };
    tokio::select! {
        waited = timeout(Duration::from_secs(60), waiting) => waited.unwrap(),
        _ = join_all(busy) => unreachable!("they go on for ever"),
    }
}

#[tokio::test]
async fn a_short_question_does_not_wait_for_the_answers_to_long_ones() {
    let db = TestDatabase::new().await;
    let sessions = &db.database.app;
    // The kept one and the pool's are one more.
    let all_but_one = 0..sessions.pool().options().get_max_connections();
    let long = all_but_one.map(|_| sqlx::query("select pg_sleep(30)").execute(sessions));
    let short = sqlx::query("select 1").execute(sessions);
    tokio::select! {
        biased;
        _ = join_all(long) => unreachable!("they were answered first"),
        answered = short => assert_eq!(answered.unwrap().rows_affected(), 1),
    }
}

async fn told_nothing(sessions: &Sessions) {
    let told: Option<String> = sqlx::query_scalar("select current_setting('app.tenant', true)")
        .fetch_one(sessions)
        .await
        .unwrap();
    assert_eq!(told.unwrap_or_default(), "");
}

#[tokio::test]
async fn a_session_that_is_handed_on_knows_nothing_of_whom_it_served() {
    let db = TestDatabase::new().await;
    let sessions = &db.database.app;
    for _ in 0..20 {
        let served: Uuid = sqlx::query_scalar(&within("select t.id"))
            .bind(Uuid::from_u128(7))
            .fetch_one(sessions)
            .await
            .unwrap();
        assert_eq!(served, Uuid::from_u128(7));
        told_nothing(sessions).await;
        let refused = sqlx::query("select 1 / 0").execute(sessions).await;
        assert!(refused.is_err());
        told_nothing(sessions).await;
    }
}

#[tokio::test]
async fn what_was_begun_for_nobody_is_over_before_the_next_has_the_session() {
    let db = TestDatabase::new().await;
    let options = db.database.owner.connect_options();
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with((*options).clone());
    let mut gone = 0;
    // How soon a transaction is begun depends on the machine: some always leave too early for it.
    for patience in (0..400).flat_map(|patience| [patience, patience % 20]) {
        let mut begun = Box::pin(begin(&pool));
        let mut is_begun = false;
        for _ in 0..patience {
            is_begun = poll_fn(|cx| Poll::Ready(begun.as_mut().poll(cx).is_ready())).await;
            if is_begun {
                break;
            }
            yield_now().await;
        }
        gone += u32::from(!is_begun);
        drop(begun);
        // It refuses to run within a transaction.
        sqlx::query("vacuum claims").execute(&pool).await.unwrap();
    }
    assert!(gone > 10, "only {gone} went away before they had what they wanted");
}

const CONNECTIONS: Connections = Connections { app: 9, worker: 1, projector: 1 };

/// Sessions of the test's database, three of which may be kept.
fn kept_in(db: &TestDatabase) -> Sessions {
    let options = (*db.database.owner.connect_options()).clone();
    Database::attach(options, CONNECTIONS).app
}

/// The name of all of them.
async fn name_of(sessions: &Sessions) -> String {
    sqlx::query_scalar("select current_setting('application_name')")
        .fetch_one(sessions)
        .await
        .unwrap()
}

/// How many of them there are, and how many are at work.
async fn count(db: &TestDatabase, name: &str) -> (i64, i64) {
    sqlx::query_as(
        "select count(*), count(*) filter (where state = 'active') from pg_stat_activity
          where application_name = $1",
    )
    .bind(name)
    .fetch_one(&db.database.owner)
    .await
    .unwrap()
}

/// The session that answered.
async fn answered_by(sessions: &Sessions) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(sessions).await.unwrap()
}

#[tokio::test]
async fn who_asks_on_another_runtime_has_sessions_that_were_opened_there() {
    let db = TestDatabase::new().await;
    let sessions = kept_in(&db);
    let here = answered_by(&sessions).await;
    let others = sessions.clone();
    let elsewhere = spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            [answered_by(&others).await, answered_by(&others).await, answered_by(&others).await]
        })
    });
    let elsewhere = elsewhere.await.unwrap();
    assert_ne!(elsewhere[0], here);
    assert_eq!(elsewhere, [elsewhere[0]; 3]);
    assert_eq!([answered_by(&sessions).await, answered_by(&sessions).await], [here; 2]);
}

#[tokio::test]
async fn callers_who_go_away_leave_no_more_sessions_than_there_may_be() {
    let db = TestDatabase::new().await;
    let sessions = kept_in(&db);
    let name = name_of(&sessions).await;
    for _ in 0..30 {
        let asked = sqlx::query("select pg_sleep(2)").execute(&sessions);
        assert!(timeout(Duration::from_millis(20), asked).await.is_err(), "nobody waits so long");
        let (_, at_work) = count(&db, &name).await;
        assert!(at_work <= i64::from(CONNECTIONS.app), "{at_work} at work");
    }
    assert!(count(&db, &name).await.1 > 3, "who goes away leaves something to be done");
    // It is over in the end.
    assert_eq!(name_of(&sessions).await, name);
}

#[tokio::test]
async fn who_closes_the_database_leaves_no_session_behind() {
    let db = TestDatabase::new().await;
    let sessions = kept_in(&db);
    let name = name_of(&sessions).await;
    let long = || sqlx::query("select pg_sleep(0.3)").execute(&sessions);
    assert!(join_all([long(), long(), long()]).await.iter().all(Result::is_ok));
    assert!(count(&db, &name).await.0 > 1);
    // One is at work, and its caller has gone.
    assert!(timeout(Duration::from_millis(20), long()).await.is_err());
    sessions.close().await;
    assert_eq!(count(&db, &name).await.1, 0, "it was waited for");
    assert!(sqlx::query("select 1").execute(&sessions).await.is_err());
    let gone = async {
        while count(&db, &name).await.0 > 0 {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), gone).await.unwrap();
}
