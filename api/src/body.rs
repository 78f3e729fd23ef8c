//! A command as it came over the wire. It is taken in raw: who calls, and whether the same was
//! asked before, comes before anybody looks into it.

mod strict;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, IF_MATCH};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::dry_run;
use crate::openapi::{Described, Operation, Schemas};
use crate::problem::{FieldError, Problem};
use crate::query;
use strict::Strict;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `T` is what the body is read as.
#[derive(Debug)]
pub(crate) struct Request<T = Nothing> {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
    key: Option<Vec<u8>>,
    if_match: Option<Vec<u8>>,
    pub(crate) query: String,
    /// What the address asks beside the path, in order.
    asked: Vec<(String, String)>,
    body: PhantomData<fn() -> T>,
}

/// The body of a command that has nothing to say: none, or `{}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl<T> Request<T> {
    /// The client's idempotency key.
    pub(crate) fn key(&self) -> Result<Option<&[u8]>, Problem> {
        let Some(key) = &self.key else { return Ok(None) };
        if (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
            return Ok(Some(key));
        }
        let detail = "Idempotency-Key has 1 to 255 visible ASCII characters, and is sent once";
        Err(Problem::bad_request("idempotency.invalid_key", detail))
    }

    /// The version that the client's decision was taken on.
    pub(crate) fn expected_version(&self) -> Result<Option<i64>, Problem> {
        let Some(if_match) = &self.if_match else { return Ok(None) };
        let version = std::str::from_utf8(if_match).ok().map(str::trim);
        if version == Some("*") {
            return Ok(None);
        }
        let tag = version.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        // Behind a dot a read tells how it looked, which no decision depends on.
        let digits = tag.map(|tag| tag.split_once('.').map_or(tag, |(version, _)| version));
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let version = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
            let detail = "If-Match is one ETag as it was answered, like \"3\"";
            Problem::bad_request("precondition.invalid", detail)
        })?;
        Ok(Some(version))
    }

    /// Whether it shall only be said what would happen.
    pub(crate) fn is_dry_run(&self) -> Result<bool, Problem> {
        let refused = |name: &str, detail: &str| Err(query::invalid(name, detail));
        match &self.asked[..] {
            [] => Ok(false),
            [(name, value)] if name == dry_run::NAME => match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => refused(name, "dry_run is true or false"),
            },
            [(name, _)] => refused(name, &format!("there is no parameter {name}")),
            [.., (name, _)] => refused(name, "the only parameter is dry_run, once"),
        }
    }

    /// The handler reads the parameters by itself.
    pub(crate) fn with_own_parameters(mut self) -> Self {
        self.asked.clear();
        self
    }

    pub(crate) fn parse(&self) -> Result<T, Problem>
    where
        T: DeserializeOwned,
    {
        self.read()
    }

    /// For a body whose form depends on what is in it.
    pub(crate) fn read<U: DeserializeOwned>(&self) -> Result<U, Problem> {
        serde_path_to_error::deserialize(Strict(self.json()?)).map_err(|error| {
            let field = error.path().to_string();
            let detail = error.into_inner().to_string();
            let error = FieldError::new(field.clone(), "invalid", detail.clone());
            match field.as_str() {
                "." => invalid(detail),
                _ => invalid(format!("{field}: {detail}")).with_errors(vec![error]),
            }
        })
    }

    pub(crate) fn json(&self) -> Result<Value, Problem> {
        let bytes: &[u8] = if self.bytes.is_empty() { b"{}" } else { &self.bytes };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(&error))?;
        if !value.is_object() {
            return Err(invalid("the body is an object, in braces"));
        }
        let mut nul = vec![];
        find_nul(&value, &mut String::new(), &mut nul);
        if !nul.is_empty() {
            return Err(invalid("the body holds the character U+0000").with_errors(nul));
        }
        Ok(value)
    }
}

/// How deep a body may be nested, before it is refused rather than followed: serde_json's measure.
const DEEPEST: usize = 127;

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = match error.to_string() {
        told if told.starts_with("recursion limit exceeded") => {
            format!("the body is nested deeper than {DEEPEST} levels")
        }
        told => format!("the body is not JSON: {told}"),
    };
    Problem::bad_request("request.malformed", detail)
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid", detail)
}

/// What is told of the characters U+0000 in a body: so many places, names cut to so many characters.
/// Otherwise a small body could ask for a very large answer.
const MOST_PLACES: usize = 20;
const LONGEST_NAME: usize = 100;

