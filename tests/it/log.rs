//! What the log promises: dense positions, one round trip for whoever waits, all or nothing, and
//! personal data that nobody can read in it.

mod batches;
mod claims;
mod following;
mod keys;
mod policies;
mod repeats;
mod sessions;
mod versions;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use event_store::subscription::Subscription;
use event_store::{Append, Claim, Error, IdempotencyRecord, NewEvent, Refusal, StreamAppend, log};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::TestDatabase;

/// After so long somebody waits for ever.
const PATIENCE: Duration = Duration::from_secs(120);

const TENANT: Uuid = Uuid::from_u128(1);

#[tokio::test]
async fn positions_are_dense_and_times_never_go_back() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    for n in 0..5 {
        store.append(append(&[(&format!("s{n}"), 0, 2)])).await.unwrap();
    }
    let page = log::page(store.worker(), 0, i64::MAX, 100).await.unwrap();
    assert_eq!(page.iter().map(|e| e.position).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(page.is_sorted_by_key(|event| event.recorded_at));
}

#[tokio::test]
async fn two_processes_appending_at_once_keep_positions_dense() {
    let db = TestDatabase::new().await;
    let (one, other) = (db.store().await, db.store().await);
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let store = if n % 2 == 0 { one.clone() } else { other.clone() };
            tokio::spawn(async move { store.append(append(&[(&format!("s{n}"), 0, 3)])).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_dense(&db).await;
    assert_eq!(log::head(one.pool()).await.unwrap(), 600);
}

#[tokio::test]
async fn a_conflict_in_the_middle_of_a_batch_fails_alone() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("taken", 0, 1)])).await.unwrap();
    let mut lock = db.database.owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *lock).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = store.clone();
            let name = if n == 10 { "taken".to_owned() } else { format!("s{n}") };
            tokio::spawn(async move { store.append(append(&[(&name, 0, 1)])).await })
        })
        .collect();
    tokio::task::yield_now().await;
    lock.commit().await.unwrap();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Err(Error::Refused(Refusal::Version { actual: 1 })) => assert_eq!(n, 10),
            outcome => assert!(n != 10 && outcome.is_ok(), "{n}: {outcome:?}"),
        }
    }
    assert_dense(&db).await;
}

#[tokio::test]
async fn several_streams_are_written_together_or_not_at_all() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 1)])).await.unwrap();
    let refused = store.append(append(&[("b", 0, 1), ("a", 0, 1)])).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Version { .. }))), "{refused:?}");
    assert_eq!(log::version(store.worker(), "thing", "b").await.unwrap(), 0);
    store.append(append(&[("b", 0, 2), ("a", 1, 1)])).await.unwrap();
    assert_eq!(log::version(store.worker(), "thing", "b").await.unwrap(), 2);
    assert_eq!(log::version(store.worker(), "thing", "a").await.unwrap(), 2);
}

#[tokio::test]
async fn a_name_is_claimed_once_in_an_organisation() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let claiming = |stream: &str, tenant: u128| {
        let mut append = append(&[(stream, 0, 1)]);
        append.tenant = Uuid::from_u128(tenant);
        append.claims = vec![Claim {
            tenant: append.tenant,
            scope: "name".into(),
            value: vec![7],
            owner: stream.to_owned(),
        }];
        append
    };
    store.append(claiming("a", 1)).await.unwrap();
    let refused = store.append(claiming("b", 1)).await;
    let taken = Refusal::Claimed { scope: "name".into(), owner: "a".into() };
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal == taken));
    store.append(claiming("c", 2)).await.unwrap();
}

