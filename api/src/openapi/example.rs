//! Examples of bodies, made of their schemas: the examples of the fields, put together.

use serde_json::{Map, Value, json};

const DEEPEST: usize = 24;

/// An example of the schema; null where it goes too deep to be one.
pub(super) fn of(schema: &Value, named: &Map<String, Value>) -> Value {
    made(schema, named, 0).unwrap_or_default()
}

fn made(schema: &Value, named: &Map<String, Value>, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let first = |key: &str| schema[key].as_array().and_then(|items| items.first());
    if let Some(told) = first("examples").or(schema.get("const")) {
        return Some(told.clone());
    }
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let beside = object(schema, named, depth);
        return Some(merged(made(named.get(name)?, named, depth + 1)?, beside));
    }
    if let Some(told) = first("enum") {
        return Some(told.clone());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[key].as_array() {
            let chosen = choices.iter().find(|choice| choice["type"] != "null");
            let chosen = made(chosen?, named, depth + 1)?;
            return Some(merged(chosen, object(schema, named, depth)));
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| made(part, named, depth + 1));
        return Some(parts.fold(object(schema, named, depth), merged));
    }
    let told = schema.get("default").filter(|default| !default.is_null());
    told.cloned().or_else(|| plain(schema, named, depth))
}

fn plain(schema: &Value, named: &Map<String, Value>, depth: usize) -> Option<Value> {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
        kind => Some(kind),
    };
    Some(match kind.and_then(Value::as_str)? {
        "object" => object(schema, named, depth),
        "array" => {
            let item = schema.get("items").and_then(|item| made(item, named, depth + 1));
            Value::Array(item.into_iter().collect())
        }
        "integer" => {
            schema.get("minimum").filter(|least| **least != 0).cloned().unwrap_or(json!(3))
        }
        "number" => json!(0.5),
        "boolean" => json!(false),
        "string" => match schema["format"].as_str() {
            Some("uuid") => json!("019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90"),
            Some("date-time") => json!("2026-01-31T09:00:00Z"),
            _ => json!("text"),
        },
        _ => Value::Null,
    })
}

fn object(schema: &Value, named: &Map<String, Value>, depth: usize) -> Value {
    let mut object = Map::new();
    if let Some(fields) = schema["properties"].as_object() {
        let made =
            |(name, field): (&String, &Value)| Some((name.clone(), made(field, named, depth + 1)?));
        object.extend(fields.iter().filter_map(made));
    }
    Value::Object(object)
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
