//! The document of the API: committed, complete, and true.

mod scenarios;

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{App, document};
use scenarios::Shop;

#[tokio::test]
async fn the_document_that_is_served_is_the_one_that_was_accepted() {
    let app = App::start().await;
    let served = app.get("", "/openapi.json").await.expect(200);
    assert_eq!(served.header("content-type"), "application/json");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/openapi.json");
    let accepted: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        served.json() == accepted,
        "the API is another than api/openapi.json tells: run `./dev openapi` and look at the \
         difference before you commit it"
    );
}

#[tokio::test]
async fn the_page_asks_no_other_machine() {
    let app = App::start().await;
    let page = app.get("", "/docs").await.expect(200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; connect-src 'self';"));
    assert!(!page.text.contains("//"), "{}", page.text);
    for script in ["/docs/scalar.js", "/docs/page.js"] {
        assert!(page.text.contains(script));
        let script = app.get("", script).await.expect(200);
        assert!(script.header("content-type").starts_with("text/javascript"));
        assert!(script.text.contains("Scalar"));
    }
}

#[tokio::test]
async fn every_operation_does_what_the_document_says() {
    let shop = Shop::open().await;
    for (id, operation) in document::operations() {
        shop.play(&id).await;
        let seen = document::seen(&id);
        let statuses = operation["responses"].as_object().unwrap();
        let refuses = statuses.keys().any(|status| status.starts_with('4'));
        assert!(seen.iter().any(|status| (200..300).contains(status)), "{id}: {seen:?}");
        assert!(
            !refuses || seen.iter().any(|status| (400..500).contains(status)),
            "{id}: {seen:?}"
        );
    }
}

#[test]
fn every_operation_is_named_by_noun_and_verb_and_told_in_one_sentence() {
    let operations = document::operations();
    let paths = api::document()["paths"].as_object().unwrap();
    let declared = paths.values().map(|methods| methods.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(operations.len(), declared, "two operations have one id");
    let tags = api::document()["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags.iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (id, operation) in operations {
        let (noun, verb) = id.split_once('.').unwrap_or_else(|| panic!("{id}"));
        let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(tags.contains(noun) && word(verb), "{id} is no noun of TAGS and a verb");
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: {summary}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let told = parameter["$ref"].is_string() || parameter["description"].is_string();
            assert!(told, "{id}: say what {} means", parameter["name"]);
        }
    }
}

#[test]
fn no_two_types_have_one_name() {
    let schemas = api::document()["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        let numbered = name.ends_with(|last: char| last.is_ascii_digit());
        assert!(!numbered, "{name}: rename one of the types with #[schemars(rename = …)]");
    }
}

#[test]
fn every_example_is_one_of_what_it_stands_for() {
    for (id, operation) in document::operations() {
        let answers = operation["responses"].as_object().unwrap().values();
        for message in answers.chain([&operation["requestBody"]]) {
            let Some(told) = message.pointer("/content/application~1json") else { continue };
            let several = told["examples"].as_object().into_iter().flat_map(|named| named.values());
            let examples = several.map(|named| &named["value"]).chain(told.get("example"));
            for example in examples {
                let wrong = document::invalid(&told["schema"], example, true);
                assert_eq!(wrong, None, "{id}: {example}");
            }
        }
    }
}

#[test]
fn every_default_is_one_of_what_it_stands_for() {
    let mut checked = 0;
    each_schema(api::document(), &mut |schema| {
        if let Some(default) = schema.get("default") {
            checked += 1;
            assert_eq!(document::invalid(schema, default, false), None, "{schema}");
        }
    });
    assert!(checked > 0);
}

/// Whatever is an object in the document: what is no schema has no default.
fn each_schema(value: &Value, check: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => {
            check(value);
            members.values().for_each(|member| each_schema(member, check));
        }
        Value::Array(items) => items.iter().for_each(|item| each_schema(item, check)),
        _ => {}
    }
}
