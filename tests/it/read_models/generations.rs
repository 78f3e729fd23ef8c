//! Generations: built within little memory, compared before they answer, given up, and gone back to.

use std::time::Duration;

use projections::contacts::Contacts;
use projections::letters;
use projections::rebuild::rollback::rollback;
use projections::rebuild::{self, Rebuilt, Terms};
use projections::{MODELS, Model};
use serde_json::{Value, json};

use super::{day, digests};
use crate::support::App;
use crate::together::hold;

fn inbox() -> &'static dyn Model {
    projections::model("inbox").unwrap()
}

async fn rebuilt(app: &App, terms: &Terms) -> Rebuilt {
    app.settle().await;
    app.rebuild_under(terms, &[inbox()]).await.pop().unwrap()
}

/// A row of the live inbox, by hand.
async fn altered(app: &App, how: &str) {
    let query = format!(
        "update read.inbox set {how} where conversation_id =
            (select min(conversation_id::text)::uuid from read.inbox)"
    );
    sqlx::query(&query).execute(&app.db.database.owner).await.unwrap();
}

#[tokio::test]
async fn within_little_memory_rows_come_out_the_same() {
    let app = App::start().await;
    day(&app).await;
    let live = digests(&app).await;
    for memory in [0, 20_000, 300_000] {
        app.rebuild_under(&Terms { memory, ..Terms::default() }, MODELS).await;
        assert_eq!(digests(&app).await, live, "with {memory} bytes");
    }
    app.assert_verified().await;
}

#[tokio::test]
async fn a_rebuild_waits_for_live_read_models_that_are_late_and_for_no_others() {
    let app = App::start().await;
    let organization = day(&app).await;
    let terms = Terms { live_lag: Some(Duration::from_secs(600)), ..Terms::default() };
    assert_eq!(rebuilt(&app, &terms).await.waited, 0.0, "all is read");
    let (held, _) = hold(&app, &Contacts, "share").await;
    let contact = json!({"name": "Chipo", "phone": "+260971234567"});
    app.post(&organization.owner, "/v1/contacts", contact).await.expect(201);
    let waited = async || app.rebuild_under(&terms, &[inbox()]).await.pop().unwrap().waited;
    assert_eq!(waited().await, 0.0, "they are not as late as that");
    let an_hour_ago = "update events set recorded_at = recorded_at - interval '1 hour'
          where position = (select max(position) from events)";
    sqlx::query(an_hour_ago).execute(&app.db.database.owner).await.unwrap();
    assert!(waited().await > 0.0);
    held.commit().await.unwrap();
}

#[tokio::test]
async fn what_somebody_altered_is_named_and_made_right() {
    let app = App::start().await;
    day(&app).await;
    let live = digests(&app).await;
    altered(&app, "unread = unread + 5").await;
    let comparison = rebuilt(&app, &Terms::default()).await.comparison.unwrap();
    let against = comparison.before.unwrap();
    let [difference] = &against.differences[..] else { panic!("{against:?}") };
    assert_eq!((difference.column.as_str(), difference.rows), ("unread", 1));
    let (before, now) = (difference.before.as_i64().unwrap(), difference.now.as_i64().unwrap());
    assert_eq!(before, now + 5);
    assert_eq!((against.moved, against.wrong_before.len()), (0, 1));
    let key: Value = serde_json::from_str(&against.wrong_before[0]).unwrap();
    assert_eq!(key, difference.key);
    assert_eq!(digests(&app).await, live);
}

#[tokio::test]
async fn a_new_version_is_built_beside_the_old_one_and_nothing_half_filled_answers() {
    let app = App::start().await;
    let organization = day(&app).await;
    app.settle().await;
    let shown = app.get(&organization.agent, "/v1/inbox?limit=200").await.expect(200);
    let before = shown.data();
    // As if the live one were an older release's.
    let owner = &app.db.database.owner;
    sqlx::query("update generations set version = 0 where model = 'inbox'")
        .execute(owner)
        .await
        .unwrap();
    // Which one answers is taken to be so for a moment, but not by who names a position.
    let meanwhile = app.get_since(&shown, &organization.agent, "/v1/inbox").await;
    assert_eq!(meanwhile.refused(503), "read_model.building");
    assert_eq!(meanwhile.json()["model"], "inbox");
    assert!(meanwhile.headers.contains_key("retry-after"));
    assert!(meanwhile.json()["progress"]["head"].is_u64());
    app.get(&organization.agent, "/v1/contacts").await.expect(200);

    let built = app.rebuild_under(&Terms::default(), &[inbox()]).await.pop().unwrap();
    let against = built.comparison.unwrap().before.unwrap();
    assert_eq!((against.version, against.is_the_same()), (0, true));
    let after = app.get(&organization.agent, "/v1/inbox?limit=200").await.expect(200).data();
    assert_eq!(after, before);
    let live: i64 = sqlx::query_scalar(
        "select count(*) from generations where model = 'inbox' and state = 'live'",
    )
    .fetch_one(owner)
    .await
    .unwrap();
    assert_eq!(live, 2, "the old release can still answer from its own");
}

