//! What holds of every read model: rebuilt equals live, twice the same, and nobody notices.

use std::collections::BTreeMap;

use projections::{MODELS, rebuild, verify};
use serde_json::json;
use simulators::whatsapp::{self, Line};

use crate::support::{App, LINE};

/// A day of customers, taken in.
async fn day(app: &App) -> crate::support::Organization {
    let organization = app.organization("Baraka").await;
    let line = Line {
        account_id: "1097".into(),
        phone_number_id: LINE.into(),
        display_phone_number: "15550100200".into(),
    };
    for delivery in whatsapp::day(&line, "2026-03-02T00:00:00Z".parse().unwrap()) {
        app.deliver(organization.channel, &delivery.body).await.expect(200);
    }
    organization
}

async fn digests(app: &App) -> BTreeMap<&'static str, String> {
    app.settle().await;
    let mut digests = BTreeMap::new();
    for model in MODELS.iter().copied() {
        let live = verify::live_digest(&app.db.database.app, model).await.unwrap();
        digests.insert(model.name(), live.digest);
    }
    digests
}

#[tokio::test]
async fn rebuilt_equals_live_and_twice_is_the_same() {
    let app = App::start().await;
    day(&app).await;
    app.assert_verified().await;
    let live = digests(&app).await;
    for _ in 0..2 {
        for model in MODELS.iter().copied() {
            let pool = app.store.pool();
            rebuild::rebuild(&app.db.database, pool, model, &|_| {}).await.unwrap();
        }
        assert_eq!(digests(&app).await, live);
    }
    app.assert_verified().await;
}

#[tokio::test]
async fn a_rebuild_while_messages_pour_in_loses_none_and_hides_none() {
    let app = App::start().await;
    let organization = day(&app).await;
    app.settle().await;
    let count = async || {
        let inbox = app.get(&organization.agent, "/v1/inbox?limit=200").await.expect(200);
        inbox.data().as_array().unwrap().len()
    };
    let before = count().await;
    let id = app.get(&organization.agent, "/v1/inbox?limit=1").await.data()[0]["conversation_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let rebuilding = async {
        for model in MODELS.iter().copied() {
            let pool = app.store.pool();
            rebuild::rebuild(&app.db.database, pool, model, &|_| {}).await.unwrap();
        }
    };
    let writing = async {
        for n in 0..60 {
            let path = format!("/v1/conversations/{id}/notes");
            let note = json!({"body": format!("note {n}")});
            app.post(&organization.agent, &path, note).await.expect(201);
            assert!(count().await >= before);
        }
    };
    tokio::join!(rebuilding, writing);
    app.assert_verified().await;
}

#[tokio::test]
async fn one_altered_column_is_found_and_named() {
    let app = App::start().await;
    day(&app).await;
    app.settle().await;
    for (model, change) in [
        ("inbox", "unread = unread + 1"),
        ("conversation_messages", "reply_to = tenant_id"),
        ("contacts", "status = 'blocked'"),
        ("message_volume", "messages = messages + 1"),
        ("audit", "actor = 'system '"),
    ] {
        let model = projections::model(model).unwrap();
        let live =
            projections::generation::live(&app.db.database.app, model).await.unwrap().unwrap();
        let table = model.table(live.generation);
        let change =
            format!("update {table} set {change} where ctid = (select min(ctid) from {table})");
        sqlx::query(&change).execute(&app.db.database.owner).await.unwrap();
        let verdict = verify::verify(&app.db.database.app, model).await.unwrap();
        let difference = verdict.difference.unwrap();
        assert!(difference.column.is_some(), "{difference:?}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_stops_its_stream_and_not_the_world() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact = |name: &str| json!({"name": name});
    let first = app.post(&organization.agent, "/v1/contacts", contact("Ana")).await.expect(201);
    let id = first.data()["id"].as_str().unwrap().to_owned();
    app.settle().await;
    let poison = "insert into events (aggregate_type, aggregate_id, sequence, event_type,
        event_version, payload, metadata, tenant_id)
        values ('contact', $1, 2, 'Levitated', '1', '{\"Levitated\": {}}', '{}', $2)";
    sqlx::query(poison)
        .bind(&id)
        .bind(organization.id)
        .execute(&app.db.database.owner)
        .await
        .unwrap();
    app.post(&organization.agent, "/v1/contacts", contact("Bo")).await.expect(201);
    app.settle().await;
    let contacts = app.get(&organization.agent, "/v1/contacts").await.expect(200);
    assert_eq!(contacts.data().as_array().unwrap().len(), 2);
    let model = projections::model("contacts").unwrap();
    let standing = verify::standing(&app.db.database.app, model).await.unwrap();
    assert_eq!(standing.dead_letters, 1);
}
