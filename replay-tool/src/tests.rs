//! What an operator may rely on, tried against a database of its own.

use std::path::PathBuf;

use event_store::database::Connections;
use event_store::embedded::{Embedded, Settings};
use event_store::{Append, Clock, Database, MasterKey, NewEvent, Store, StreamAppend};
use projections::rebuild::Terms;
use projections::{MODELS, as_of};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::connect::Session;
use crate::key;
use crate::opener::Opener;
use crate::verbs::import::bring_into;
use crate::verbs::{rebuild, status, verify};

/// Removed when the test ends, the server before it.
struct Cluster {
    embedded: Option<Embedded>,
    dir: PathBuf,
}

impl Cluster {
    async fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("replay-tool-{}", std::process::id()));
        let settings = Settings { dir: dir.clone(), durable: false };
        Cluster { embedded: Some(Embedded::start(&settings).await.unwrap()), dir }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.embedded.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A table as postgres-es makes and fills it.
async fn legacy_table(pool: &PgPool) {
    sqlx::raw_sql(
        r#"create schema legacy;
           create table legacy.events (
               aggregate_type text not null, aggregate_id text not null,
               sequence bigint check (sequence >= 0) not null, event_type text not null,
               event_version text not null, payload json not null, metadata json not null,
               primary key (aggregate_type, aggregate_id, sequence));
           insert into legacy.events
           select 'account', 'A-' || a, n, 'Deposited', '1.0',
                  json_build_object('Deposited', json_build_object('cents', n)),
                  json_build_object('trace', n / 7)
             from generate_series(1, 40) a, generate_series(1, 30) n;
           insert into legacy.events
           select 'ledger', 'main', n, 'Booked', '1.0', '{"Booked": {"note": "a\u0000b"}}', '{}'
             from generate_series(1, 1200) n"#,
    )
    .execute(pool)
    .await
    .unwrap();
}

/// A new stream's first event.
async fn record(store: &Store, tenant: Uuid, kind: &str, id: Uuid, payload: Value) {
    let event = NewEvent {
        event_id: Uuid::from_u128(id.as_u128() + 1000),
        event_type: payload.as_object().unwrap().keys().next().unwrap().clone(),
        event_version: "1".into(),
        payload,
    };
    let append = Append {
        tenant,
        actor: "system".into(),
        command_id: None,
        correlation_id: Uuid::from_u128(9),
        causation_id: None,
        metadata: json!({}),
        streams: vec![StreamAppend {
            aggregate_type: kind.into(),
            aggregate_id: id.to_string(),
            expected: 0,
            events: vec![event],
        }],
        claims: vec![],
        idempotency: None,
    };
    store.append(append).await.unwrap();
}

/// A conversation and its contact.
async fn converse(store: &Store, tenant: Uuid, conversation: Uuid, contact: Uuid) {
    let name = json!({"$personal": {"subject": contact, "class": "identity", "v": "Ada Obi"}});
    let registered = json!({"Registered": {
        "name": name, "identities": {}, "at": "2026-05-01T12:00:00Z", "source": "api",
    }});
    record(store, tenant, "contact", contact, registered).await;
    let opened = json!({"Opened": {
        "channel": Uuid::from_u128(7), "contact": contact, "group": null, "cycle": 1,
    }});
    record(store, tenant, "conversation", conversation, opened).await;
}

/// The contact's name is a token unless it was asked for in the clear.
async fn check_opening(session: &Session, store: &Store, contact: Uuid) {
    let model = projections::model("contacts").unwrap();
    let key = key::key(session.pool(), model, &[contact.to_string()]).await.unwrap();
    let row = as_of::row(session.pool(), model, &key, i64::MAX).await.unwrap().row;
    let made_by = as_of::made_by(session.pool(), model, &key, i64::MAX).await.unwrap();
    let mut row: Value = serde_json::from_str(&row.unwrap()).unwrap();
    let stored = made_by[0].stored.clone();
    assert!(!row.to_string().contains("Ada") && !stored.payload.contains("Ada"));
    let opener = Opener::of(store.clone());
    opener.row(stored.tenant_id, &mut row).await.unwrap();
    assert_eq!(row["name"], "Ada Obi");
    assert!(opener.event(stored).await.unwrap().payload.contains("Ada Obi"));
}

#[tokio::test]
async fn an_imported_log_is_rebuilt_and_verified_and_what_was_altered_by_hand_is_found() {
    let cluster = Cluster::start().await;
    let options = cluster.embedded.as_ref().unwrap().options();
    let database = Database::open(options, Connections::default(), false).await.unwrap();
    let key = MasterKey::from_hex(&"42".repeat(32)).unwrap();
    let store = Store::open(&database, key, Clock::Database).await.unwrap();
    projections::live::prepare(&database).await.unwrap();
    let session = Session::of(database.clone());
    let (tenant, conversation) = (Uuid::from_u128(1), Uuid::from_u128(2));

    legacy_table(&database.owner).await;
    let first = bring_into(&store, &database.owner, "legacy.events", tenant).await.unwrap();
    assert_eq!((first.streams, first.imported, first.present), (41, 2400, 0));
    let second = bring_into(&store, &database.owner, "legacy.events", tenant).await.unwrap();
    assert_eq!((second.imported, second.present, second.refused), (0, 2400, 0));
    let elsewhere = Uuid::from_u128(99);
    let foreign = bring_into(&store, &database.owner, "legacy.events", elsewhere).await.unwrap();
    assert_eq!((foreign.imported, foreign.refused), (0, 41));

    let contact = Uuid::from_u128(3);
    converse(&store, tenant, conversation, contact).await;
    check_opening(&session, &store, contact).await;
    rebuild::all(&session, MODELS, &Terms::default()).await.unwrap();
    let standing = status::look(&session).await.unwrap();
    assert_eq!((standing.head, standing.events, standing.epoch), (2402, 2402, 1));
    assert!(standing.read_models.iter().all(|model| model.lag == Some(0)), "{standing:?}");
    let green = verify::check(session.pool(), MODELS).await.unwrap();
    assert!(green.ok, "{green:?}");

    check_alterations(&session, conversation).await;
}

async fn check_alterations(session: &Session, conversation: Uuid) {
    let told = async |sql: &str| {
        sqlx::query(sql).execute(session.pool()).await.unwrap();
        verify::check(session.pool(), MODELS).await.unwrap().first_difference().unwrap_or_default()
    };
    let altered = told("update read.inbox set state = 'closed'").await;
    assert!(altered.contains("column state"), "{altered}");
    assert!(altered.contains(&conversation.to_string()), "{altered}");
    assert_eq!(told("update read.inbox set state = 'open'").await, "");
    let unreadable = told("update read.inbox set cycle = -1").await;
    assert!(unreadable.contains(&conversation.to_string()), "{unreadable}");
    assert_eq!(told("update read.inbox set cycle = 1").await, "");
    let hidden = told(r#"update read.contacts set attributes = '{"a": "b"}'"#).await;
    assert!(hidden.contains("column attributes"), "{hidden}");
    assert_eq!(told("update read.contacts set attributes = '{}'").await, "");
    let later = "update read.audit set recorded_at = recorded_at + interval '1 microsecond'";
    let moved = told(later).await;
    assert!(moved.contains("column recorded_at"), "{moved}");
    assert_eq!(told(&later.replace('+', "-")).await, "");
    let lost = told("delete from read.audit where position = 3").await;
    assert!(lost.contains("is missing"), "{lost}");
    let gap = told("delete from events where position = 17").await;
    assert!(gap.contains("position 17 is missing"), "{gap}");
}