#[tokio::test]
async fn what_is_claimed_of_all_is_claimed_once_among_all_organisations() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let claiming = |stream: &str, tenant: u128| {
        let mut append = append(&[(stream, 0, 1)]);
        append.tenant = Uuid::from_u128(tenant);
        let (tenant, owner) = (Uuid::nil(), stream.to_owned());
        append.claims = vec![Claim { tenant, scope: "email".into(), value: vec![7], owner }];
        append
    };
    let (one, other) = tokio::join!(store.append(claiming("a", 1)), store.append(claiming("b", 2)));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let found = store.claims(Uuid::nil(), &[("email", vec![7])]).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn an_idempotency_key_has_one_outcome() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let keyed = |stream: &str| {
        let mut append = append(&[(stream, 0, 2)]);
        let response = Some(store.wrap_answer(TENANT, b"key", b"{\"ok\":true}").unwrap());
        append.idempotency = Some(IdempotencyRecord {
            tenant: TENANT,
            key: b"key".to_vec(),
            fingerprint: b"print".to_vec(),
            status: 201,
            response,
        });
        append
    };
    let (one, other) = tokio::join!(store.append(keyed("a")), store.append(keyed("b")));
    let used = |outcome: &Result<_, Error>| {
        matches!(outcome, Err(Error::Refused(Refusal::IdempotencyKeyUsed)))
    };
    assert!(one.is_ok() != other.is_ok() && (used(&one) || used(&other)), "{one:?} {other:?}");
    let kept = store.outcome(TENANT, b"key").await.unwrap().unwrap();
    assert_eq!((kept.status, kept.position), (201, 2));
    assert_eq!(kept.response.as_deref(), Some(b"{\"ok\":true}".as_slice()));
    assert_eq!(store.outcome(Uuid::from_u128(2), b"key").await.unwrap(), None);
}

#[tokio::test]
async fn the_same_events_sent_again_are_recognised() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let once = append(&[("a", 0, 2)]);
    let first = store.append(once.clone()).await.unwrap();
    assert_eq!(store.append(once).await.unwrap(), first);
    assert_eq!(log::head(store.worker()).await.unwrap(), 2);
}

#[tokio::test]
async fn another_organisations_stream_cannot_be_written() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 1)])).await.unwrap();
    let mut foreign = append(&[("a", 1, 1)]);
    foreign.tenant = Uuid::from_u128(2);
    let refused = store.append(foreign).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Foreign))), "{refused:?}");
}

#[tokio::test]
async fn nobody_reads_a_name_in_the_log() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let mut named = append(&[("a", 0, 1)]);
    let personal =
        json!({"$personal": {"subject": Uuid::from_u128(9), "class": "identity", "v": "Ana"}});
    named.streams[0].events[0].payload = json!({"Named": {"name": personal, "list": [personal]}});
    let event = named.streams[0].events[0].event_id;
    store.append(named).await.unwrap();
    let stored = &log::page(store.worker(), 0, 9, 9).await.unwrap()[0];
    assert!(!stored.payload.contains("Ana"), "{}", stored.payload);
    let mut payload: Value = serde_json::from_str(&stored.payload).unwrap();
    store.codec().open(TENANT, event, &mut payload).await.unwrap();
    assert_eq!(payload["Named"]["name"]["$personal"]["v"], "Ana");

    // A token moved to another event, field or organisation does not open.
    let mut moved: Value = serde_json::from_str(&stored.payload).unwrap();
    assert!(store.codec().open(TENANT, Uuid::from_u128(3), &mut moved).await.is_err());
    let mut swapped: Value = serde_json::from_str(&stored.payload).unwrap();
    let token = swapped["Named"]["list"][0].take();
    swapped["Named"]["name"] = token;
    assert!(store.codec().open(TENANT, event, &mut swapped).await.is_err());

    // Without the key the person is erased, for every reader, and nothing else changes.
    sqlx::query("update personal_keys set wrapped = null")
        .execute(&db.database.owner)
        .await
        .unwrap();
    let reader = db.store().await;
    let mut erased: Value = serde_json::from_str(&stored.payload).unwrap();
    reader.codec().open(TENANT, event, &mut erased).await.unwrap();
    assert_eq!(erased["Named"]["name"], json!({"$personal": null}));
}

#[tokio::test]
async fn a_person_who_was_erased_is_not_written_again() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let named = |stream: &str| {
        let mut append = append(&[(stream, 0, 1)]);
        append.streams[0].events[0].payload = json!({"Named": {"name":
            {"$personal": {"subject": Uuid::from_u128(9), "class": "identity", "v": "Ana"}}}});
        append
    };
    store.append(named("a")).await.unwrap();
    sqlx::query("update personal_keys set wrapped = null")
        .execute(&db.database.owner)
        .await
        .unwrap();
    erased(&db).await;
    let refused = store.append(named("b")).await;
    assert!(matches!(refused, Err(Error::Erased { .. })), "{refused:?}");
    store.append(append(&[("c", 0, 1)])).await.unwrap();
}

