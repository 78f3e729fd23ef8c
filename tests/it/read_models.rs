//! What holds of every read model: rebuilt equals live, twice the same, and nobody notices.

mod generations;
mod held;
mod lanes;
mod statistics;

use std::collections::BTreeMap;

use projections::{MODELS, standing, verify};
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
        let live = verify::live_digest(&app.db.database.owner, model).await.unwrap();
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
        app.rebuild(MODELS).await;
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
    let rebuilding = app.rebuild(MODELS);
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
        let verdict = verify::verify(&app.db.database.owner, model).await.unwrap();
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
    let standing = standing::standing(app.db.database.app.pool(), model).await.unwrap();
    assert_eq!(standing.dead_letters, 1);
}

/// Another program's event, as postgres-es inserts one, with a type that no index can hold.
async fn oversized(app: &App, organization: &crate::support::Organization) {
    let insert = "insert into events (aggregate_type, aggregate_id, sequence, event_type,
        event_version, payload, metadata, tenant_id)
        values ('parcel', $1, 1, $2, '1', '{}', '{}', $3)";
    // Nothing that repeats, or the index would squeeze it.
    let random = || uuid::Uuid::new_v4().simple().to_string();
    sqlx::query(insert)
        .bind(random())
        .bind((0..300).map(|_| random()).collect::<String>())
        .bind(organization.id)
        .execute(&app.db.database.owner)
        .await
        .unwrap();
}

async fn dead_letters(app: &App) -> BTreeMap<&'static str, i64> {
    let mut letters = BTreeMap::new();
    for model in MODELS.iter().copied() {
        let standing = standing::standing(app.db.database.app.pool(), model).await.unwrap();
        assert_eq!(standing.lag, Some(0), "{}", model.name());
        letters.insert(model.name(), standing.dead_letters);
    }
    letters.retain(|_, count| *count > 0);
    letters
}

