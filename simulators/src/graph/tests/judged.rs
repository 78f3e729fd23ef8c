//! Templates: made, judged, changed, listed, sent and deleted.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ASHA, MESSAGES, graph, refused, settings, started};
use crate::graph::{Graph, Review, Settings};
use crate::rehearsal::{Asker, Ear};

const TEMPLATES: &str = "/v23.0/770010002000300/message_templates";

fn parcel(name: &str) -> Value {
    json!({
        "name": name, "language": "en", "category": "utility",
        "components": [
            {"type": "body", "text": "Hello {{1}}, parcel {{2}} is here.",
             "example": {"body_text": [["Grace", "A17"]]}},
            {"type": "buttons", "buttons": [
                {"type": "quick_reply", "text": "Thanks"},
                {"type": "url", "text": "Track", "url": "https://shop.example/{{1}}",
                 "example": ["https://shop.example/A17"]},
            ]},
        ],
    })
}

fn use_of(name: &str, components: Value) -> Value {
    json!({
        "messaging_product": "whatsapp", "to": ASHA, "type": "template",
        "template": {"name": name, "language": {"code": "en"}, "components": components},
    })
}

fn words(words: &[&str]) -> Value {
    words.iter().map(|text| json!({"type": "text", "text": text})).collect()
}

fn filled() -> Value {
    json!([
        {"type": "body", "parameters": words(&["Grace", "A17"])},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": words(&["A17"])},
    ])
}

async fn approved(graph: &Graph, asker: &Asker, body: Value) -> String {
    let (status, answer) = asker.post(TEMPLATES, body).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["id"].as_str().unwrap().to_owned();
    assert!(graph.approve(&id));
    id
}

#[tokio::test]
async fn a_template_is_pending_until_a_review_says_otherwise() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    let (_, answer) = asker.post(TEMPLATES, parcel("parcel_ready")).await;
    let id = answer["id"].as_str().unwrap().to_owned();
    assert_eq!(answer, json!({"id": id, "status": "PENDING", "category": "UTILITY"}));
    refused(&asker.post(MESSAGES, use_of("parcel_ready", filled())).await, 404, 132_001);
    assert!(graph.approve(&id));
    let told = &ear.hears(1).await[0]["entry"][0];
    assert!(told["time"].is_i64());
    assert_eq!(
        told["changes"][0],
        json!({"field": "message_template_status_update", "value": {
            "event": "APPROVED", "reason": "NONE",
            "message_template_id": id.parse::<u64>().unwrap(),
            "message_template_name": "parcel_ready",
            "message_template_language": "en",
            "message_template_category": "UTILITY",
        }})
    );
    let (status, answer) = asker.post(MESSAGES, use_of("parcel_ready", filled())).await;
    assert_eq!((status, &answer["messages"][0]["message_status"]), (200, &json!("accepted")));
    assert!(!graph.approve("17"));
}

#[tokio::test]
async fn the_automatic_review_rejects_parameters_without_words_between_them() {
    let ear = Ear::open();
    let review = Review::After(Duration::from_millis(5));
    let (graph, asker) = started(Settings { review, ..settings(Some(&ear)) });
    asker.post(TEMPLATES, parcel("parcel_ready")).await;
    assert_eq!(ear.hears(1).await[0]["entry"][0]["changes"][0]["value"]["event"], "APPROVED");
    let mut crowded = parcel("crowded");
    crowded["components"][0]["text"] = json!("Hello {{1}} {{2}}!");
    asker.post(TEMPLATES, crowded).await;
    let value = &ear.hears(2).await[1]["entry"][0]["changes"][0]["value"];
    assert_eq!((&value["event"], &value["reason"]), (&json!("REJECTED"), &json!("INVALID_FORMAT")));
    assert!(value["rejection_info"]["recommendation"].is_string());
    assert_eq!(graph.templates()[1].status, "REJECTED");
}

