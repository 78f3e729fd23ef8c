//! A template as a client writes it: Meta's JSON, in which nothing may be misspelt.

use domain::template::{Category, Component, Draft, ParameterFormat};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::body::Request;
use crate::problem::{FieldError, Problem};

/// What a client may tell when a template begins.
pub(crate) const BEGINNING: &[&str] = &[
    "channel_id",
    "name",
    "language",
    "category",
    "parameter_format",
    "components",
    "message_send_ttl_seconds",
    "override_reason",
];

/// What a client may tell later: a name and a language are for good.
pub(crate) const LATER: &[&str] =
    &["category", "parameter_format", "components", "message_send_ttl_seconds", "work_approved"];

/// A template in Meta's JSON.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "DraftTemplate")]
pub(crate) struct Form {
    /// For whose account the template is; needed to draft it.
    channel_id: Option<Uuid>,
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    #[serde(default)]
    category: Category,
    #[serde(default)]
    parameter_format: ParameterFormat,
    #[serde(default)]
    #[schemars(example = components())]
    components: Vec<Component>,
    /// How long Meta tries to deliver; -1 is as long as it can.
    message_send_ttl_seconds: Option<i32>,
    /// Why it must have a category that costs more than utility.
    #[schemars(example = &"It invites to a sale.")]
    override_reason: Option<String>,
}

/// As documents show them.
pub(in crate::routes) fn components() -> Value {
    json!([
        {"type": "body", "text": "Hello {{1}}, your order {{2}} is ready.",
            "example": {"body_text": [["Ada", "17"]]}},
        {"type": "buttons", "buttons": [{"type": "quick_reply", "text": "Thanks"}]},
    ])
}

impl Form {
    /// What to draft, and the reason for its category.
    pub(crate) fn draft(self) -> Result<(Draft, Option<String>), Problem> {
        if self.channel_id.is_none() {
            let detail = "name the channel whose account the template is for";
            return Err(Problem::field("channel_id", "template.channel_missing", detail));
        }
        Ok(self.draft_anywhere())
    }

    pub(crate) fn draft_anywhere(self) -> (Draft, Option<String>) {
        let draft = Draft {
            channel: self.channel_id.unwrap_or_default(),
            name: self.name,
            language: Draft::language(&self.language),
            category: self.category,
            parameter_format: self.parameter_format,
            components: self.components,
            message_send_ttl_seconds: self.message_send_ttl_seconds,
        };
        (draft, self.override_reason)
    }
}

/// Reads a body with some of these fields. What neither it nor a component knows is refused rather
/// than passed over.
pub(crate) fn read<T: DeserializeOwned>(
    request: &Request<T>,
    fields: &[&str],
) -> Result<T, Problem> {
    let told = request.json()?;
    let read = request.parse()?;
    let mut wrong = vec![];
    if let Value::Object(told) = &told {
        let unknown = told.keys().filter(|name| !fields.contains(&name.as_str()));
        wrong.extend(unknown.map(|name| no_such_field(name)));
    }
    if let Some(components) = told.get("components") {
        let known: Vec<Component> = Deserialize::deserialize(components).unwrap_or_default();
        compare(components, &json!(known), "components", &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(read);
    }
    let status = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
    let detail = "the body has fields that a template doesn't know, or not so";
    Err(Problem::new(status, "request.invalid", detail).with_errors(wrong))
}

fn no_such_field(path: &str) -> FieldError {
    FieldError::new(path, "unknown", "there is no such field")
}

/// Finds the members that were told and not understood, and lists that were taken for objects.
fn compare(told: &Value, known: &Value, path: &str, wrong: &mut Vec<FieldError>) {
    match (told, known) {
        (Value::Object(told), Value::Object(known)) => {
            for (name, value) in told {
                let path = format!("{path}.{name}");
                match known.get(name) {
                    Some(known) => compare(value, known, &path, wrong),
                    None if empty(value) => {}
                    None => wrong.push(no_such_field(&path)),
                }
            }
        }
        (Value::Array(told), Value::Array(known)) => {
            for (number, (told, known)) in told.iter().zip(known).enumerate() {
                compare(told, known, &format!("{path}[{number}]"), wrong);
            }
        }
        (Value::Array(_), Value::Object(_)) => {
            wrong.push(FieldError::new(path, "invalid", "this is an object, in braces"));
        }
        _ => {}
    }
}

/// What is left out when it is written down.
fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(empty),
        _ => false,
    }
}