#[tokio::test]
async fn what_is_not_to_answer_yet_waits_and_is_taken_up_again() {
    let app = App::start().await;
    let organization = day(&app).await;
    let built = rebuilt(&app, &Terms { swap: false, ..Terms::default() }).await;
    assert!(!built.live);
    let standing = app.get(&organization.owner, "/v1/projections").await.expect(200).data();
    let inbox = standing.as_array().unwrap().iter().find(|it| it["model"] == "inbox").unwrap();
    assert_eq!((&inbox["state"], &inbox["generation"]), (&json!("rebuilding"), &json!(1)));
    assert_eq!(inbox["building"]["phase"], "ready");

    app.post(&organization.agent, "/v1/contacts", json!({"name": "Ana"})).await.expect(201);
    let taken_up = rebuilt(&app, &Terms::default()).await;
    assert_eq!((taken_up.generation, taken_up.live), (built.generation, true));
    assert!(taken_up.events < built.events, "it did not begin anew");
    app.assert_verified().await;
}

#[tokio::test]
async fn the_way_back_answers_with_all_that_came_since() {
    let app = App::start().await;
    let organization = day(&app).await;
    let second = rebuilt(&app, &Terms::default()).await.generation;
    let path = app.get(&organization.agent, "/v1/inbox?limit=1").await.data()[0]["conversation_id"]
        .as_str()
        .map(|id| format!("/v1/conversations/{id}"))
        .unwrap();
    let assign = json!({"agent_id": organization.agent_id});
    app.post(&organization.owner, &format!("{path}/assign"), assign).await.expect(200);
    app.settle().await;
    let live = digests(&app).await;

    let back = rollback(&app.db.database, inbox()).await.unwrap();
    assert_eq!((back.from, back.to, back.events >= 1), (Some(second), 1, true));
    assert_eq!(digests(&app).await, live);
    app.post(&organization.owner, &format!("{path}/unassign"), Value::Null).await.expect(200);
    app.settle().await;
    app.assert_verified().await;
    let forth = rollback(&app.db.database, inbox()).await.unwrap();
    assert_eq!((forth.from, forth.to), (Some(1), second));
    app.assert_verified().await;
}

#[tokio::test]
async fn what_the_database_refused_goes_on_when_it_is_asked_for_and_let_in() {
    let app = App::start().await;
    let organization = day(&app).await;
    super::oversized(&app, &organization).await;
    app.settle().await;
    let owner = &app.db.database.owner;
    let [stopped] = &letters::list(owner, None).await.unwrap()[..] else { panic!() };
    let tried = async || {
        let here = letters::retry(&app.db.database, stopped).await.unwrap();
        assert!(!here, "the server feeds");
        while !letters::is_tried(owner, stopped).await.unwrap() {
            tokio::task::yield_now().await;
        }
        letters::list(owner, None).await.unwrap().len()
    };
    assert_eq!(tried().await, 1, "the index refuses it still");
    for index in 1..=8 {
        let drop = format!("drop index if exists read_data.audit_g1_{index}");
        sqlx::query(&drop).execute(owner).await.unwrap();
    }
    assert_eq!(tried().await, 0);
    let kept: i64 = sqlx::query_scalar("select count(*) from read.audit where position = $1")
        .bind(stopped.position)
        .fetch_one(owner)
        .await
        .unwrap();
    assert_eq!(kept, 1);
    app.assert_verified().await;
}

#[tokio::test]
async fn what_lost_a_row_may_not_answer() {
    let app = App::start().await;
    day(&app).await;
    let live = digests(&app).await;
    let built = rebuilt(&app, &Terms { swap: false, ..Terms::default() }).await;
    let lose = format!(
        "delete from read_data.inbox_g{} where conversation_id =
            (select min(conversation_id::text)::uuid from read.inbox)",
        built.generation
    );
    sqlx::query(&lose).execute(&app.db.database.owner).await.unwrap();
    let outcomes = rebuild::rebuild(&app.db.database, &[inbox()], &Terms::default(), &|_| {}).await;
    let (_, outcome) = outcomes.unwrap().pop().unwrap();
    let told = outcome.unwrap_err().to_string();
    assert!(told.contains("is missing, and a replay makes it"), "{told}");
    assert_eq!(digests(&app).await, live);
}

#[tokio::test]
async fn who_names_a_read_model_twice_gets_it_once() {
    let app = App::start().await;
    day(&app).await;
    let live = digests(&app).await;
    assert_eq!(app.rebuild_under(&Terms::default(), &[inbox(), inbox()]).await.len(), 1);
    assert_eq!(digests(&app).await, live);
}

#[tokio::test]
async fn the_way_back_leads_to_what_answered_last() {
    let app = App::start().await;
    day(&app).await;
    rebuilt(&app, &Terms::default()).await;
    assert_eq!(rollback(&app.db.database, inbox()).await.unwrap().to, 1);
    rebuilt(&app, &Terms::default()).await;
    let back = rollback(&app.db.database, inbox()).await.unwrap();
    assert_eq!(back.to, 1, "not to the one that was given up");
    app.assert_verified().await;
}
