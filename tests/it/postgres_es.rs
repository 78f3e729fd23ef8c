//! Our log is one that postgres-es reads in place, and writes into.

use commands::Commands;
use commands::sourced::{Sourced, Stored};
use cqrs_es::persist::PersistedEventRepository;
use cqrs_es::{AggregateContext as _, EventStore};
use domain::organization::{self, Organization};
use event_store::log;
use uuid::Uuid;

use crate::support::TestDatabase;

#[tokio::test]
async fn postgres_es_reads_an_aggregate_from_our_log() {
    let db = TestDatabase::new().await;
    let commands = Commands::new(db.store().await);
    let id = commands::setup::found_organization(&commands, "Baraka").await.unwrap();
    let framework = postgres_es::PostgresEventRepository::new(db.database.owner.clone());
    let events = framework.get_events::<Sourced<Organization>>(&id.to_string()).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, "Founded");
    let store = cqrs_es::persist::PersistedEventStore::<_, Sourced<Organization>>::new_event_store(
        framework,
    );
    let mut loaded = store.load_aggregate(&id.to_string()).await.unwrap();
    assert_eq!(loaded.aggregate().0.name.as_deref(), Some("Baraka"));
}

#[tokio::test]
async fn events_that_postgres_es_inserts_take_their_place_in_the_order() {
    let db = TestDatabase::new().await;
    let store = db.store().await;
    let commands = Commands::new(store.clone());
    commands::setup::found_organization(&commands, "First").await.unwrap();
    let framework = postgres_es::PostgresEventRepository::new(db.database.owner.clone());
    let (id, founded) =
        (Uuid::now_v7().to_string(), organization::Event::Founded { name: "Other".into() });
    let events = cqrs_es::persist::PersistedEventStore::<_, Sourced<Organization>>::new_event_store(
        framework,
    );
    let context = events.load_aggregate(&id).await.unwrap();
    events.commit(vec![Stored(founded)], context, Default::default()).await.unwrap();
    commands::setup::found_organization(&commands, "Last").await.unwrap();
    let page = log::page(store.worker(), 0, 9, 9).await.unwrap();
    assert_eq!(page.iter().map(|event| event.position).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (page[1].aggregate_id.as_str(), page[1].actor.as_str()),
        (id.as_str(), "import:postgres-es")
    );
    assert!(page.is_sorted_by_key(|event| event.recorded_at));
}
