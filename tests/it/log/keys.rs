//! The keys of personal data come into the log's database with the events that need them.

use futures_util::future::join_all;

use super::*;

/// A unit of work of one event about a person.
fn about(person: u128, stream: &str, expected: i64) -> Append {
    let mut append = append(&[(stream, expected, 1)]);
    let name = json!({"$personal":
        {"subject": Uuid::from_u128(person), "class": "identity", "v": format!("Ana {person}")}});
    append.streams[0].events[0].payload = json!({"Named": {"name": name}});
    append
}

async fn keys(db: &TestDatabase) -> i64 {
    let keys = sqlx::query_scalar("select count(*) from personal_keys");
    keys.fetch_one(&db.database.owner).await.unwrap()
}

#[tokio::test]
async fn who_write_of_the_same_new_people_at_once_write_under_the_same_keys() {
    const PEOPLE: u128 = 5;
    let db = TestDatabase::new().await;
    let stores = [db.store().await, db.store().await];
    let writing = (0..60).map(|n| {
        let store = stores[n % 2].clone();
        let append = about(n as u128 % PEOPLE, &format!("s{n}"), 0);
        async move { store.append(append).await }
    });
    for appended in join_all(writing).await {
        appended.unwrap();
    }
    assert_eq!(keys(&db).await, PEOPLE as i64);
    assert_dense(&db).await;
    // A process that made none of the keys reads every name.
    let reader = db.store().await;
    for stored in log::page(reader.worker(), 0, i64::MAX, 100).await.unwrap() {
        let person = stored.aggregate_id[1..].parse::<u128>().unwrap() % PEOPLE;
        let mut payload: Value = serde_json::from_str(&stored.payload).unwrap();
        reader.codec().open(TENANT, stored.event_id, &mut payload).await.unwrap();
        assert_eq!(payload["Named"]["name"]["$personal"]["v"], format!("Ana {person}"));
    }
}

#[tokio::test]
async fn a_refused_append_makes_no_key() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let refused = store.append(about(9, "a", 7)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::Version { actual: 0 }))), "{refused:?}");
    assert_eq!(keys(&db).await, 0);
    store.append(about(9, "a", 0)).await.unwrap();
    assert_eq!(keys(&db).await, 1);
}

#[tokio::test]
async fn more_than_a_batch_takes_is_appended_once_and_densely() {
    const APPENDS: usize = 1_500;
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let writing = (0..APPENDS).map(|n| {
        let store = store.clone();
        // One in ten expects what is not there.
        let append = about(n as u128 % 40, &format!("s{n}"), i64::from(n % 10 == 0));
        tokio::spawn(async move { store.append(append).await })
    });
    let mut refused = 0;
    for appended in join_all(writing).await {
        match appended.unwrap() {
            Ok(_) => {}
            Err(Error::Refused(Refusal::Version { actual: 0 })) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, APPENDS / 10);
    assert_eq!(log::head(store.worker()).await.unwrap() as usize, APPENDS - refused);
    assert_dense(&db).await;
}
