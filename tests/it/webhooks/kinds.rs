//! Every kind of message that the Cloud API sends arrives as what it is.

use serde_json::{Value, json};

use crate::support::{ANA, App, BEN, Organization};

/// What Meta sends under the message's kind, and what we show of it.
fn kinds() -> Vec<(&'static str, Value, Value)> {
    let mut kinds = media();
    kinds.extend(replies());
    kinds.extend([
        ("text", json!({"body": "Habari! 😀 ñ"}), json!({"body": "Habari! 😀 ñ"})),
        (
            "location",
            json!({"latitude": -1.2921, "longitude": 36.8219, "name": "Shop", "address": "Moi Ave"}),
            json!({"latitude": -1.2921, "longitude": 36.8219, "name": "Shop", "address": "Moi Ave"}),
        ),
        (
            "contacts",
            json!([{
                "name": {"formatted_name": "Juma Mwakyusa", "first_name": "Juma", "last_name": "Mwakyusa"},
                "phones": [{"phone": "+255 640 000 118", "wa_id": "255640000118", "type": "CELL"}],
                "org": {"company": "Juma & Sons"},
            }]),
            json!({"cards": [{
                "name": {"formatted": "Juma Mwakyusa", "first": "Juma", "last": "Mwakyusa"},
                "phones": [{"phone": "+255 640 000 118", "wa_id": "255640000118", "kind": "CELL"}],
                "organization": {"company": "Juma & Sons"},
            }]}),
        ),
        (
            "order",
            json!({"catalog_id": "44", "text": "Quickly please", "product_items": [
                {"product_retailer_id": "tap-3", "quantity": 2, "item_price": 1250.5, "currency": "KES"},
                {"product_retailer_id": "hose", "quantity": "1", "item_price": "300", "currency": "KES"},
            ]}),
            json!({"catalog_id": "44", "text": "Quickly please", "items": [
                {"product_retailer_id": "tap-3", "quantity": 2, "item_price": "1250.5", "currency": "KES"},
                {"product_retailer_id": "hose", "quantity": 1, "item_price": "300", "currency": "KES"},
            ]}),
        ),
        ("request_welcome", Value::Null, json!({})),
    ]);
    kinds
}

fn media() -> Vec<(&'static str, Value, Value)> {
    let file = |mime_type: &str, beside: Value| {
        let mut file = json!({"id": "8801", "mime_type": mime_type, "sha256": "bm90aGluZw=="});
        file.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        file
    };
    let same = |kind, part: Value| (kind, part.clone(), part);
    vec![
        same("image", file("image/jpeg", json!({"caption": "The leak"}))),
        same("audio", file("audio/ogg; codecs=opus", json!({"voice": true}))),
        same("video", file("video/mp4", json!({"caption": "It drips"}))),
        same("document", file("application/pdf", json!({"filename": "invoice.pdf"}))),
        same("sticker", file("image/webp", json!({"animated": false}))),
    ]
}

fn replies() -> Vec<(&'static str, Value, Value)> {
    let reply = |kind: &str, part: Value| {
        let mut shown = part.clone();
        shown["type"] = json!(kind);
        ("interactive", json!({"type": kind, kind: part}), json!({"reply": shown}))
    };
    let pressed = json!({"text": "Yes", "payload": "confirm-17"});
    vec![
        reply("button_reply", json!({"id": "b1", "title": "Tomorrow"})),
        reply("list_reply", json!({"id": "l1", "title": "Taps", "description": "All our taps"})),
        reply(
            "nfm_reply",
            json!({"name": "flow", "body": "Sent", "response_json": "{\"size\": 7}"}),
        ),
        ("button", pressed.clone(), pressed),
    ]
}

