//! The document as a whole: what all operations share, and the operations by their paths.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::operation::refusal;
use super::{Operation, Schemas, example};
use crate::dry_run;
use crate::limits::is_counted;
use crate::problem::Document;
use crate::routes::TAGS;

const ABOUT: &str = include_str!("about.md");

/// A parameter that means the same wherever it is.
pub(super) struct Shared {
    pub(super) name: &'static str,
    place: &'static str,
    schema: fn() -> Value,
    description: &'static str,
    /// Status and code of the problems that it can lead to.
    pub(super) refusals: &'static [(u16, &'static str)],
}

pub(super) const SHARED: &[Shared] = &[
    Shared {
        name: "limit",
        place: "query",
        schema: || json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }),
        description: "How many the page holds at most.",
        refusals: &[(422, "limit.out_of_range")],
    },
    Shared {
        name: "cursor",
        place: "query",
        schema: || json!({ "type": "string" }),
        description: "Where the page begins: `next_cursor` of the page before, unchanged.",
        refusals: &[(400, "cursor.invalid")],
    },
    Shared {
        name: "min_position",
        place: "query",
        schema: || json!({ "type": "string", "examples": ["1.42"] }),
        description: "A value of `Log-Position`: the answer waits, 5 seconds at most, until it \
                      holds all that the log held there. So whoever wrote reads what they wrote.",
        refusals: &[(400, "min_position.invalid"), (409, "log.epoch"), (503, "read_model.lagging")],
    },
    Shared {
        name: dry_run::NAME,
        place: "query",
        schema: || json!({ "type": "boolean", "default": false }),
        description: "`true` asks what would be recorded, or refused; nothing is written. An \
                      `ETag` in the answer is the version that it was decided on: with that as \
                      `If-Match` it happens just so or not at all.",
        refusals: &[],
    },
    Shared {
        name: "Idempotency-Key",
        place: "header",
        schema: || json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
        description: "Visible ASCII characters of the client's choice. Who repeats the request \
                      under the same key gets the first one's answer, and it happens once. That \
                      holds for 30 days, for ten minutes where somebody signs in or the answer \
                      holds what opens something, and for ever where money is asked for.",
        refusals: &[],
    },
    Shared {
        name: "If-Match",
        place: "header",
        schema: || json!({ "type": "string", "examples": ["\"3\""] }),
        description: "The `ETag` of what the decision was taken on; refused if it is over.",
        refusals: &[],
    },
    Shared {
        name: "If-None-Match",
        place: "header",
        schema: || json!({ "type": "string", "examples": ["\"3\""] }),
        description: "The `ETag` of what the client has; 304 if it still looks so.",
        refusals: &[],
    },
];

struct Header {
    name: &'static str,
    /// Whether each answer that can have it has it.
    always: bool,
    schema: fn() -> Value,
    description: &'static str,
}

const HEADERS: &[Header] = &[
    Header {
        name: "Content-Disposition",
        always: true,
        schema: || json!({ "type": "string", "examples": ["attachment; filename=\"pot.jpg\""] }),
        description: "What to call the file.",
    },
    Header {
        name: "ETag",
        always: true,
        schema: || json!({ "type": "string", "examples": ["\"3\""] }),
        description: "The version, in quotes, for `If-Match`; behind a dot a mark of how it looks, \
                      where that can change without a new version.",
    },
    Header {
        name: "Idempotent-Replayed",
        always: false,
        schema: || json!({ "type": "string", "const": "true" }),
        description: "There where a repeat gets the first answer.",
    },
    Header {
        name: "Location",
        always: true,
        schema: || json!({ "type": "string", "format": "uri-reference" }),
        description: "The path of what was made.",
    },
    Header {
        name: "Log-Position",
        always: true,
        schema: || json!({ "type": "string", "examples": ["1.42"] }),
        description: "Epoch and position up to which the answer is true.",
    },
    Header {
        name: "RateLimit",
        always: false,
        schema: || json!({ "type": "string", "examples": ["\"key\";r=598;t=1"] }),
        description: "What is left of each limit, and in how many seconds all of it is back.",
    },
    Header {
        name: "RateLimit-Policy",
        always: false,
        schema: || json!({ "type": "string", "examples": ["\"key\";q=600;w=60"] }),
        description: "How many requests in how many seconds each limit allows.",
    },
    Header {
        name: "Retry-After",
        always: false,
        schema: || json!({ "type": "integer", "minimum": 0 }),
        description: "Seconds to wait before trying again.",
    },
    Header {
        name: "WWW-Authenticate",
        always: true,
        schema: || json!({ "type": "string", "examples": ["Bearer realm=\"verbatim\""] }),
        description: "How to say who calls.",
    },
    Header {
        name: "X-Request-Id",
        always: true,
        schema: || json!({ "type": "string", "format": "uuid" }),
        description: "The request's id. Events that it caused have it as correlation id.",
    },
];