/// U+0000 is legal in JSON, and can't be kept.
fn find_nul(value: &Value, path: &mut String, found: &mut Vec<FieldError>) {
    let tell = |field: &str, found: &mut Vec<FieldError>| {
        if found.len() < MOST_PLACES {
            found.push(FieldError::new(field, "nul", "leave out the character U+0000"));
        }
    };
    let length = path.len();
    match value {
        Value::String(text) if text.contains('\0') => tell(path, found),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                path.push_str(&format!("[{number}]"));
                find_nul(item, path, found);
                path.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                path.push_str(if length > 0 { "." } else { "" });
                let cut = name.chars().take(LONGEST_NAME);
                path.extend(cut.map(|it| if it == '\0' { '\u{fffd}' } else { it }));
                if name.contains('\0') {
                    tell(path, found);
                }
                find_nul(member, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// For a field that may be left out, but not be null.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

impl<T: 'static> FromRequest for Request<T> {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        let header = |name| request.headers().get(name).map(|value| value.as_bytes().to_vec());
        // More than one is none that could be kept.
        let is_one = request.headers().get_all(KEY).count() <= 1;
        let key = if is_one { header(KEY) } else { Some(vec![]) };
        let if_match = header(IF_MATCH);
        let query = request.query_string().to_owned();
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        let asked = url::form_urlencoded::parse(request.query_string().as_bytes());
        let asked = asked.into_owned().collect();
        Box::pin(async move {
            let (bytes, body) = (bytes.await?, PhantomData);
            Ok(Request { method, path, bytes, key, if_match, query, asked, body })
        })
    }
}

impl<T: JsonSchema> Described for Request<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let schema = schemas.inline::<T>();
        let required = schema["required"].as_array().is_some_and(|fields| !fields.is_empty());
        operation.takes("application/json", schemas.taken::<T>(), required);
        operation.refuses(400, &["request.malformed"]);
        operation.refuses(408, &["request.timeout"]);
        operation.refuses(413, &["request.too_large"]);
        operation.refuses(422, &["request.invalid"]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[serde(default, deserialize_with = "present")]
        name: Option<String>,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default, rename = "at")]
        _at: Vec<Place>,
    }

    #[derive(Debug, Deserialize)]
    struct Place {
        #[serde(rename = "name")]
        _name: String,
    }

    #[test]
    fn a_field_may_be_left_out_but_not_be_null() {
        assert_eq!(request("{}").parse().unwrap().name, None);
        assert!(request("").parse().unwrap().tags.is_empty());
        assert!(refused(r#"{"name": null}"#).contains("name"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refused(r#"{"tags": ["a", 5]}"#).contains("tags[1]"));
        assert!(refused(r#"{"nmae": "Ana"}"#).contains("nmae"));
        assert!(refused(r#"{"at": [["here"]]}"#).contains("at[0]: invalid type"));
    }

    #[test]
    fn a_nul_character_is_refused_wherever_it_stands() {
        for body in [r#"{"name": "a\u0000"}"#, r#"{"tags": ["\u0000"]}"#, r#"{"\u0000": 1}"#] {
            assert!(refused(body).contains("U+0000"));
        }
    }

    #[test]
    fn what_is_told_of_nul_characters_does_not_grow_with_their_number() {
        let long = serde_json::json!({ "n".repeat(20_000): vec!["\0"; 5_000] }).to_string();
        let names: Vec<String> = (0..5_000).map(|it| format!(r#""\u0000{it}":0"#)).collect();
        for body in [long, format!("{{{}}}", names.join(","))] {
            let problem = request(&body).parse().unwrap_err();
            let told = serde_json::to_value(problem.document()).unwrap();
            assert_eq!(told["errors"].as_array().unwrap().len(), MOST_PLACES);
            assert!(told.to_string().len() < 10_000);
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_malformed() {
        let problem = request("{").parse().unwrap_err();
        assert_eq!(problem.code(), "request.malformed");
    }

    #[test]
    fn a_body_that_is_nested_too_deep_is_malformed_and_told_so() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            format!("{{\"a\":{open}{close}}}")
        };
        assert!(request(&nested(DEEPEST)).json().is_ok());
        for levels in [DEEPEST + 1, 100_000] {
            let problem = request(&nested(levels)).json().unwrap_err();
            assert_eq!(problem.code(), "request.malformed");
            assert!(problem.to_string().contains("deeper than 127 levels"), "{problem}");
        }
    }

    #[test]
    fn an_etag_comes_back_as_it_went_out() {
        let matching = |text: &str| {
            let if_match = Some(text.as_bytes().to_vec());
            Request { if_match, ..request("") }.expected_version()
        };
        assert_eq!(matching("\"3\"").unwrap(), Some(3));
        assert_eq!(matching("\"3.9f2c\"").unwrap(), Some(3));
        assert_eq!(matching("*").unwrap(), None);
        for nonsense in ["3", "\"\"", "W/\"3\"", "\"3\", \"4\"", "\"-3\"", ""] {
            assert_eq!(matching(nonsense).unwrap_err().code(), "precondition.invalid");
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_text() {
        let key = |text: &str| {
            let key = Some(text.as_bytes().to_vec());
            Request { key, ..request("") }.key().map(|key| key.is_some())
        };
        assert!(key("order-17").unwrap());
        for nonsense in ["", "a b", "é", &"x".repeat(256)] {
            assert_eq!(key(nonsense).unwrap_err().code(), "idempotency.invalid_key");
        }
    }

    fn refused(body: &str) -> String {
        let problem = request(body).parse().unwrap_err();
        assert_eq!(problem.code(), "request.invalid");
        problem.to_string()
    }

    fn request(body: &str) -> Request<Body> {
        Request {
            method: "POST".into(),
            path: "/".into(),
            bytes: Bytes::copy_from_slice(body.as_bytes()),
            key: None,
            query: String::new(),
            if_match: None,
            asked: vec![],
            body: PhantomData,
        }
    }
}
