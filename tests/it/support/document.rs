//! The document as a judge: every exchange of every test is compared with what it promises.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use boon::{Compiler, SchemaIndex, Schemas};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| api::document().clone());
static SEEN: Mutex<BTreeMap<String, BTreeSet<u16>>> = Mutex::new(BTreeMap::new());
static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// The type of an answer to what did not happen.
const DRY_RUN: &str = "application/vnd.verbatim.dry-run+json";

/// A question and its answer.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) sent: Option<&'a [u8]>,
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) text: &'a str,
}

/// With which statuses an operation has answered here so far.
pub(crate) fn seen(operation: &str) -> BTreeSet<u16> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.get(operation).cloned().unwrap_or_default()
}

/// All operations, by id.
pub(crate) fn operations() -> BTreeMap<String, Value> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|methods| methods.as_object().unwrap().values());
    operations
        .map(|told| (told["operationId"].as_str().unwrap().to_owned(), told.clone()))
        .collect()
}

impl Exchange<'_> {
    /// Panics where the answer is another than the document promises.
    #[track_caller]
    pub(crate) fn check(&self) {
        let Some(operation) = self.operation() else { return };
        if matches!(self.code().as_str(), "route.not_found" | "route.method_not_allowed") {
            return;
        }
        let id = operation["operationId"].as_str().unwrap();
        let place = format!("{id}, {} {}: {}", self.method, self.path, self.text);
        let told = &operation["responses"][self.status.to_string()];
        assert!(!told.is_null(), "{} is not documented for {place}", self.status);
        let told = resolved(told);
        self.check_headers(told, &place);
        self.check_body(told, &place);
        self.check_sent(operation, &place);
        if self.headers.get("content-type").is_some_and(|it| it == DRY_RUN) {
            return;
        }
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(id.to_owned()).or_default().insert(self.status);
    }

    fn code(&self) -> String {
        let problem: Value = serde_json::from_str(self.text).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The operation of the most literal path that fits.
    fn operation(&self) -> Option<&'static Value> {
        let asked: Vec<&str> = self.path.split('/').collect();
        let fits = |path: &&String| {
            let parts: Vec<&str> = path.split('/').collect();
            let same = |(part, asked): (&&str, &&str)| {
                part == asked || (part.starts_with('{') && !asked.is_empty())
            };
            parts.len() == asked.len() && parts.iter().zip(&asked).all(same)
        };
        let paths = DOCUMENT["paths"].as_object().unwrap();
        let path = paths.keys().filter(fits).min_by_key(|path| path.matches('{').count())?;
        paths[path].get(self.method.to_lowercase())
    }

    #[track_caller]
    fn check_headers(&self, told: &'static Value, place: &str) {
        for (name, header) in told["headers"].as_object().unwrap() {
            let header = resolved(header);
            match self.headers.get(name) {
                Some(value) if header["schema"]["type"] == "integer" => {
                    let number = value.to_str().unwrap().parse::<u32>();
                    assert!(number.is_ok(), "{name} of {place}");
                }
                Some(_) => {}
                None => assert_ne!(header["required"], true, "{name} is missing: {place}"),
            }
        }
        for name in ["etag", "log-position", "location", "idempotent-replayed", "retry-after"] {
            let documented = told["headers"].as_object().unwrap().keys();
            let documented = documented.map(|name| name.to_lowercase()).any(|told| told == name);
            assert!(documented || !self.headers.contains_key(name), "{name} is extra: {place}");
        }
    }

    #[track_caller]
    fn check_body(&self, told: &Value, place: &str) {
        if self.status == 304 {
            return assert!(self.text.is_empty(), "{place}");
        }
        let content = self.headers["content-type"].to_str().unwrap();
        let content = content.split(';').next().unwrap();
        let promised = told["content"].get(content).unwrap_or(&told["content"]["*/*"]);
        assert!(promised.is_object(), "{content} is not documented for {place}");
        if content.ends_with("json") {
            let body: Value = serde_json::from_str(self.text).unwrap();
            assert_eq!(invalid(&promised["schema"], &body, true), None, "{place}");
        }
    }

    /// What was sent and accepted has to be documented, too. Meta's words in upper case are
    /// understood in templates, but not promised.
    #[track_caller]
    fn check_sent(&self, operation: &Value, place: &str) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let sent = self.sent.and_then(|sent| serde_json::from_slice::<Value>(sent).ok());
        if let (Some(sent), 200..=299) = (sent, self.status)
            && !schema.is_null()
            && !self.path.starts_with("/v1/templates")
        {
            assert_eq!(invalid(schema, &sent, false), None, "{sent} was accepted: {place}");
        }
    }
}

