//! What a template may be, and what becomes of it.

#![allow(clippy::unwrap_used)]

mod answers;
mod forms;
mod life;
mod valid;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// A draft with everything that an ordinary template can have.
fn draft() -> Draft {
    Draft {
        channel: Uuid::from_u128(4),
        name: "order_ready".into(),
        language: "en_US".into(),
        category: Category::Marketing,
        parameter_format: ParameterFormat::Positional,
        components: components(json!([
            {"type": "header", "format": "text", "text": "Order {{1}} is here", "example": {"header_text": ["17"]}},
            {"type": "body", "text": "Hello {{1}}, order {{2}} is ready.", "example": {"body_text": [["Amina", "17"]]}},
            {"type": "footer", "text": "Baraka Ltd"},
            {"type": "buttons", "buttons": [
                {"type": "quick_reply", "text": "Thanks"},
                {"type": "url", "text": "Track", "url": "https://example.com/o/{{1}}", "example": ["https://example.com/o/17"]},
                {"type": "phone_number", "text": "Call", "phone_number": "+254700000001"},
                {"type": "copy_code", "example": "250FF"},
            ]},
        ])),
        message_send_ttl_seconds: None,
    }
}

fn components(json: Value) -> Vec<Component> {
    serde_json::from_value(json).unwrap()
}

fn authentication() -> Draft {
    Draft {
        category: Category::Authentication,
        components: components(json!([
            {"type": "BODY", "add_security_recommendation": true},
            {"type": "FOOTER", "code_expiration_minutes": 5},
            {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]},
        ])),
        message_send_ttl_seconds: Some(60),
        ..draft()
    }
}

fn carousel() -> Draft {
    let card = json!({"components": [
        {"type": "header", "format": "image", "example": {"header_handle": ["4::aW"]}},
        {"type": "body", "text": "Fresh {{1}} today", "example": {"body_text": [["figs"]]}},
        {"type": "buttons", "buttons": [
            {"type": "quick_reply", "text": "More"},
            {"type": "url", "text": "Buy", "url": "https://example.com/figs"},
        ]},
    ]});
    Draft {
        components: components(json!([
            {"type": "body", "text": "What the season gives."},
            {"type": "carousel", "cards": [card.clone(), card]},
        ])),
        ..draft()
    }
}

fn offer() -> Draft {
    Draft {
        components: components(json!([
            {"type": "header", "format": "image", "example": {"header_handle": ["4::aW"]}},
            {"type": "limited_time_offer",
             "limited_time_offer": {"text": "Until Sunday", "has_expiration": true}},
            {"type": "body", "text": "A quarter off for you."},
            {"type": "buttons", "buttons": [
                {"type": "copy_code", "example": "CARIBE25"},
                {"type": "url", "text": "Book", "url": "https://example.com/offers"},
            ]},
        ])),
        ..draft()
    }
}

