//! WhatsApp's webhook: who is believed, what is refused, and that a body is taken in whole or not
//! at all.

mod deliveries;
mod kinds;
mod people;
mod rounds;

use serde_json::{Value, json};
use simulators::whatsapp;
use uuid::Uuid;

use crate::support::{ANA, App, BEN, VERIFY_TOKEN, at, line, text};

/// One text of Ana's, as a whole body.
fn hello() -> Vec<u8> {
    let said = whatsapp::messages(&line(), &[&ANA], vec![text(&ANA, "wamid.1", 0, "Hello")]);
    whatsapp::bytes(whatsapp::envelope(&line(), "messages", said))
}

#[tokio::test]
async fn meta_is_answered_its_challenge_for_the_right_token_alone() {
    let app = App::start().await;
    let channel = app.organization("Baraka").await.channel;
    let ask = async |channel: &str, mode: &str, token: &str| {
        let token = token.replace(' ', "%20");
        let query = format!("hub.mode={mode}&hub.challenge=1158201444&hub.verify_token={token}");
        app.get("", &format!("/webhooks/whatsapp/{channel}?{query}")).await
    };
    let channel = channel.to_string();
    let right = ask(&channel, "subscribe", VERIFY_TOKEN).await.expect(200);
    assert_eq!(right.text, "1158201444");
    assert!(right.header("content-type").starts_with("text/plain"));
    for (mode, token) in
        [("subscribe", "a guess"), ("subscribe", ""), ("unsubscribe", VERIFY_TOKEN)]
    {
        assert_eq!(ask(&channel, mode, token).await.refused(403), "webhook.verify_token");
    }
    let bare = app.get("", &format!("/webhooks/whatsapp/{channel}")).await;
    assert_eq!(bare.refused(403), "webhook.verify_token");
    ask(&Uuid::now_v7().to_string(), "subscribe", VERIFY_TOKEN).await.refused(404);
}

#[tokio::test]
async fn a_body_that_meta_did_not_sign_is_refused_and_writes_nothing() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let body = hello();
    let right = whatsapp::sign(crate::support::APP_SECRET, &body);
    let other_body = whatsapp::sign(crate::support::APP_SECRET, b"{}");
    let other_secret = whatsapp::sign("another secret", &body);
    let short = &right[..right.len() - 1];
    let bare = right.trim_start_matches("sha256=");
    for wrong in ["", "sha256=", "nonsense", short, bare, &other_body, &other_secret] {
        let answer = app.deliver_signed(organization.channel, &body, wrong).await;
        assert_eq!(answer.refused(401), "webhook.signature", "{wrong}");
    }
    let unsigned = format!("/webhooks/whatsapp/{}", organization.channel);
    assert_eq!(app.post_bytes("", &unsigned, body.clone()).await.refused(401), "webhook.signature");
    // Nobody who can't sign learns how a body would be read.
    let unreadable = app.deliver_signed(organization.channel, b"{", &right).await;
    assert_eq!(unreadable.refused(401), "webhook.signature");
    assert_eq!(app.store.head(), before);
    app.deliver_signed(organization.channel, &body, &right).await.expect(200);
    assert!(app.store.head() > before);
}

#[tokio::test]
async fn a_malformed_body_is_refused_with_the_place_and_writes_nothing() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let with = |change: fn(&mut Value)| {
        let mut body: Value = serde_json::from_slice(&hello()).unwrap();
        change(&mut body);
        body.to_string().into_bytes()
    };
    let message = "entry[0].changes[0].value.messages[0]";
    let malformed: [(Vec<u8>, &str); 11] = [
        (vec![], "not JSON"),
        (b"{\"object\": ".to_vec(), "not JSON"),
        (b"\xff\xfe".to_vec(), "not JSON"),
        (b"[]".to_vec(), "object"),
        (with(|body| body["object"] = json!("page")), "object"),
        (with(|body| body["entry"] = Value::Null), "entry"),
        (with(|body| body["entry"][0]["id"] = Value::Null), "entry[0].id"),
        (
            with(|body| body["entry"][0]["changes"][0]["value"] = json!(5)),
            "entry[0].changes[0].value",
        ),
        (with(|body| *told(body) = json!("words")), message),
        (with(|body| told(body)["id"] = json!("")), &format!("{message}.id")),
        (with(|body| told(body)["timestamp"] = json!("now")), &format!("{message}.timestamp")),
    ];
    for (body, place) in malformed {
        let answer = app.deliver(organization.channel, &body).await;
        assert_eq!(answer.refused(400), "webhook.malformed");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(place), "{detail} does not tell of {place}");
        assert!(!detail.contains("258801000122"), "{detail} tells of a person");
    }
    assert_eq!(app.store.head(), before);
}

