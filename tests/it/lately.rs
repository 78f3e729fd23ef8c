//! What was read of a conversation lately is told again, as long as it is what would be read now.

use projections::conversation_messages::{Among, ConversationMessages};
use projections::finder::Finder;
use projections::inbox::Inbox;
use projections::{generation, letters};
use serde_json::json;
use uuid::Uuid;

use crate::support::{ANA, App, BEN, Organization};
use crate::together::{TRIES, hold, told_unread};
use crate::workspace::{fresh_key, with_two};

#[tokio::test]
async fn what_was_read_of_a_conversation_is_told_again_until_something_happens_in_it() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.say(&shop, &ANA, "wamid.1", 0, "Hello").await;
    let talk = app.conversation(&shop, &ANA).await;
    app.say(&shop, &BEN, "wamid.2", 1, "Good evening").await;
    app.settle().await;
    let path = format!("/v1/conversations/{talk}/messages");
    let mut again = None;
    for _ in 0..TRIES {
        let first = app.get(&shop.owner, &path).await.expect(200).text;
        again = told_unread(&app, &shop.owner, &ConversationMessages, &path).await;
        if let Some(again) = &again {
            assert_eq!(*again, first);
            break;
        }
    }
    assert!(again.is_some(), "the page is read again each time");
    for note in ["She wants it before Friday.", "She called again."] {
        let body = json!({"body": note});
        let noted = app.post(&shop.owner, &format!("/v1/conversations/{talk}/notes"), body).await;
        let page = app.get_since(&noted.expect(201), &shop.owner, &path).await.expect(200);
        assert_eq!(page.data()[0]["body"], note);
    }
}

#[tokio::test]
async fn who_may_not_see_a_conversation_any_more_is_not_told_what_was_read_of_it() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (theirs, nobodys) = with_two(&app, &shop).await;
    let agent = fresh_key(&app, &shop).await;
    let path = format!("/v1/conversations/{nobodys}/messages");
    for _ in 0..3 {
        app.get(&agent, &path).await.expect(200);
    }
    let other = app.get(&shop.owner, &format!("/v1/conversations/{theirs}")).await.expect(200);
    let body = json!({"agent_id": other.data()["assignee_id"]});
    let assigned =
        app.post(&shop.owner, &format!("/v1/conversations/{nobodys}/assign"), body).await;
    let assigned = assigned.expect(200);
    app.get_since(&assigned, &agent, &path).await.expect(404);
    app.get_since(&assigned, &shop.owner, &path).await.expect(200);
}

#[tokio::test]
async fn what_the_read_models_have_not_read_yet_is_told_once_they_have() {
    let app = App::start().await;
    let (shop, talk) = with_one(&app).await;
    assert_eq!(said(&app, &shop, &talk).await, 1);
    let (held, _) = hold(&app, &ConversationMessages, "share").await;
    note(&app, &shop, &talk).await;
    for _ in 0..3 {
        assert_eq!(said(&app, &shop, &talk).await, 1);
    }
    held.commit().await.unwrap();
    app.settle().await;
    assert_eq!(said(&app, &shop, &talk).await, 2);
}

#[tokio::test]
async fn a_message_that_stood_still_is_told_once_it_goes_on() {
    let app = App::start().await;
    let (shop, talk) = with_one(&app).await;
    let owner = &app.db.database.owner;
    for refusing in [
        "create function refuse() returns trigger language plpgsql as $$ begin
           if new.kind = 'note' then raise 'no notes today'; end if;
           return new; end $$",
        "create trigger refuse before insert on read_data.conversation_messages_g1
           for each row execute function refuse()",
    ] {
        sqlx::query(refusing).execute(owner).await.unwrap();
    }
    note(&app, &shop, &talk).await;
    app.settle().await;
    let [stopped] = &letters::list(owner, None).await.unwrap()[..] else { panic!() };
    for _ in 0..3 {
        assert_eq!(said(&app, &shop, &talk).await, 1);
    }
    let mended = "drop trigger refuse on read_data.conversation_messages_g1";
    sqlx::query(mended).execute(owner).await.unwrap();
    letters::retry(&app.db.database, stopped).await.unwrap();
    while !letters::list(owner, None).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(said(&app, &shop, &talk).await, 2);
}

#[tokio::test]
async fn what_one_of_the_read_models_has_taken_in_ends_what_was_read_before() {
    let app = App::start().await;
    let (shop, talk) = with_one(&app).await;
    let pool = &app.db.database.owner;
    let talk = talk.parse().unwrap();
    let head: i64 = sqlx::query_scalar("select max(position) from events where aggregate_id = $1")
        .bind(Uuid::to_string(&talk))
        .fetch_one(pool)
        .await
        .unwrap();
    let generation = async |model| generation::live(pool, model).await.unwrap().unwrap().generation;
    let (messages, inbox) = (generation(&ConversationMessages).await, generation(&Inbox).await);
    let app_role = &app.db.database.app;
    let among = Among {
        messages: &Finder::new(app_role, &ConversationMessages, messages, shop.id),
        inbox: &Finder::new(app_role, &Inbox, inbox, shop.id),
        seen_by: None,
    };
    for behind in ["inbox", "conversation_messages"] {
        sqlx::query("update generations set position = 1 where model = $1")
            .bind(behind)
            .execute(pool)
            .await
            .unwrap();
        let last = among.last(vec![talk]).await.unwrap();
        let expected = if behind == "inbox" { Some(&head) } else { None };
        assert_eq!(last.get(&talk), expected, "{behind} is behind");
    }
}

/// A conversation in which something was said once.
async fn with_one(app: &App) -> (Organization, String) {
    let shop = app.organization("Baraka").await;
    app.say(&shop, &ANA, "wamid.1", 0, "Hello").await;
    let talk = app.conversation(&shop, &ANA).await;
    app.settle().await;
    (shop, talk)
}

async fn note(app: &App, shop: &Organization, talk: &str) {
    let path = format!("/v1/conversations/{talk}/notes");
    app.post(&shop.owner, &path, json!({"body": "Call her."})).await.expect(201);
}

/// How much was said and noted.
async fn said(app: &App, shop: &Organization, talk: &str) -> usize {
    let page = app.get(&shop.owner, &format!("/v1/conversations/{talk}/messages")).await;
    page.expect(200).data().as_array().map_or(0, Vec::len)
}