#[tokio::test]
async fn every_kind_of_message_arrives_as_what_it_is() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let kinds = kinds();
    for (second, (kind, content, _)) in (0..).zip(&kinds) {
        let id = format!("wamid.{second}");
        let what = (*kind, content.clone());
        app.send_kind(&organization, &ANA, (&id, second), what, Value::Null).await;
    }
    let conversation = app.conversation(&organization, &ANA).await;
    let said = app.messages(&organization, &conversation).await;
    assert_eq!(said.len(), kinds.len());
    for (message, (kind, _, mut shown)) in said.into_iter().zip(kinds) {
        shown["type"] = json!(kind);
        assert_eq!(message["kind"], kind);
        assert_eq!(message["content"], shown);
        assert_eq!((&message["author"], &message["cycle"]), (&json!("customer"), &json!(1)));
        assert_eq!(message["conflict"], false);
    }
    let previews = app.conversations(&organization).await;
    assert_eq!(previews[0]["last_message"]["kind"], "request_welcome");
    assert_eq!(previews[0]["unread_count"], said_count(&previews[0]));
    app.assert_verified().await;
}

fn said_count(row: &Value) -> Value {
    row["message_count"].clone()
}

#[tokio::test]
async fn what_whatsapp_cannot_hand_over_is_kept_with_its_reason_and_body() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let errors = json!([{
        "code": 131051, "title": "Message type unknown", "message": "Message type unknown",
        "error_data": {"details": "Message type is currently not supported."},
    }]);
    let what = ("unsupported", json!({"type": "poll_creation"}));
    let extras = json!({"errors": errors});
    app.send_kind(&organization, &ANA, ("wamid.1", 0), what, extras).await;
    let what = ("hologram", json!({"depth": 3}));
    app.send_kind(&organization, &ANA, ("wamid.2", 1), what, Value::Null).await;
    // A known kind in an unknown form loses nothing either.
    let what = ("location", json!({"planet": "Mars"}));
    app.send_kind(&organization, &ANA, ("wamid.3", 2), what, Value::Null).await;
    let said = messages_of_ana(&app, &organization).await;
    for (message, word) in said.iter().zip(["poll_creation", "hologram", "location"]) {
        assert_eq!(
            (&message["kind"], &message["content"]["kind"]),
            (&json!("unsupported"), &json!(word))
        );
    }
    assert_eq!(
        said[0]["content"]["errors"],
        json!([{
            "code": 131051, "title": "Message type unknown", "message": "Message type unknown",
            "details": "Message type is currently not supported.",
        }])
    );
    let body: Value = serde_json::from_str(said[1]["content"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["id"], &body["hologram"]["depth"]), (&json!("wamid.2"), &json!(3)));
}

async fn messages_of_ana(app: &App, organization: &Organization) -> Vec<Value> {
    let conversation = app.conversation(organization, &ANA).await;
    app.messages(organization, &conversation).await
}

#[tokio::test]
async fn a_reaction_stands_at_its_message_until_it_is_taken_back() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.echo(&organization, &ANA, "wamid.ours", 0, "Your tap is ready").await;
    let react = async |id: &str, second: i64, emoji: &str| {
        let mut reaction = json!({"message_id": "wamid.ours", "emoji": emoji});
        if emoji.is_empty() {
            reaction.as_object_mut().unwrap().remove("emoji");
        }
        let what = ("reaction", reaction);
        app.send_kind(&organization, &ANA, (id, second), what, Value::Null).await;
        messages_of_ana(&app, &organization).await
    };
    let said = react("wamid.2", 1, "❤️").await;
    assert_eq!(said.len(), 1, "a reaction is no message of its own");
    assert_eq!(said[0]["reactions"][0]["emoji"], "❤️");
    assert_eq!(
        said[0]["reactions"][0]["by"],
        app.conversations(&organization).await[0]["contact"]["id"]
    );
    let said = react("wamid.3", 2, "👍").await;
    let emoji: Vec<_> =
        said[0]["reactions"].as_array().unwrap().iter().map(|r| &r["emoji"]).collect();
    assert_eq!(emoji, ["👍"], "a person has one reaction");
    assert_eq!(react("wamid.4", 3, "").await[0]["reactions"], json!([]));
    // What comes late does not bring back what was taken away since.
    assert_eq!(react("wamid.late", 1, "😮").await[0]["reactions"], json!([]));
    app.assert_verified().await;
}