#[tokio::test]
async fn a_template_is_filled_with_what_it_asks_for() {
    let (graph, asker) = graph(None);
    approved(&graph, &asker, parcel("parcel_ready")).await;
    let cases = [
        (json!([]), 132_000),
        (json!([{"type": "body", "parameters": words(&["Grace"])}]), 132_000),
        (json!([{"type": "body", "parameters": words(&["Grace", "A17"])}]), 132_000),
        (json!([{"type": "body", "parameters": words(&["Grace", ""])}]), 131_008),
        (json!([{"type": "body", "parameters": [{"type": "image"}, {"type": "image"}]}]), 132_012),
    ];
    for (components, code) in cases {
        refused(&asker.post(MESSAGES, use_of("parcel_ready", components)).await, 400, code);
    }
    refused(&asker.post(MESSAGES, use_of("nothing", filled())).await, 404, 132_001);
    let mut photo = parcel("with_photo");
    photo["components"] = json!([
        {"type": "header", "format": "image", "example": {"header_handle": ["4::aW"]}},
        {"type": "body", "text": "It is here."},
    ]);
    approved(&graph, &asker, photo).await;
    let header = json!([{"type": "header", "parameters": words(&["no photo"])}]);
    refused(&asker.post(MESSAGES, use_of("with_photo", header)).await, 400, 132_012);
    assert_eq!(graph.sent(), []);
}

#[tokio::test]
async fn named_parameters_are_filled_by_name() {
    let (graph, asker) = graph(None);
    let mut named = parcel("named");
    named["parameter_format"] = json!("named");
    named["components"] = json!([{
        "type": "BODY", "text": "Hello {{first_name}}!",
        "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Grace"}]},
    }]);
    approved(&graph, &asker, named).await;
    let by = |name: &str| {
        let parameter = json!({"type": "text", "text": "Grace", "parameter_name": name});
        use_of("named", json!([{"type": "body", "parameters": [parameter]}]))
    };
    assert_eq!(asker.post(MESSAGES, by("first_name")).await.0, 200);
    refused(&asker.post(MESSAGES, by("surname")).await, 400, 132_012);
}

#[tokio::test]
async fn a_paused_or_disabled_template_can_not_be_sent() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    let id = approved(&graph, &asker, parcel("parcel_ready")).await;
    graph.pause(&id);
    refused(&asker.post(MESSAGES, use_of("parcel_ready", filled())).await, 400, 132_015);
    graph.disable(&id);
    refused(&asker.post(MESSAGES, use_of("parcel_ready", filled())).await, 400, 132_016);
    graph.recategorise(&id, "MARKETING");
    graph.quality(&id, "RED");
    let fields: Vec<Value> =
        ear.hears(5).await.iter().map(|it| it["entry"][0]["changes"][0]["field"].clone()).collect();
    assert!(fields.contains(&json!("template_category_update")));
    assert!(fields.contains(&json!("message_template_quality_update")));
}

#[tokio::test]
async fn templates_are_listed_page_by_page_and_by_name() {
    let (_graph, asker) = graph(None);
    for name in ["one", "two", "three"] {
        asker.post(TEMPLATES, parcel(name)).await;
    }
    let (_, first) = asker.get(&format!("{TEMPLATES}?limit=2")).await;
    let name = |page: &Value, at: usize| page["data"][at]["name"].as_str().unwrap().to_owned();
    assert_eq!((name(&first, 0), name(&first, 1)), ("one".into(), "two".into()));
    assert_eq!(first["data"][0]["components"][0]["type"], "BODY");
    let next = first["paging"]["next"].as_str().unwrap();
    let (_, second) = asker.get(&next[asker.url.len()..]).await;
    assert_eq!((name(&second, 0), second["paging"].get("next")), ("three".into(), None));
    let (_, found) = asker.get(&format!("{TEMPLATES}?name=two")).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    refused(&asker.get(&format!("{TEMPLATES}?after=17")).await, 400, 100);
}