fn resolved(told: &'static Value) -> &'static Value {
    match told["$ref"].as_str() {
        Some(path) => DOCUMENT.pointer(path.trim_start_matches('#')).unwrap(),
        None => told,
    }
}

#[derive(Default)]
struct Compiled {
    schemas: Schemas,
    known: HashMap<String, SchemaIndex>,
}

/// What is wrong with the value. If `closed`, nothing may be in it that is not documented.
pub(crate) fn invalid(schema: &Value, value: &Value, closed: bool) -> Option<String> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{closed}{schema}");
    let index = match compiled.known.get(&key) {
        Some(index) => *index,
        None => {
            let index = compile(schema, closed, &mut compiled.schemas);
            compiled.known.insert(key, index);
            index
        }
    };
    compiled.schemas.validate(value, index).err().map(|error| format!("{error:#}"))
}

fn compile(schema: &Value, closed: bool, schemas: &mut Schemas) -> SchemaIndex {
    let mut named = DOCUMENT["components"]["schemas"].as_object().unwrap().clone();
    let closable = named.iter().map(|(name, schema)| (format!("{name}!"), shut(schema)));
    let closable: Map<String, Value> = closable.collect();
    named.extend(closable);
    let mut root = if closed { shut(schema) } else { schema.clone() };
    root["components"] = json!({ "schemas": named });
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    let place = format!("urn:schema:{}", schemas.size());
    compiler.add_resource(&place, root).unwrap();
    compiler.compile(&place, schemas).unwrap_or_else(|error| panic!("{error:#}: {schema}"))
}

/// The schema without room for members that it doesn't name. Parts that are put together are shut
/// as a whole.
fn shut(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else { return schema.clone() };
    if let (Some(path), 1) = (members.get("$ref").and_then(Value::as_str), members.len()) {
        return json!({ "$ref": format!("{path}!") });
    }
    let mut told = parts_shut(members);
    let object = ["properties", "oneOf", "anyOf", "allOf", "$ref"];
    let composed = object.iter().any(|key| members.contains_key(*key));
    if composed && !members.contains_key("additionalProperties") {
        told.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(told)
}

/// The schema with its members' schemas shut, itself still open.
fn parts_shut(members: &Map<String, Value>) -> Map<String, Value> {
    let each = |value: &Value, shut: fn(&Value) -> Value| match value {
        Value::Object(several) => {
            Value::Object(several.iter().map(|(name, one)| (name.clone(), shut(one))).collect())
        }
        Value::Array(several) => Value::Array(several.iter().map(shut).collect()),
        other => other.clone(),
    };
    let open = |schema: &Value| {
        schema.as_object().map_or(schema.clone(), |members| Value::Object(parts_shut(members)))
    };
    let part = |(name, value): (&String, &Value)| {
        let value = match name.as_str() {
            "properties" => each(value, shut),
            "items" | "additionalProperties" => shut(value),
            "oneOf" | "anyOf" if !members.contains_key("properties") => each(value, shut),
            "oneOf" | "anyOf" | "allOf" => each(value, open),
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    members.iter().map(part).collect()
}