/// Somebody was erased, as the log's database has it.
async fn erased(db: &TestDatabase) {
    sqlx::query("insert into erasures values (1, $1, $2)")
        .bind(TENANT)
        .bind(Uuid::from_u128(9))
        .execute(&db.database.owner)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_log_that_has_no_event_yet_knows_of_erasures() {
    let db = TestDatabase::new().await;
    let before = db.store().await;
    erased(&db).await;
    let after = db.store().await;
    for (store, stream) in [(after, "a"), (before, "b")] {
        let appended = timeout(PATIENCE, store.append(append(&[(stream, 0, 1)]))).await;
        appended.expect("nobody encrypts again and again").unwrap();
    }
}

#[tokio::test]
async fn an_append_that_the_database_cannot_take_does_not_take_others_with_it() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let mut lock = db.database.owner.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(7201)").execute(&mut *lock).await.unwrap();
    let tasks: Vec<_> = (0..9)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut append = append(&[(&format!("s{n}"), 0, 1)]);
                if n == 4 {
                    append.streams[0].events[0].event_type = "\0".into();
                }
                store.append(append).await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    lock.commit().await.unwrap();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().is_ok(), n != 4, "{n}");
    }
    assert_dense(&db).await;
}

#[tokio::test]
async fn a_subscription_goes_on_where_it_stopped() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    store.append(append(&[("a", 0, 5)])).await.unwrap();
    let mut reader = Subscription::resume(&store, "mail", 0).await.unwrap();
    let seen = reader.next(3).await.unwrap();
    assert_eq!(seen.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2, 3]);
    let mut tx = db.database.owner.begin().await.unwrap();
    reader.advance(&mut tx, 3).await.unwrap();
    tx.commit().await.unwrap();

    let mut again = Subscription::resume(&store, "mail", 0).await.unwrap();
    assert_eq!(again.next(9).await.unwrap()[0].position, 4);
    // The first reader does not know that another one moves on: it must not move back.
    let mut tx = db.database.owner.begin().await.unwrap();
    again.advance(&mut tx, 5).await.unwrap();
    assert!(matches!(reader.advance(&mut tx, 4).await, Err(Error::LostSubscription(_))));
}

#[tokio::test]
async fn a_subscription_passes_what_does_not_concern_it_but_not_another_reader() {
    let db = TestDatabase::new().await;
    let durable = format!("alter database {} set synchronous_commit = on", db.name);
    sqlx::query(&durable).execute(&db.database.owner).await.unwrap();
    let store = db.store().await;
    store.append(append(&[("a", 0, 5)])).await.unwrap();
    let mut reader = Subscription::resume(&store, "mail", 0).await.unwrap();
    let mut other = Subscription::resume(&store, "mail", 0).await.unwrap();
    reader.pass(3).await.unwrap();
    assert_eq!(reader.ready(9).await.unwrap()[0].position, 4);
    reader.pass(4).await.unwrap();
    reader.pass(5).await.unwrap();
    // Where there is nothing more to read, everybody can know how far it came.
    assert!(reader.ready(9).await.unwrap().is_empty());
    assert_eq!(Subscription::stands(&store, "mail").await.unwrap(), 5);
    let lost = match other.pass(5).await {
        Ok(()) => other.ready(9).await.err(),
        Err(error) => Some(error),
    };
    assert!(matches!(lost, Some(Error::LostSubscription(_))), "{lost:?}");
    // The session that did not wait for the disk waits for it again.
    let waits: String =
        sqlx::query_scalar("show synchronous_commit").fetch_one(store.worker()).await.unwrap();
    assert_eq!(waits, "on");
}

#[tokio::test]
async fn news_wake_a_reader_in_another_process() {
    let db = TestDatabase::new().await;
    let (writer, reader) = (db.store().await, db.store().await);
    let mut subscription = Subscription::resume(&reader, "wake", 0).await.unwrap();
    let waiting = tokio::spawn(async move { subscription.next(1).await });
    writer.append(append(&[("a", 0, 1)])).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}

/// One step of the model: an append that may collide with what is there in every way there is.
#[derive(Clone, Debug)]
struct Step {
    process: bool,
    streams: Vec<(u8, i64, u8)>,
    claim: Option<u8>,
    key: Option<u8>,
}

/// What the log should hold, kept in memory.
#[derive(Default)]
struct Model {
    versions: HashMap<u8, i64>,
    claims: HashSet<u8>,
    keys: HashSet<u8>,
    positions: i64,
}