impl Header {
    fn told(&self) -> Value {
        json!({
            "required": self.always,
            "description": self.description,
            "schema": (self.schema)(),
        })
    }
}

impl Shared {
    fn told(&self, required: bool) -> Value {
        json!({
            "name": self.name,
            "in": self.place,
            "required": required,
            "description": self.description,
            "schema": (self.schema)(),
        })
    }
}

/// A shared parameter where it can't be left out.
pub(super) fn required(name: &str) -> Value {
    let shared = SHARED.iter().find(|shared| shared.name == name);
    shared.map_or(Value::Null, |shared| shared.told(true))
}

/// A reference to a parameter that several operations share.
pub(super) fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

/// A reference to a header.
pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

pub(super) fn assemble(mut operations: Vec<Operation>, mut schemas: Schemas) -> Value {
    schemas.told::<Document>();
    for operation in operations.iter_mut().filter(|operation| is_counted(operation.path)) {
        operation.refuses(429, &["rate_limit.exceeded"]);
        operation.tells("RateLimit");
        operation.tells("RateLimit-Policy");
    }
    let taken = operations
        .iter_mut()
        .flat_map(|operation| operation.parameters.iter_mut().chain(operation.body.as_mut()));
    let named = schemas.into_components(taken);
    let usual = usual(&operations);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in &operations {
        let mut told = operation.to_json();
        if let Some(body) = told.get_mut("requestBody") {
            exemplify(body, &named);
        }
        let responses = told["responses"].as_object_mut();
        responses.into_iter().flatten().for_each(|(_, response)| exemplify(response, &named));
        refer(&mut told["responses"], operation, &usual);
        let method = operation.method.as_str().to_lowercase();
        paths.entry(operation.path).or_default().insert(method, told);
    }
    let tags = TAGS.iter().map(|(name, about)| json!({ "name": name, "description": about }));
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Verbatim",
            "version": "1",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": components(named, &usual),
    })
}

type Usual = BTreeMap<u16, BTreeSet<String>>;

/// For each status the codes that most operations have for it.
fn usual(operations: &[Operation]) -> Usual {
    let mut counts: BTreeMap<u16, BTreeMap<&BTreeSet<String>, usize>> = BTreeMap::new();
    for (status, codes) in operations.iter().flat_map(|operation| &operation.problems) {
        *counts.entry(*status).or_default().entry(codes).or_default() += 1;
    }
    let most = |(status, counts): (u16, BTreeMap<&BTreeSet<String>, usize>)| {
        let (codes, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count > 1).then(|| (status, codes.clone()))
    };
    counts.into_iter().filter_map(most).collect()
}

fn refer(responses: &mut Value, operation: &Operation, usual: &Usual) {
    for (status, codes) in &operation.problems {
        if usual.get(status) == Some(codes) {
            let path = format!("#/components/responses/{status}");
            responses[status.to_string()] = json!({ "$ref": path });
        }
    }
}

fn components(named: Map<String, Value>, usual: &Usual) -> Value {
    let parameters = SHARED.iter().map(|shared| (shared.name.to_owned(), shared.told(false)));
    let headers = HEADERS.iter().map(|header| (header.name.to_owned(), header.told()));
    let responses =
        usual.iter().map(|(status, codes)| (status.to_string(), refusal(*status, codes)));
    json!({
        "schemas": named,
        "parameters": parameters.collect::<Map<_, _>>(),
        "headers": headers.collect::<Map<_, _>>(),
        "responses": responses.collect::<Map<_, _>>(),
        "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer", "description": "A key as bearer." },
            "key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
        },
    })
}

/// Gives each body of JSON an example; several where its schema has several.
fn exemplify(message: &mut Value, named: &Map<String, Value>) {
    let Some(body) = message.pointer_mut("/content/application~1json") else { return };
    let schema = &body["schema"];
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let whole = name.and_then(|name| named.get(name)).unwrap_or(schema);
    match whole["examples"].as_array().filter(|several| several.len() > 1) {
        Some(several) => {
            let named = several.iter().enumerate().map(|(number, example)| {
                let name = example["type"].as_str().map_or(number.to_string(), str::to_owned);
                (name, json!({ "value": example }))
            });
            body["examples"] = Value::Object(named.collect());
        }
        None => body["example"] = example::of(schema, named),
    }
}