/// The draft with one place of its JSON replaced; the pointer `/components/1/text`.
fn with(mut draft: Draft, pointer: &str, value: Value) -> Draft {
    let mut json = json!({"components": draft.components, "category": draft.category,
        "name": draft.name, "language": draft.language, "format": draft.parameter_format,
        "ttl": draft.message_send_ttl_seconds});
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match json.pointer_mut(parent).unwrap() {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    draft.components = components(json["components"].take());
    draft.category = serde_json::from_value(json["category"].take()).unwrap();
    draft.parameter_format = serde_json::from_value(json["format"].take()).unwrap();
    draft.name = json["name"].as_str().unwrap().into();
    draft.language = json["language"].as_str().unwrap().into();
    draft.message_send_ttl_seconds = serde_json::from_value(json["ttl"].take()).unwrap();
    draft
}

#[track_caller]
fn refused(draft: &Draft, path: &str, code: &str) {
    let faults = validate(draft);
    let found = faults.iter().any(|fault| fault.path == path && fault.code == code);
    assert!(found, "{code} at {path} is not among {faults:#?}");
    assert!(faults.iter().all(|fault| !fault.message.is_empty()));
}

#[test]
fn what_is_written_is_what_was_read() {
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("stored/template");
    for file in fs::read_dir(stored).unwrap() {
        let path = file.unwrap().path();
        let payload = fs::read_to_string(&path).unwrap();
        let event: Event = serde_json::from_str(&payload).unwrap();
        let read: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(serde_json::to_value(event).unwrap(), read, "{}", path.display());
    }
}

#[test]
fn what_meta_documents_is_accepted() {
    for fine in [draft(), authentication(), carousel(), offer()] {
        assert_eq!(validate(&fine), []);
    }
    let named = json!([
        {"type": "BODY", "text": "Thank you, {{first_name}}! It is number {{order_number}}.",
         "example": {"body_text_named_params": [
            {"param_name": "first_name", "example": "Amina"},
            {"param_name": "order_number", "example": "17"}]}},
        {"type": "HEADER", "format": "TEXT", "text": "From {{first_day}} on",
         "example": {"header_text_named_params": [{"param_name": "first_day", "example": "May"}]}},
    ]);
    let named = Draft {
        parameter_format: ParameterFormat::Named,
        components: components(named),
        ..draft()
    };
    assert_eq!(validate(&named), []);
    let flat = with(draft(), "/components/1/example", json!({"body_text": ["Amina", "17"]}));
    assert_eq!(flat, draft(), "a single row may stand alone");
    for language in ["en", "en_US", "pt_BR", "sw", "fil", "zh_HK"] {
        assert_eq!(identity("a_1", language), []);
    }
}

/// Each change to a valid draft, and the fault that it is.
#[track_caller]
fn all_refused(valid: fn() -> Draft, table: &[(&str, Value, &str, &str)]) {
    for (pointer, value, path, code) in table {
        refused(&with(valid(), pointer, value.clone()), path, code);
    }
}

#[test]
fn each_fault_of_name_language_and_header_is_named_with_its_place() {
    let long = |count: usize| json!("x".repeat(count));
    all_refused(
        draft,
        &[
            ("/name", json!(""), "name", "name.invalid"),
            ("/name", json!("Order ready"), "name", "name.invalid"),
            ("/name", long(513), "name", "name.invalid"),
            ("/language", json!("english"), "language", "language.unknown"),
            ("/language", json!("en-US"), "language", "language.unknown"),
            ("/language", json!("pt"), "language", "language.unknown"),
            ("/ttl", json!(59), "message_send_ttl_seconds", "ttl.out_of_range"),
            ("/components/0/text", long(61), "components[0].text", "text.too_long"),
            ("/components/0/text", json!("*Order* is here"), "components[0].text", "text.markup"),
            (
                "/components/0/text",
                json!("{{1}} of {{2}} is"),
                "components[0].text",
                "placeholder.too_many",
            ),
            (
                "/components/0/example",
                json!({}),
                "components[0].example.header_text",
                "example.missing",
            ),
            (
                "/components/0/format",
                json!("video"),
                "components[0].example.header_handle",
                "example.missing",
            ),
            ("/components/0/format", json!("location"), "components[0].text", "text.not_allowed"),
            (
                "/components/0/format",
                json!("product"),
                "components[0].format",
                "header.not_allowed",
            ),
        ],
    );
}

#[test]
fn each_fault_of_a_bodys_words_is_named_with_its_place() {
    let long = |count: usize| json!("x".repeat(count));
    all_refused(
        draft,
        &[
            ("/components/1/text", json!(" "), "components[1].text", "text.missing"),
            ("/components/1/text", long(1025), "components[1].text", "text.too_long"),
            (
                "/components/1/text",
                json!("{{1}} and {{2}} x"),
                "components[1].text",
                "placeholder.edge",
            ),
            (
                "/components/1/text",
                json!("a {{1}} and {{2}} "),
                "components[1].text",
                "placeholder.edge",
            ),
            (
                "/components/1/text",
                json!("a {{1}} {{2}} b"),
                "components[1].text",
                "placeholder.adjacent",
            ),
            (
                "/components/1/text",
                json!("a {{1}} b {{3}} c"),
                "components[1].text",
                "placeholder.gap",
            ),
            ("/components/1/text", json!("a {{2}} b"), "components[1].text", "placeholder.gap"),
            (
                "/components/1/text",
                json!("a {{1} b {{2}} c"),
                "components[1].text",
                "placeholder.malformed",
            ),
            (
                "/components/1/text",
                json!("a {{name}} b"),
                "components[1].text",
                "placeholder.format",
            ),
            ("/components/1/text", json!("a {{01}} b"), "components[1].text", "placeholder.format"),
        ],
    );
}

#[test]
fn each_fault_of_a_bodys_examples_is_named_with_its_place() {
    all_refused(
        draft,
        &[
            (
                "/components/1/text",
                json!("a {{1}} b"),
                "components[1].example.body_text",
                "example.count",
            ),
            (
                "/components/1/example",
                json!({}),
                "components[1].example.body_text",
                "example.missing",
            ),
            (
                "/components/1/example",
                json!({"body_text": [["A", ""]]}),
                "components[1].example.body_text",
                "example.empty",
            ),
            (
                "/components/1/example",
                json!({"body_text": [["A", "B"], ["C"]]}),
                "components[1].example.body_text",
                "example.count",
            ),
            (
                "/components/1/add_security_recommendation",
                json!(true),
                "components[1].add_security_recommendation",
                "authentication.only",
            ),
        ],
    );
}

#[test]
fn each_fault_of_the_rest_is_named_with_its_place() {
    let long = |count: usize| json!("x".repeat(count));
    all_refused(
        draft,
        &[
            ("/components/2/text", long(61), "components[2].text", "text.too_long"),
            (
                "/components/2/text",
                json!("By {{1}}"),
                "components[2].text",
                "placeholder.not_allowed",
            ),
            (
                "/components/2/code_expiration_minutes",
                json!(5),
                "components[2].code_expiration_minutes",
                "authentication.only",
            ),
            (
                "/components/-",
                json!({"type": "footer", "text": "Two"}),
                "components[4]",
                "component.duplicate",
            ),
            ("/format", json!("named"), "components[1].text", "placeholder.format"),
        ],
    );
    refused(&Draft { components: vec![], ..draft() }, "components", "body.missing");
}

#[test]
fn each_fault_of_a_button_is_named_with_its_place() {
    let many: Vec<Value> =
        (0..11).map(|n| json!({"type": "quick_reply", "text": format!("No. {n}")})).collect();
    let quick = json!({"type": "quick_reply", "text": "Later"});
    let url = |url: &str, example: Value| json!({"type": "url", "text": "Go", "url": url, "example": example});
    let at = |rest: &str| format!("components[3].buttons{rest}");
    let table = [
        ("", json!([]), "", "buttons.missing"),
        ("", json!(many), "", "buttons.too_many"),
        ("/-", quick.clone(), "", "buttons.grouping"),
        ("/0/text", json!("x".repeat(26)), "[0].text", "text.too_long"),
        ("/0/text", json!("Hi {{1}}"), "[0].text", "placeholder.not_allowed"),
        ("/1", json!({"type": "quick_reply", "text": "Thanks"}), "[1].text", "buttons.same_text"),
        (
            "/1/url",
            json!(format!("https://example.com/{}", "x".repeat(2000))),
            "[1].url",
            "text.too_long",
        ),
        ("/1/url", json!("example.com"), "[1].url", "url.invalid"),
        ("/1/url", json!("https://{{1}}"), "[1].url", "url.invalid"),
        ("/1/url", json!("https://example.com/{{1}}/a"), "[1].url", "placeholder.position"),
        ("/1/url", json!("https://example.com/{{1}}/{{2}}"), "[1].url", "placeholder.too_many"),
        ("/1/url", json!("https://example.com/{{1"), "[1].url", "placeholder.malformed"),
        ("/1/url", json!("https://example.com/{{id}}"), "[1].url", "placeholder.format"),
        ("/1", url("https://example.com/{{1}}", json!([])), "[1].example", "example.missing"),
        ("/1", url("https://example.com/", json!(["a"])), "[1].example", "example.count"),
        ("/2/phone_number", json!("+1555005131012345678901"), "[2].phone_number", "text.too_long"),
        ("/2/phone_number", json!("call me"), "[2].phone_number", "phone.invalid"),
        (
            "/-",
            json!({"type": "phone_number", "text": "Two", "phone_number": "+15550051310"}),
            "[4]",
            "buttons.too_many_of_kind",
        ),
        ("/3/example", json!("x".repeat(21)), "[3].example", "text.too_long"),
        ("/-", json!({"type": "otp", "otp_type": "copy_code"}), "[4]", "authentication.only"),
        ("/-", json!({"type": "flow", "text": "Book"}), "[4]", "flow.unnamed"),
        (
            "/-",
            json!({"type": "flow", "text": "Book", "flow_id": "1", "flow_action": "fly"}),
            "[4].flow_action",
            "flow.action",
        ),
    ];
    for (pointer, value, place, code) in table {
        let pointer = format!("/components/3/buttons{pointer}");
        refused(&with(draft(), &pointer, value), &at(place), code);
    }
    refused(&with(draft(), "/category", json!("utility")), &at("[3]"), "buttons.category");
}
