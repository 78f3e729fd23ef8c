//! Bodies that the endpoint for messages takes, and some that it doesn't.

use serde_json::{Value, json};

use super::super::message::check;

fn body(kind: &str, content: Value) -> Value {
    json!({
        "messaging_product": "whatsapp", "to": "+254190000199", "type": kind, kind: content,
    })
}

fn interactive(kind: &str, action: Value) -> Value {
    body("interactive", json!({"type": kind, "body": {"text": "Which?"}, "action": action}))
}

fn buttons(titles: &[&str]) -> Value {
    let button = |title: &&str| json!({"type": "reply", "reply": {"id": format!("id-{title}"), "title": title}});
    interactive("button", json!({"buttons": titles.iter().map(button).collect::<Vec<_>>()}))
}

fn list(rows: usize) -> Value {
    let rows: Vec<Value> = (0..rows)
        .map(|row| json!({"id": row.to_string(), "title": format!("Row {row}")}))
        .collect();
    interactive("list", json!({"button": "Choose", "sections": [{"title": "All", "rows": rows}]}))
}

#[test]
fn every_documented_type_is_taken() {
    let name = json!({"formatted_name": "Grace Mutoni", "first_name": "Grace"});
    let taken = [
        body("text", json!({"body": "Hello", "preview_url": true})),
        body("image", json!({"id": "1", "caption": "The lamp"})),
        body("video", json!({"link": "https://shop.example/lamp.mp4"})),
        body("audio", json!({"id": "1", "voice": true})),
        body("document", json!({"id": "1", "filename": "bill.pdf", "caption": "Your bill"})),
        body("sticker", json!({"id": "1"})),
        body("location", json!({"latitude": "-1.28", "longitude": 36.81, "name": "Shop"})),
        body("contacts", json!([{"name": name, "phones": [{"phone": "+250700000131"}]}])),
        body("reaction", json!({"message_id": "wamid.A", "emoji": ""})),
        body("template", json!({"name": "parcel_ready", "language": {"code": "en"}})),
        buttons(&["Yes", "No", "Later"]),
        list(10),
        interactive(
            "cta_url",
            json!({
                "name": "cta_url",
                "parameters": {"display_text": "See it", "url": "https://shop.example/lamp"},
            }),
        ),
        interactive("location_request_message", json!({"name": "send_location"})),
    ];
    for body in taken {
        assert!(check(&body).is_ok(), "{body}: {:?}", check(&body));
    }
}

#[test]
fn what_is_missing_too_long_or_contradictory_is_refused() {
    let mut without_product = body("text", json!({"body": "Hello"}));
    without_product["messaging_product"] = Value::Null;
    let mut to_nobody = body("text", json!({"body": "Hello"}));
    to_nobody["to"] = json!("the lady in the shop");
    let mut long_data = body("text", json!({"body": "Hello"}));
    long_data["biz_opaque_callback_data"] = json!("x".repeat(513));
    let refused = [
        Value::Null,
        without_product,
        to_nobody,
        long_data,
        body("hologram", json!({})),
        body("text", json!({"body": ""})),
        body("text", json!({"body": "x".repeat(4097)})),
        body("image", json!({"caption": "No image"})),
        body("image", json!({"id": "1", "link": "https://shop.example/lamp.png"})),
        body("image", json!({"link": "lamp.png"})),
        body("audio", json!({"id": "1", "caption": "Listen"})),
        body("video", json!({"id": "1", "filename": "lamp.mp4"})),
        body("location", json!({"latitude": 91, "longitude": 0})),
        body("contacts", json!([])),
        body("contacts", json!([{"name": {"formatted_name": "Grace"}}])),
        body("reaction", json!({"emoji": "x"})),
        body("template", json!({"name": "parcel_ready"})),
        buttons(&[]),
        buttons(&["Yes", "Yes"]),
        buttons(&["1", "2", "3", "4"]),
        buttons(&["A title of more than twenty letters"]),
        list(0),
        list(11),
        interactive("telepathy", json!({})),
    ];
    for body in refused {
        assert!(check(&body).is_err(), "{body}");
    }
}
