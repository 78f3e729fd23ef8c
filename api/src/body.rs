//! A command as it came over the wire. It is taken in raw: who calls, and whether the same was
//! asked before, comes before anybody looks into it.

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

use crate::openapi::{Described, Operation, Schemas};
use crate::problem::{FieldError, Problem};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `T` is what the body is read as.
#[derive(Debug)]
pub(crate) struct Request<T = Nothing> {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
    key: Option<Vec<u8>>,
    if_match: Option<Vec<u8>>,
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
        let detail = "Idempotency-Key has 1 to 255 visible ASCII characters";
        Err(Problem::bad_request("idempotency.invalid_key", detail))
    }

    /// The version that the client's decision was taken on.
    pub(crate) fn expected_version(&self) -> Result<Option<i64>, Problem> {
        let Some(if_match) = &self.if_match else { return Ok(None) };
        let version = std::str::from_utf8(if_match).ok().map(str::trim);
        if version == Some("*") {
            return Ok(None);
        }
        let digits = version.and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let version = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
            let detail = "If-Match is one ETag as it was answered, like \"3\"";
            Problem::bad_request("precondition.invalid", detail)
        })?;
        Ok(Some(version))
    }

    pub(crate) fn parse(&self) -> Result<T, Problem>
    where
        T: DeserializeOwned,
    {
        self.read()
    }

    /// For a body whose form depends on what is in it.
    pub(crate) fn read<U: DeserializeOwned>(&self) -> Result<U, Problem> {
        serde_path_to_error::deserialize(self.json()?).map_err(|error| {
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
        let value: Value = serde_json::from_slice(bytes).map_err(|error| {
            Problem::bad_request("request.malformed", format!("the body is not JSON: {error}"))
        })?;
        let mut nul = vec![];
        find_nul(&value, "", &mut nul);
        if !nul.is_empty() {
            return Err(invalid("the body holds the character U+0000").with_errors(nul));
        }
        Ok(value)
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "request.invalid", detail)
}

/// U+0000 is legal in JSON, and can't be kept.
fn find_nul(value: &Value, path: &str, found: &mut Vec<FieldError>) {
    let under = |name: &str| match path {
        "" => name.replace('\0', "\u{fffd}"),
        path => format!("{path}.{}", name.replace('\0', "\u{fffd}")),
    };
    let error = |field: &str| FieldError::new(field, "nul", "leave out the character U+0000");
    match value {
        Value::String(text) if text.contains('\0') => found.push(error(path)),
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                find_nul(item, &format!("{path}[{number}]"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    found.push(error(&under(name)));
                }
                find_nul(member, &under(name), found);
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
        let (key, if_match) = (header(KEY), header(IF_MATCH));
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        Box::pin(async move {
            let (bytes, body) = (bytes.await?, PhantomData);
            Ok(Request { method, path, bytes, key, if_match, body })
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
    }

    #[test]
    fn a_nul_character_is_refused_wherever_it_stands() {
        for body in [r#"{"name": "a\u0000"}"#, r#"{"tags": ["\u0000"]}"#, r#"{"\u0000": 1}"#] {
            assert!(refused(body).contains("U+0000"));
        }
    }

    #[test]
    fn a_body_that_is_not_json_is_malformed() {
        let problem = request("{").parse().unwrap_err();
        assert_eq!(problem.code(), "request.malformed");
    }

    #[test]
    fn an_etag_comes_back_as_it_went_out() {
        let matching = |text: &str| {
            let if_match = Some(text.as_bytes().to_vec());
            Request { if_match, ..request("") }.expected_version()
        };
        assert_eq!(matching("\"3\"").unwrap(), Some(3));
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
            if_match: None,
            body: PhantomData,
        }
    }
}