/// The first message of a body.
fn told(body: &mut Value) -> &mut Value {
    &mut body["entry"][0]["changes"][0]["value"]["messages"][0]
}

#[tokio::test]
async fn three_megabytes_are_taken_and_one_byte_more_is_not() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let mut body = hello();
    body.resize((3 << 20) + 1, b' ');
    app.deliver(organization.channel, &body).await.refused(413);
    assert_eq!(app.store.head(), before);
    body.pop();
    app.deliver(organization.channel, &body).await.expect(200);
    assert_eq!(app.conversations(&organization).await.len(), 1);
}

#[tokio::test]
async fn a_channel_that_nobody_has_is_not_found() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    for stranger in [Uuid::now_v7(), Uuid::nil(), organization.id, organization.agent_id] {
        app.deliver(stranger, &hello()).await.refused(404);
    }
    app.post_bytes("", "/webhooks/whatsapp/our-shop", hello()).await.refused(404);
    assert_eq!(app.store.head(), before);
}

#[tokio::test]
async fn everything_that_a_body_tells_is_kept() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let line = line();
    let two = whatsapp::messages(
        &line,
        &[&ANA, &BEN],
        vec![text(&ANA, "wamid.1", 0, "One"), text(&BEN, "wamid.2", 1, "Two")],
    );
    let statuses = whatsapp::statuses(
        &line,
        &[&ANA],
        vec![
            whatsapp::status(&ANA, "wamid.9", at(2), "sent", Value::Null),
            whatsapp::status(&ANA, "wamid.9", at(3), "delivered", Value::Null),
        ],
    );
    let mut entry = whatsapp::entry(&line, "messages", two);
    let more = whatsapp::messages(&line, &[&ANA], vec![text(&ANA, "wamid.3", 4, "Three")]);
    let changes = entry["changes"].as_array_mut().unwrap();
    changes.push(json!({"field": "messages", "value": more}));
    let account = json!({"event": "VERIFIED_ACCOUNT"});
    let entries = vec![
        entry,
        whatsapp::entry(&line, "messages", statuses),
        whatsapp::entry(&line, "account_update", account),
    ];
    let body = whatsapp::bytes(whatsapp::envelope_of(entries));
    let answer = app.deliver(organization.channel, &body).await.expect(200);
    assert_eq!(answer.data(), json!({"received": 6, "duplicates": 0}));
    let anas = app.conversation(&organization, &ANA).await;
    assert_eq!(app.messages(&organization, &anas).await.len(), 2);
    let bens = app.conversation(&organization, &BEN).await;
    assert_eq!(app.messages(&organization, &bens).await.len(), 1);
    for action in ["conversation.Dispatched", "conversation.Delivered", "channel.AccountUpdated"] {
        assert_eq!(app.audit(&organization, &format!("action={action}")).await.len(), 1);
    }
    app.assert_verified().await;
}

#[tokio::test]
async fn one_malformed_item_refuses_the_whole_body() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let before = app.store.head();
    let line = line();
    let entry = |messages: Vec<Value>| {
        whatsapp::entry(&line, "messages", whatsapp::messages(&line, &[&ANA], messages))
    };
    let mut timeless = text(&ANA, "wamid.3", 2, "Three");
    timeless.as_object_mut().unwrap().remove("timestamp");
    let mut entries = vec![
        entry(vec![text(&ANA, "wamid.1", 0, "One"), text(&ANA, "wamid.2", 1, "Two")]),
        entry(vec![text(&ANA, "wamid.4", 3, "Four"), timeless]),
    ];
    let body = whatsapp::bytes(whatsapp::envelope_of(entries.clone()));
    let answer = app.deliver(organization.channel, &body).await;
    assert_eq!(answer.refused(400), "webhook.malformed");
    assert_eq!(app.store.head(), before);
    // Corrected, none of it counts as told already.
    entries[1]["changes"][0]["value"]["messages"][1]["timestamp"] = json!("1772438402");
    let body = whatsapp::bytes(whatsapp::envelope_of(entries));
    let answer = app.deliver(organization.channel, &body).await.expect(200);
    assert_eq!(answer.data(), json!({"received": 4, "duplicates": 0}));
}

#[tokio::test]
async fn a_character_that_postgresql_cannot_keep_is_replaced() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "before\0after").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let said = app.messages(&organization, &conversation).await;
    assert_eq!(said[0]["content"]["body"], "before\u{fffd}after");
}