#[tokio::test]
async fn an_edited_message_shows_what_it_says_now_and_what_it_said() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let edit = async |id: &str, second: i64, body: &str| {
        let now = json!({"type": "text", "text": {"body": body}});
        let edit = json!({"original_message_id": "wamid.1", "message": now});
        app.send_kind(&organization, &ANA, (id, second), ("edit", edit), Value::Null).await;
    };
    // The second edit overtakes the message itself, and the first edit comes last.
    edit("wamid.3", 20, "Two taps, please").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Two tapps").await;
    edit("wamid.2", 10, "Two tapes").await;
    let said = messages_of_ana(&app, &organization).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["content"]["body"], "Two tapps");
    assert_eq!(said[0]["edited"]["content"], json!({"type": "text", "body": "Two taps, please"}));
    app.assert_verified().await;
}

#[tokio::test]
async fn a_revoked_message_says_since_when() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "My PIN is 1234").await;
    assert_eq!(messages_of_ana(&app, &organization).await[0]["revoked_at"], Value::Null);
    let what = ("revoke", json!({"original_message_id": "wamid.1"}));
    app.send_kind(&organization, &ANA, ("wamid.2", 60), what, Value::Null).await;
    let said = messages_of_ana(&app, &organization).await;
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["revoked_at"], "2026-03-02T08:01:00Z");
}

#[tokio::test]
async fn a_click_on_an_ad_and_a_forwarded_message_are_told() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let referral = json!({
        "source_url": "https://fb.me/1", "source_id": "77", "source_type": "ad",
        "headline": "Taps", "body": "Cheap taps", "media_type": "image", "ctwa_clid": "Afc1",
        "welcome_message": {"text": "What may we do?"},
    });
    let hello = ("text", json!({"body": "Hello"}));
    let extras = json!({"referral": referral});
    app.send_kind(&organization, &ANA, ("wamid.1", 0), hello.clone(), extras).await;
    let product = json!({"catalog_id": "44", "product_retailer_id": "tap-3"});
    let extras = json!({"context": {"forwarded": true, "referred_product": product}});
    app.send_kind(&organization, &ANA, ("wamid.2", 1), hello, extras).await;
    let said = messages_of_ana(&app, &organization).await;
    let mut shown = referral;
    shown["welcome_message"] = json!("What may we do?");
    assert_eq!(said[0]["referral"], shown);
    assert_eq!(said[1]["context"], json!({"forwarded": true, "referred_product": product}));
    assert_eq!(said[1]["referral"], Value::Null);
}

#[tokio::test]
async fn a_reply_names_the_message_it_answers_whichever_came_first() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let answer = async |id: &str, second: i64, to: &str| {
        let extras = json!({"context": {"from": "15550100200", "id": to}});
        let what = ("text", json!({"body": "Yes"}));
        app.send_kind(&organization, &ANA, (id, second), what, extras).await;
    };
    app.echo(&organization, &ANA, "wamid.early", 0, "Do you want two?").await;
    answer("wamid.2", 1, "wamid.early").await;
    answer("wamid.4", 3, "wamid.late").await;
    app.echo(&organization, &ANA, "wamid.late", 2, "Really?").await;
    let said = messages_of_ana(&app, &organization).await;
    assert_eq!(said.len(), 4);
    assert_eq!(said[1]["reply_to"], said[0]["id"]);
    assert_eq!(said[3]["reply_to"], said[2]["id"]);
    assert_eq!(said[0]["author"], "human");
}

#[tokio::test]
async fn a_person_who_changes_their_number_stays_the_same_person() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let changed = json!({
        "type": "user_changed_number", "wa_id": "258801000139",
        "body": "Ana Lima changed from 258801000122 to 258801000139",
    });
    app.send_kind(&organization, &ANA, ("wamid.2", 60), ("system", changed), Value::Null).await;
    let mut anew = ANA;
    anew.wa_id = Some("258801000139".into());
    app.say(&organization, &anew, "wamid.3", 120, "It's me").await;
    app.say(&organization, &BEN, "wamid.4", 130, "And I am somebody else").await;
    let conversation = app.conversation(&organization, &anew).await;
    let said = app.messages(&organization, &conversation).await;
    let kinds: Vec<&Value> = said.iter().map(|message| &message["kind"]).collect();
    assert_eq!(kinds, ["text", "system", "text"]);
    assert_eq!(said[1]["content"]["kind"], "user_changed_number");
    assert_eq!(said[1]["content"]["new_wa_id"], "258801000139");
    assert_eq!(app.conversations(&organization).await.len(), 2);
}