impl Model {
    fn take(&mut self, step: &Step) -> Result<i64, &'static str> {
        let mut touched = BTreeMap::new();
        for (stream, expected, events) in &step.streams {
            touched.entry(*stream).or_insert((*expected, *events));
        }
        if step.key.is_some_and(|key| self.keys.contains(&key)) {
            return Err("key");
        }
        if step.claim.is_some_and(|claim| self.claims.contains(&claim)) {
            return Err("claim");
        }
        let at = |stream: &u8| self.versions.get(stream).copied().unwrap_or_default();
        if touched.iter().any(|(stream, (expected, _))| at(stream) != *expected) {
            return Err("version");
        }
        for (stream, (expected, events)) in touched {
            self.versions.insert(stream, expected + i64::from(events));
            self.positions += i64::from(events);
        }
        self.claims.extend(step.claim);
        self.keys.extend(step.key);
        Ok(self.positions)
    }
}

#[test]
fn the_log_behaves_like_its_model_in_memory() {
    let stream = (0..4u8, 0..4i64, 1..3u8);
    let step = (
        // Mostly one process: it knows what it wrote, until the other one writes.
        prop::bool::weighted(0.1),
        prop::collection::vec(stream, 1..3),
        prop::option::weighted(0.3, 0..6u8),
        prop::option::weighted(0.3, 0..6u8),
    );
    let step =
        step.prop_map(|(process, streams, claim, key)| Step { process, streams, claim, key });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let checked = runner.run(&prop::collection::vec(step, 1..40), |steps| {
        runtime.block_on(check_against_model(&steps));
        Ok(())
    });
    checked.unwrap();
}

async fn check_against_model(steps: &[Step]) {
    let db = TestDatabase::new().await;
    let stores = [db.store().await, db.store().await];
    let mut model = Model::default();
    for step in steps {
        let store = &stores[usize::from(step.process)];
        let mut seen = HashSet::new();
        let names: Vec<(String, i64, usize)> = step
            .streams
            .iter()
            .filter(|(stream, ..)| seen.insert(*stream))
            .map(|(stream, expected, events)| (stream.to_string(), *expected, usize::from(*events)))
            .collect();
        let names: Vec<(&str, i64, usize)> = names
            .iter()
            .map(|(name, expected, events)| (name.as_str(), *expected, *events))
            .collect();
        let mut wanted = append(&names);
        wanted.claims.extend(step.claim.map(|value| Claim {
            tenant: wanted.tenant,
            scope: "c".into(),
            value: vec![value],
            owner: "x".into(),
        }));
        wanted.idempotency = step.key.map(record);
        let told = match store.append(wanted).await {
            Ok(appended) => Ok(appended.last),
            Err(Error::Refused(Refusal::IdempotencyKeyUsed)) => Err("key"),
            Err(Error::Refused(Refusal::Claimed { .. })) => Err("claim"),
            Err(Error::Refused(Refusal::Version { .. })) => Err("version"),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, model.take(step), "{step:?}");
    }
    assert_dense(&db).await;
    for (stream, version) in model.versions {
        let pool = stores[0].worker();
        assert_eq!(log::version(pool, "thing", &stream.to_string()).await.unwrap(), version);
    }
}

/// Streams of `(id, expected version, how many events)` in one unit of work.
fn append(streams: &[(&str, i64, usize)]) -> Append {
    let event = |_| NewEvent {
        event_id: Uuid::now_v7(),
        event_type: "Happened".into(),
        event_version: "1".into(),
        payload: json!({"Happened": {"n": 1}}),
    };
    let stream = |(id, expected, events): &(&str, i64, usize)| StreamAppend {
        aggregate_type: "thing".into(),
        aggregate_id: (*id).to_owned(),
        expected: *expected,
        events: (0..*events).map(event).collect(),
    };
    Append {
        tenant: TENANT,
        actor: "system".into(),
        command_id: None,
        correlation_id: Uuid::now_v7(),
        causation_id: None,
        metadata: json!({}),
        streams: streams.iter().map(stream).collect(),
        claims: vec![],
        idempotency: None,
    }
}

/// A key that was used, with no answer to it.
fn record(key: u8) -> IdempotencyRecord {
    IdempotencyRecord {
        tenant: TENANT,
        key: vec![key],
        fingerprint: vec![],
        status: 200,
        response: None,
    }
}

async fn assert_dense(db: &TestDatabase) {
    let holes: i64 = sqlx::query_scalar(
        "select count(*) from (select position, row_number() over (order by position) n from events) p
          where position <> n",
    )
    .fetch_one(&db.database.owner)
    .await
    .unwrap();
    assert_eq!(holes, 0);
}
