//! What the business must understand of WhatsApp's webhooks, by samples of our own.
#![allow(clippy::unwrap_used)]

use domain::message::{Content, Delivery};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn body(field: &str, value: Value) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{"id": "7001", "time": 1750000000, "changes": [{"field": field, "value": value}]}]
    })
}

fn read(body: &Value) -> Result<Vec<Notification>, Malformed> {
    parse(body.to_string().as_bytes())
}

fn updates(field: &str, value: Value) -> Vec<Update> {
    read(&body(field, value)).unwrap().into_iter().map(|told| told.update).collect()
}

fn from_ada(item: Value) -> Value {
    let mut message = json!({"id": "wamid.A", "from": "447700900001", "timestamp": "1750000001"});
    for (key, value) in item.as_object().unwrap() {
        message[key] = value.clone();
    }
    json!({
        "metadata": {"phone_number_id": "8001", "display_phone_number": "+44 7700 900000"},
        "contacts": [{"wa_id": "447700900001", "profile": {"name": "Ada"}}],
        "messages": [message]
    })
}

fn message(item: Value) -> Message {
    match updates("messages", from_ada(item)).remove(0) {
        Update::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn reason(body: &Value) -> String {
    read(body).unwrap_err().to_string()
}

#[test]
fn a_customers_text_arrives_with_who_wrote_it_and_when_and_on_which_line() {
    let told = read(&body("messages", from_ada(json!({"type": "text", "text": {"body": "Hi"}}))));
    let told = told.unwrap().remove(0);
    assert_eq!(told.account, "7001");
    assert_eq!(told.line.unwrap().phone_number_id, "8001");
    let Update::Message(message) = told.update else { panic!() };
    assert_eq!(message.provider_id, "wamid.A");
    assert_eq!(message.party.wa_id.as_deref(), Some("447700900001"));
    assert_eq!(message.party.profile_name.as_deref(), Some("Ada"));
    assert_eq!(message.at.timestamp(), 1_750_000_001);
    assert_eq!(message.content, Content::Text { body: "Hi".into(), preview_url: None });
    let raw = r#"{"from":"447700900001","id":"wamid.A","text":{"body":"Hi"},"timestamp":"1750000001","type":"text"}"#;
    assert_eq!(message.raw, raw);
}

#[test]
fn several_entries_changes_and_items_are_told_each_in_order() {
    let item = |id: &str| json!({"id": id, "from": "1", "timestamp": 1, "type": "revoke"});
    let change = |ids: &[&str]| {
        let messages: Vec<Value> = ids.iter().map(|id| item(id)).collect();
        json!({"field": "messages", "value": {"messages": messages}})
    };
    let body = json!({"object": "whatsapp_business_account", "entry": [
        {"id": "1", "changes": [change(&["a", "b"]), change(&["c"])]},
        {"id": "2", "changes": [change(&["d"])]}
    ]});
    let told = read(&body).unwrap();
    let ids: Vec<(&str, &str)> = told
        .iter()
        .map(|told| match &told.update {
            Update::Message(message) => (told.account.as_str(), message.provider_id.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [("1", "a"), ("1", "b"), ("1", "c"), ("2", "d")]);
}

#[test]
fn an_empty_emoji_takes_the_reaction_back() {
    let reaction = |emoji: Value| {
        message(json!({"type": "reaction", "reaction": {"message_id": "wamid.B", "emoji": emoji}}))
    };
    assert_eq!(reaction(json!("👍")).content, Content::Reaction { emoji: Some("👍".into()) });
    let removed = reaction(json!(""));
    assert_eq!(removed.content, Content::Reaction { emoji: None });
    assert_eq!(removed.target.as_deref(), Some("wamid.B"));
    assert_eq!(reaction(Value::Null).content, removed.content);
}

#[test]
fn an_edit_holds_what_the_message_says_now_and_which_one_it_is() {
    let inner = json!({"type": "image", "image": {"id": "9", "caption": "Better"}});
    let edit = json!({"original_message_id": "wamid.B", "message": inner});
    let edited = message(json!({"type": "edit", "edit": edit}));
    assert_eq!(edited.target.as_deref(), Some("wamid.B"));
    assert_eq!(edited.content.preview(), "Edited: Better");
}

#[test]
fn an_answer_names_the_message_it_quotes_and_a_forward_names_none() {
    let text = |context: Value| {
        message(json!({"type": "text", "text": {"body": "x"}, "context": context}))
    };
    let answer = text(json!({"from": "447700900000", "id": "wamid.B"}));
    assert_eq!(answer.quoted.unwrap().provider_id.as_deref(), Some("wamid.B"));
    assert_eq!(answer.context, None);
    let forward = text(json!({"frequently_forwarded": true}));
    assert_eq!(forward.quoted, None);
    assert!(forward.context.unwrap().frequently_forwarded);
}

#[test]
fn a_message_of_an_unknown_type_or_form_is_kept_whole() {
    for item in [
        json!({"type": "hologram", "hologram": {"depth": 3}}),
        json!({"type": "text", "text": {}}),
        json!({"type": "image", "image": "gone"}),
    ] {
        let kept = message(item.clone());
        let Content::Unsupported { kind, body, .. } = &kept.content else { panic!("{item}") };
        assert_eq!(item["type"], kind.as_str());
        assert_eq!(body, &kept.raw);
    }
}

#[test]
fn the_reason_why_a_message_came_empty_stays_with_the_message() {
    let mut value = from_ada(json!({"type": "interactive"}));
    value["errors"] = json!([{"code": 131000, "error_data": {"details": "unsupported"}}]);
    let told = updates("messages", value);
    let [Update::Message(message)] = told.as_slice() else { panic!("{told:?}") };
    let Content::Unsupported { errors, .. } = &message.content else { panic!() };
    assert_eq!(errors[0].code, 131_000);
    let alone = updates("messages", json!({"errors": [{"code": "130429"}]}));
    let [Update::LineError(line)] = alone.as_slice() else { panic!("{alone:?}") };
    assert_eq!(line.errors[0].code, 130_429);
}

#[test]
fn what_the_business_wrote_in_the_app_is_an_echo_to_the_customer() {
    let mut value = from_ada(json!({}));
    let item = json!({"id": "wamid.E", "from": "447700900000", "to": "447700900001",
        "timestamp": "1750000002", "type": "text", "text": {"body": "We're open"}});
    value["message_echoes"] = json!([item]);
    value["messages"].take();
    let told = updates("smb_message_echoes", value);
    let [Update::Echo(echo)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(echo.party.profile_name.as_deref(), Some("Ada"));
    assert!(!echo.imported);
}

#[test]
fn history_tells_which_side_wrote_and_how_far_it_came() {
    let item = |id: &str, from: &str, status: &str| {
        json!({"id": id, "from": from, "timestamp": "1", "type": "text", "text": {"body": id},
            "history_context": {"status": status}})
    };
    let ours = item("o", "447700900000", "READ");
    let theirs = item("t", "447700900001", "PENDING");
    let value = json!({
        "metadata": {"phone_number_id": "8001", "display_phone_number": "+44 7700-900000"},
        "history": [
            {"threads": [{"id": "447700900001", "messages": [ours, theirs]}]},
            {"errors": [{"code": 2593109, "title": "not shared"}]}
        ]
    });
    let told = updates("history", value);
    let [Update::Echo(ours), Update::Message(theirs), Update::LineError(_)] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert!(ours.imported && theirs.imported);
    assert_eq!(ours.party, theirs.party);
    assert_eq!((ours.history_status, theirs.history_status), (Some(Delivery::Read), None));
}

#[test]
fn a_status_in_a_group_names_the_group_and_the_person() {
    let value = json!({"statuses": [{"id": "wamid.S", "status": "read", "timestamp": "5",
        "recipient_id": "G1", "recipient_type": "group",
        "recipient_participant_id": "447700900001", "recipient_participant_user_id": "GB.1"}]});
    let told = updates("messages", value);
    let [Update::Status(status)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((status.status, status.group.as_deref()), (Delivery::Read, Some("G1")));
    assert_eq!(status.recipient.wa_id.as_deref(), Some("447700900001"));
    assert_eq!(status.recipient.user_id.as_deref(), Some("GB.1"));
}

#[test]
fn a_status_with_a_word_of_tomorrow_is_kept_and_one_of_a_call_is_a_calls() {
    let value = |word: &str| json!({"statuses": [{"id": "x", "status": word, "timestamp": 5}]});
    assert!(matches!(&updates("messages", value("dreamt"))[..], [Update::Unsupported { .. }]));
    let told = updates("calls", value("RINGING"));
    let [Update::Call(call)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(call.event, "ringing");
}

#[test]
fn templates_tell_reviews_quality_and_categories() {
    let told = |field: &str, more: Value| {
        let mut value = json!({"message_template_id": 42, "message_template_name": "hello"});
        for (key, more) in more.as_object().unwrap() {
            value[key] = more.clone();
        }
        match updates(field, value).remove(0) {
            Update::Template(template) => template.event,
            other => panic!("{other:?}"),
        }
    };
    let status = "message_template_status_update";
    assert_eq!(told(status, json!({"event": "APPROVED"})), TemplateEvent::Approved);
    assert_eq!(
        told(status, json!({"event": "REJECTED", "reason": "SCAM"})),
        TemplateEvent::Rejected {
            reason: Some("SCAM".into()),
            explanation: None,
            recommendation: None
        }
    );
    assert_eq!(told(status, json!({"event": "SAINTED"})), TemplateEvent::Other("SAINTED".into()));
    let quality = told("message_template_quality_update", json!({"new_quality_score": "RED"}));
    assert_eq!(quality, TemplateEvent::QualityChanged { from: None, to: "RED".into() });
    let category = json!({"previous_category": "UTILITY", "new_category": "MARKETING"});
    assert_eq!(
        told("template_category_update", category),
        TemplateEvent::CategoryChanged { from: Some("UTILITY".into()), to: "MARKETING".into() }
    );
}

#[test]
fn a_field_that_nobody_documents_is_kept() {
    let told = updates("telepathy", json!({"b": 1, "a": 2}));
    let body = r#"{"a":2,"b":1}"#.to_owned();
    assert_eq!(told, [Update::Unsupported { field: "telepathy".into(), body }]);
}

#[test]
fn the_character_that_the_database_refuses_is_replaced_everywhere() {
    let text = message(json!({"type": "text", "text": {"body": "a\0b", "k\0": 1}}));
    assert_eq!(text.content, Content::Text { body: "a\u{fffd}b".into(), preview_url: None });
    assert!(!text.raw.contains("\\u0000"));
}

#[test]
fn a_malformed_body_is_refused_with_the_place_of_the_fault() {
    let with = |key: &str, value: Value| {
        let mut message = from_ada(json!({"type": "text", "text": {"body": "x"}}));
        message["messages"][0][key] = value;
        reason(&body("messages", message))
    };
    let at = "entry[0].changes[0].value.messages[0]";
    assert_eq!(with("id", Value::Null), format!("{at}.id is missing"));
    assert_eq!(with("id", json!("")), format!("{at}.id is empty or not a text"));
    assert_eq!(with("timestamp", Value::Null), format!("{at}.timestamp is missing"));
    for time in [json!("noon"), json!(-1), json!("1e9"), json!(1e30), json!([])] {
        assert_eq!(
            with("timestamp", time),
            format!("{at}.timestamp is not a time in Unix seconds")
        );
    }
    let untyped = body("messages", from_ada(json!({})));
    assert_eq!(reason(&untyped), format!("{at}.type is missing"));
    assert_eq!(reason(&json!({"entry": []})), "object is missing");
    assert_eq!(
        reason(&json!({"object": "page", "entry": []})),
        "object is not whatsapp_business_account"
    );
    assert_eq!(reason(&json!({"object": "whatsapp_business_account"})), "entry is missing");
    assert_eq!(
        reason(&body("messages", json!({"statuses": [{"id": "x", "timestamp": 1}]}))),
        "entry[0].changes[0].value.statuses[0].status is missing"
    );
}

#[test]
fn what_items_share_does_not_grow_with_their_number() {
    let long = "x".repeat(100_000);
    let item = |id: usize| json!({"id": id, "from": "1", "timestamp": 1, "type": "hologram"});
    let value = json!({
        "metadata": {"phone_number_id": "8001", "display_phone_number": long},
        "contacts": [{"wa_id": "1", "profile": {"name": long}}],
        "errors": vec![json!({"code": 1, "title": long}); 10],
        "messages": (1..=200).map(item).collect::<Vec<_>>(),
    });
    let told = read(&body("messages", value.clone())).unwrap();
    assert_eq!(told.len(), 200);
    let shown: usize = told.iter().map(|told| format!("{told:?}").len()).sum();
    assert!(shown < 1_000_000, "{shown}");
    assert_eq!(reason(&body(&long, value)), "entry[0].changes[0].field is too long");
}

#[test]
fn one_malformed_item_refuses_the_whole_body() {
    let mut value = from_ada(json!({"type": "text", "text": {"body": "x"}}));
    value["messages"].as_array_mut().unwrap().push(json!({"id": "wamid.B"}));
    assert_eq!(
        reason(&body("messages", value)),
        "entry[0].changes[0].value.messages[1].timestamp is missing"
    );
}

#[test]
fn what_is_not_json_or_too_deep_is_refused() {
    assert!(parse(b"").is_err());
    assert!(parse(b"{\"object\": \"\xff\"}").is_err());
    let deep = "[".repeat(100_000);
    assert!(parse(deep.as_bytes()).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        // Without backslashes, so that only a NUL is shown as `\\0`.
        any::<String>().prop_map(|text| text.replace('\\', "/")).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(known_key(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const KEYS: [&str; 15] = [
    "body",
    "id",
    "type",
    "message",
    "name",
    "phones",
    "emoji",
    "org",
    "response_json",
    "button_reply",
    "nfm_reply",
    "latitude",
    "longitude",
    "product_items",
    "language",
];

fn known_key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in any::<Vec<u8>>()) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_message_is_told_once_whatever_its_parts_look_like(
        kind in prop::sample::select(&domain::message::Kind::ALL[..]),
        part in any_json(),
        context in any_json(),
    ) {
        let item = json!({"type": kind.as_str(), kind.as_str(): part, "context": context});
        let told = updates("messages", from_ada(item));
        prop_assert_eq!(told.len(), 1);
        let shown = format!("{told:?}");
        prop_assert!(!shown.contains("\\0"));
    }

    #[test]
    fn no_change_brings_it_down(
        list in prop::sample::select(&LISTS[..]),
        field in prop::sample::select(&["messages", "calls", "history", "account_update"][..]),
        value in any_json(),
    ) {
        let _ = read(&body(field, json!({list.0: [value.clone()], "history": [value]})));
    }
}
