//! Following the log: what one reader has found another gets from memory, and each of them gets all.

use event_store::{Store, log};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{PATIENCE, append};
use crate::support::TestDatabase;

/// Appends, and events in each: more than a process keeps.
const APPENDS: usize = 450;
const EVENTS: usize = 5;
const ALL: i64 = (APPENDS * EVENTS) as i64;

async fn write(store: &Store) {
    for number in 0..APPENDS {
        store.append(append(&[(&format!("s{number}"), 0, EVENTS)])).await.unwrap();
    }
}

/// All that comes after a position, in pages of this size at most.
async fn followed(store: &Store, after: i64, limit: i64) -> Vec<log::Recorded> {
    let mut read: Vec<log::Recorded> = vec![];
    loop {
        let position = read.last().map_or(after, |event| event.position);
        if position == ALL {
            return read;
        }
        let page = store.follow(position, limit).await.unwrap();
        assert!(page.len() as i64 <= limit);
        if page.is_empty() {
            store.wait_past(position).await;
        }
        read.extend(page.iter().map(|event| event.as_ref().clone()));
    }
}

#[tokio::test]
async fn whoever_follows_reads_every_event_once_and_in_order() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let paces = [1, 3, 7, 50, 500, 1_000].map(|limit| followed(&store, 0, limit));
    let late = async {
        while store.head() < ALL {
            store.wait_past(store.head()).await;
        }
        followed(&store, 0, 20).await
    };
    let following = async { tokio::join!(join_all(paces), late, write(&store)) };
    let (read, late, ()) = timeout(PATIENCE, following).await.expect("nobody waits for ever");
    let all = log::page(&db.database.owner, 0, i64::MAX, ALL + 1).await.unwrap();
    assert_eq!(all.len() as i64, ALL);
    for read in read.iter().chain([&late]) {
        assert_eq!(read, &all);
    }
    assert_eq!(followed(&store, ALL - 3, 10).await, all[ALL as usize - 3..]);
}

#[tokio::test]
async fn another_process_is_followed_as_well() {
    let db = TestDatabase::new().await;
    let (writer, reader) = (db.store().await, db.store().await);
    let following = async { tokio::join!(followed(&reader, 0, 100), write(&writer)) };
    let (read, ()) = timeout(PATIENCE, following).await.expect("nobody waits for ever");
    assert_eq!(read.len() as i64, ALL);
}