#[tokio::test]
async fn a_row_that_the_database_refuses_stops_its_key_and_not_the_world() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let contact = async |name: &str| {
        app.post(&organization.agent, "/v1/contacts", json!({"name": name})).await.expect(201);
    };
    contact("Ana").await;
    oversized(&app, &organization).await;
    contact("Bo").await;
    oversized(&app, &organization).await;
    contact("Cy").await;
    app.assert_verified().await;
    assert_eq!(dead_letters(&app).await, BTreeMap::from([("audit", 2)]));
    let contacts = app.get(&organization.agent, "/v1/contacts").await.expect(200);
    assert_eq!(contacts.data().as_array().unwrap().len(), 3);
    let audit = app.audit(&organization, "action=contact.Registered").await;
    assert_eq!(audit.len(), 3);
    let reason: String = sqlx::query_scalar("select min(reason) from dead_letters")
        .fetch_one(&app.db.database.app)
        .await
        .unwrap();
    assert!(reason.contains("index row"), "{reason}");
    app.get(&organization.agent, "/ready").await.expect(200);
    let standing = app.get(&organization.agent, "/v1/projections").await.expect(200);
    let standing = standing.data();
    let audit =
        standing.as_array().unwrap().iter().find(|model| model["model"] == "audit").unwrap();
    assert_eq!((&audit["dead_letters"], &audit["lag"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn of_an_event_that_touches_many_rows_only_the_refused_one_stands_still() {
    let app = App::start().await;
    let organization = day(&app).await;
    app.settle().await;
    let owner = &app.db.database.owner;
    let (conversation, messages): (uuid::Uuid, Vec<uuid::Uuid>) = sqlx::query_as(
        "select conversation_id, array_agg(message_id) from read.conversation_messages
          group by conversation_id order by count(*) desc limit 1",
    )
    .fetch_one(owner)
    .await
    .unwrap();
    let kept = messages[messages.len() / 2];
    for refusing in [
        format!(
            "create function refuse() returns trigger language plpgsql as $$ begin
               if old.message_id = '{kept}' then raise 'this one stays'; end if;
               return old; end $$"
        ),
        "create trigger refuse before delete on read_data.conversation_messages_g1
           for each row execute function refuse()"
            .into(),
    ] {
        sqlx::query(&refusing).execute(owner).await.unwrap();
    }
    let merged = json!({"Merged": {"into": uuid::Uuid::nil(), "messages": messages}});
    let insert = "insert into events (aggregate_type, aggregate_id, sequence, event_type,
        event_version, payload, metadata, tenant_id)
        select aggregate_type, aggregate_id, max(sequence) + 1, 'Merged', '1', $2::json, '{}', $3
          from events where aggregate_type = 'conversation' and aggregate_id = $1 group by 1, 2";
    sqlx::query(insert)
        .bind(conversation.to_string())
        .bind(merged.to_string())
        .bind(organization.id)
        .execute(owner)
        .await
        .unwrap();
    app.assert_verified().await;
    assert_eq!(dead_letters(&app).await, BTreeMap::from([("conversation_messages", 1)]));
    let left: Vec<uuid::Uuid> = sqlx::query_scalar(
        "select message_id from read.conversation_messages where conversation_id = $1",
    )
    .bind(conversation)
    .fetch_all(owner)
    .await
    .unwrap();
    assert_eq!(left, [kept]);
}

#[tokio::test]
async fn a_database_that_lets_nobody_write_is_waited_for_and_no_event_put_aside() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.settle().await;
    let owner = &app.db.database.owner;
    for table in ["contacts", "audit"] {
        let revoked = format!("revoke insert on read_data.{table}_g1 from verbatim_projector");
        sqlx::query(&revoked).execute(owner).await.unwrap();
    }
    app.post(&organization.agent, "/v1/contacts", json!({"name": "Ana"})).await.expect(201);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    for table in ["contacts", "audit"] {
        let granted = format!("grant insert on read_data.{table}_g1 to verbatim_projector");
        sqlx::query(&granted).execute(owner).await.unwrap();
    }
    app.assert_verified().await;
    assert_eq!(dead_letters(&app).await, BTreeMap::new());
}

#[tokio::test]
async fn a_rebuild_goes_around_a_row_that_the_database_refuses() {
    let app = App::start().await;
    let organization = day(&app).await;
    oversized(&app, &organization).await;
    app.post(&organization.agent, "/v1/contacts", json!({"name": "Ana"})).await.expect(201);
    let live = digests(&app).await;
    for _ in 0..3 {
        app.rebuild(MODELS).await;
        assert_eq!(digests(&app).await, live);
        assert_eq!(dead_letters(&app).await, BTreeMap::from([("audit", 1)]));
    }
    oversized(&app, &organization).await;
    app.assert_verified().await;
    assert_eq!(dead_letters(&app).await, BTreeMap::from([("audit", 2)]));
}

#[tokio::test]
async fn what_is_known_of_a_generation_goes_with_it() {
    let app = App::start().await;
    let organization = day(&app).await;
    oversized(&app, &organization).await;
    app.settle().await;
    let owner = &app.db.database.owner;
    let abandoned = "insert into generations (model, generation, version, shape, state)
        values ('audit', 2, 0, 'of an older program', 'building')";
    sqlx::query(abandoned).execute(owner).await.unwrap();
    sqlx::query("insert into rebuild_progress values ('audit', 2, 1)")
        .execute(owner)
        .await
        .unwrap();
    let audit = projections::model("audit").unwrap();
    for _ in 0..3 {
        app.rebuild(&[audit]).await;
    }
    let left = async |table: &str| -> Vec<i32> {
        let query = format!("select distinct generation from {table} where model = 'audit'");
        let mut left: Vec<i32> = sqlx::query_scalar(&query).fetch_all(owner).await.unwrap();
        left.sort_unstable();
        left
    };
    assert_eq!(left("generations").await, [4, 5], "the live one, and the way back");
    assert_eq!(left("dead_letters").await, [4, 5]);
    assert_eq!(left("rebuild_progress").await, [0; 0], "nothing is being built");
}
