//! What is told twice, too early, or in the wrong order.

use serde_json::{Value, json};
use simulators::whatsapp;

use crate::support::{ANA, Answer, App, Organization, line, text};

async fn said(app: &App, organization: &Organization) -> Vec<Value> {
    let conversation = app.conversation(organization, &ANA).await;
    app.messages(organization, &conversation).await
}

#[tokio::test]
async fn what_is_delivered_again_adds_nothing() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let line = line();
    let said = whatsapp::messages(&line, &[&ANA], vec![text(&ANA, "wamid.1", 0, "Hello")]);
    let status = whatsapp::status(&ANA, "wamid.9", crate::support::at(1), "read", Value::Null);
    let status = whatsapp::statuses(&line, &[&ANA], vec![status]);
    let notice = json!({"event": "VERIFIED_ACCOUNT"});
    let entries = [("messages", said), ("messages", status), ("account_update", notice)];
    let entries = entries.map(|(field, value)| whatsapp::entry(&line, field, value)).to_vec();
    let mut backwards = entries.clone();
    backwards.reverse();
    let bodies = [entries, backwards].map(|e| whatsapp::bytes(whatsapp::envelope_of(e)));
    let told = app.deliver(organization.channel, &bodies[0]).await.expect(200).data();
    assert_eq!(told, json!({"received": 3, "duplicates": 0}));
    let head = app.store.head();
    for body in bodies.iter().cycle().take(4) {
        let told = app.deliver(organization.channel, body).await.expect(200).data();
        assert_eq!(told, json!({"received": 3, "duplicates": 3}));
    }
    assert_eq!(app.store.head(), head);
}

#[tokio::test]
async fn twins_delivered_at_the_same_moment_are_one_message() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let said = whatsapp::messages(&line(), &[&ANA], vec![text(&ANA, "wamid.1", 0, "Hello")]);
    let body = whatsapp::bytes(whatsapp::envelope(&line(), "messages", said));
    let deliver = || app.deliver(organization.channel, &body);
    let twins: [Answer; 6] =
        tokio::join!(deliver(), deliver(), deliver(), deliver(), deliver(), deliver()).into();
    let duplicates: u64 = twins
        .into_iter()
        .map(|answer| answer.expect(200).data()["duplicates"].as_u64().unwrap())
        .sum();
    assert_eq!(duplicates, 5);
    let conversation = app.conversation(&organization, &ANA).await;
    assert_eq!(app.messages(&organization, &conversation).await.len(), 1);
}

#[tokio::test]
async fn forty_messages_of_one_customer_at_the_same_moment_are_all_taken() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let ids: Vec<String> = (0..40).map(|n| format!("wamid.{n}")).collect();
    let ana = ANA;
    let say = ids.iter().map(|id| app.say(&organization, &ana, id, 0, id));
    futures_util::future::join_all(say).await;
    let conversation = app.conversation(&organization, &ANA).await;
    assert_eq!(app.messages(&organization, &conversation).await.len(), 40);
    app.assert_verified().await;
}

#[tokio::test]
async fn the_same_id_with_another_content_is_kept_and_marked() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "I want two").await;
    app.say(&organization, &ANA, "wamid.1", 0, "I want three").await;
    app.say(&organization, &ANA, "wamid.2", 1, "Thank you").await;
    let said = said(&app, &organization).await;
    assert_eq!(said.len(), 2);
    for message in &said {
        let mut bodies = vec![message["content"]["body"].as_str().unwrap()];
        let conflicts = message["conflicts"].as_array().unwrap();
        bodies.extend(conflicts.iter().map(|other| other["content"]["body"].as_str().unwrap()));
        bodies.sort_unstable();
        let disputed = bodies == ["I want three", "I want two"];
        assert!(disputed || bodies == ["Thank you"], "{message}");
        assert_eq!(message["conflict"], disputed, "{message}");
    }
    let head = app.store.head();
    app.say(&organization, &ANA, "wamid.1", 0, "I want two").await;
    app.say(&organization, &ANA, "wamid.1", 0, "I want three").await;
    assert_eq!(app.store.head(), head, "what was kept is known");
    app.assert_verified().await;
}

#[tokio::test]
async fn a_status_that_is_early_waits_for_its_message() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.report(&organization, &ANA, ("wamid.ours", 5), "delivered", Value::Null).await;
    assert!(app.conversations(&organization).await.is_empty(), "nothing was said yet");
    app.echo(&organization, &ANA, "wamid.ours", 0, "Your tap is ready").await;
    let said = said(&app, &organization).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["delivery"]["status"], "delivered");
    assert_eq!(said[0]["delivery"]["receipts"], json!({"delivered": "2026-03-02T08:00:05Z"}));
}

#[tokio::test]
async fn what_was_read_does_not_fall_back_to_delivered() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.echo(&organization, &ANA, "wamid.ours", 0, "Your tap is ready").await;
    for (status, second) in [("read", 9), ("delivered", 5), ("sent", 1)] {
        app.report(&organization, &ANA, ("wamid.ours", second), status, Value::Null).await;
        let said = said(&app, &organization).await;
        assert_eq!(said[0]["delivery"]["status"], "read");
    }
    app.report(&organization, &ANA, ("wamid.ours", 30), "played", Value::Null).await;
    let said = said(&app, &organization).await;
    assert_eq!(said[0]["delivery"]["status"], "played");
    assert_eq!(
        said[0]["delivery"]["receipts"],
        json!({
            "sent": "2026-03-02T08:00:01Z", "delivered": "2026-03-02T08:00:05Z",
            "read": "2026-03-02T08:00:09Z", "played": "2026-03-02T08:00:30Z",
        })
    );
    app.assert_verified().await;
}

#[tokio::test]
async fn a_failed_message_says_why() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.echo(&organization, &ANA, "wamid.ours", 0, "Your tap is ready").await;
    let error = json!({
        "code": 131026, "title": "Message undeliverable", "message": "Message undeliverable",
        "error_data": {"details": "The recipient can't be reached."},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    });
    let why = json!({"errors": [error]});
    app.report(&organization, &ANA, ("wamid.ours", 5), "failed", why).await;
    let said = said(&app, &organization).await;
    let delivery = &said[0]["delivery"];
    assert_eq!(delivery["status"], "failed");
    assert_eq!(delivery["errors"][0]["code"], 131026);
    assert_eq!(delivery["errors"][0]["details"], "The recipient can't be reached.");
}

#[tokio::test]
async fn what_a_message_cost_is_in_the_log() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.echo(&organization, &ANA, "wamid.ours", 0, "Your tap is ready").await;
    let pricing = json!({"pricing": {
        "billable": true, "pricing_model": "PMP", "category": "utility", "type": "regular",
    }});
    app.report(&organization, &ANA, ("wamid.ours", 5), "sent", pricing).await;
    let told = app.audit(&organization, "action=conversation.Dispatched").await;
    let pricing = &told[0]["payload"]["Dispatched"]["pricing"];
    assert_eq!((&pricing["billable"], &pricing["category"]), (&json!(true), &json!("utility")));
}