#[tokio::test]
async fn an_edited_template_is_reviewed_again() {
    let (graph, asker) = graph(None);
    let (_, made) = asker.post(TEMPLATES, parcel("parcel_ready")).await;
    let path = format!("/v23.0/{}", made["id"].as_str().unwrap());
    let edit = json!({"components": [{"type": "BODY", "text": "It is here."}]});
    refused(&asker.post(&path, edit.clone()).await, 400, 100);
    graph.reject(made["id"].as_str().unwrap(), "TAG_CONTENT_MISMATCH");
    assert_eq!(asker.get(&path).await.1["rejected_reason"], "TAG_CONTENT_MISMATCH");
    assert_eq!(asker.post(&path, edit).await, (200, json!({"success": true})));
    let template = &graph.templates()[0];
    assert_eq!(template.status, "PENDING");
    assert_eq!(template.components[0]["text"], "It is here.");
    graph.approve(&template.id);
    refused(&asker.post(&path, json!({"category": "MARKETING"})).await, 400, 100);
}

#[tokio::test]
async fn a_deleted_template_is_gone_and_its_name_stays_taken() {
    let (graph, asker) = graph(None);
    let id = approved(&graph, &asker, parcel("parcel_ready")).await;
    let delete = async |query: &str| {
        asker.ask("DELETE", &format!("{TEMPLATES}?{query}"), &Value::Null).await.unwrap()
    };
    refused(&delete(&format!("hsm_id={id}")).await, 400, 100);
    refused(&delete("hsm_id=17&name=parcel_ready").await, 400, 100);
    assert_eq!(delete("name=parcel_ready").await, (200, json!({"success": true})));
    refused(&asker.post(MESSAGES, use_of("parcel_ready", filled())).await, 404, 132_001);
    let again = asker.post(TEMPLATES, parcel("parcel_ready")).await;
    assert_eq!(again.1["error"]["error_subcode"], 2_388_023);
}

#[tokio::test]
async fn a_template_that_is_not_well_made_is_refused_at_once() {
    let (_graph, asker) = graph(None);
    asker.post(TEMPLATES, parcel("taken")).await;
    let change = |pointer: &str, value: Value| {
        let mut body = parcel("parcel_ready");
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let cases = [
        (parcel("taken"), json!(2_388_024)),
        (parcel("Parcel Ready"), Value::Null),
        (change("/category", json!("GOSSIP")), Value::Null),
        (change("/components", json!([])), Value::Null),
        (change("/components/0/type", json!("footer")), Value::Null),
        (change("/components/0/text", json!("{{1}}, your {{2}} is here.")), json!(2_388_299)),
        (change("/components/0/text", json!("Hello {{2}} and {{3}}!")), Value::Null),
        (change("/components/0/example", json!({})), json!(2_388_043)),
        (change("/components/1/buttons/1/example", Value::Null), json!(2_388_043)),
        (change("/components/1/buttons/0/text", json!("x".repeat(26))), Value::Null),
    ];
    for (body, subcode) in cases {
        let told = asker.post(TEMPLATES, body.clone()).await;
        refused(&told, 400, 100);
        assert_eq!(told.1["error"]["error_subcode"], subcode, "{body}");
    }
}

#[tokio::test]
async fn a_server_that_takes_over_from_another_knows_its_templates_before_it_answers() {
    let mut graph = Graph::closed(settings(None)).unwrap();
    let asker = Asker { url: graph.url(), token: "token".into() };
    let account = "770010002000300";
    let waiting = asker.post(MESSAGES, use_of("parcel_ready", filled()));
    let opening = async {
        assert!(graph.shelve(account, "17", "APPROVED", &parcel("parcel_ready")));
        assert!(!graph.shelve(account, "18", "APPROVED", &parcel("Not a name")));
        graph.open();
    };
    let ((status, _), ()) = tokio::join!(waiting, opening);
    assert_eq!(status, 200);
    let told = asker.get("/v23.0/17").await.1;
    assert_eq!((&told["name"], &told["status"]), (&json!("parcel_ready"), &json!("APPROVED")));
}
