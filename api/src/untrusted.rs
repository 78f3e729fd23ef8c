//! What strangers' bytes are read with, for whoever throws bytes at it: the heads and the bodies of
//! requests, and what people call numbers, places, times and files.

use std::fmt::Debug;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::test::TestRequest;
use actix_web::{FromRequest, HttpRequest, ResponseError};
use chrono::{DateTime, Utc};
use domain::template::validate;
use domain::untrusted::Parser;
use futures_util::FutureExt;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use crate::body::{Nothing, Request};
use crate::file::{self, Upload};
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::analytics::{span, steps::Step};
use crate::routes::auth::token;
use crate::routes::messages::draft::New;
use crate::routes::templates::form::{self, Form};
use crate::routes::{audit, workspace};
use crate::{address, auth, phone, reading, region};

pub const PARSERS: &[Parser] =
    &[("names", names), ("request_bodies", request_bodies), ("request_heads", request_heads)];

/// A query in a line, a header in each of the next ones, then the body of a request.
pub fn request_heads(bytes: &[u8]) {
    let Some((request, payload)) = sent(bytes) else { return };
    if let Some(told) = read::<Request<Nothing>>(&request, payload) {
        if let Some(Some(key)) = taken(told.key()) {
            assert!(key.len() <= 255 && key.iter().all(u8::is_ascii_graphic));
        }
        let version = taken(told.expected_version()).flatten();
        assert!(version.is_none_or(|version| version >= 0), "{version:?}");
        taken(told.is_dry_run());
    }
    let key = auth::key(&request);
    assert!(key.is_none_or(|key| !key.is_empty() && key.trim() == key));
    let agent = auth::origin(&request, 1).user_agent;
    assert!(agent.is_none_or(|agent| agent.len() <= 512 && !agent.contains('\0')));
    let entries = request.headers().get_all("x-forwarded-for").count();
    assert_eq!(address::of(&request, 0), None, "nobody is connected");
    assert!(entries > 0 || address::of(&request, 1).is_none());
    for (_, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        parameter(&value);
    }
    if let Some(asked) = read::<Query<audit::Asked>>(&request, Payload::None) {
        taken(audit::filter(asked.into_inner()));
    }
    if let Some(asked) =
        sent(bytes).and_then(|(request, body)| read::<token::Asked>(&request, body))
    {
        taken(asked.scopes());
    }
    if let Some(file) = sent(bytes).and_then(|(request, body)| read::<Upload>(&request, body)) {
        assert!(!file.bytes().is_empty() && HeaderValue::from_str(&file.mime_type).is_ok());
    }
}

/// One parameter as everything that a parameter can be.
fn parameter(text: &str) {
    if let Some(Some(time)) = taken(reading::time("at", Some(text))) {
        assert_eq!(reading::time("at", Some(&time.to_rfc3339())).ok(), Some(Some(time)), "{text}");
    }
    if let Some(Some(told)) = taken(reading::text("text", Some(text.to_owned()))) {
        assert!(told == text && !told.contains('\0'));
    }
    taken(reading::id("id", Some(text)));
    if let Some(position) = taken(Position::parse(text, 1)) {
        assert_eq!(Position::parse(&position.to_string(), 1).ok(), Some(position));
    }
    cursor::<i64>(text);
    cursor::<(u64, Uuid)>(text);
    cursor::<(DateTime<Utc>, Uuid)>(text);
    cursor::<(DateTime<Utc>, String, Uuid)>(text);
}

/// A page begins where its cursor says, and a cursor made there says the same.
fn cursor<C: Clone + Debug + PartialEq + Serialize + DeserializeOwned>(text: &str) {
    let asked = |cursor: Option<&str>| Page::<C>::asked(text.parse().ok(), cursor);
    let Some(page) = taken(asked(Some(text))) else { return };
    let Some(after) = page.after.clone() else { unreachable!("there is a cursor") };
    is_kept(&after);
    let rows = usize::try_from(page.fetch()).unwrap_or_default();
    let next = page.cut(vec![(); rows], |()| after.clone()).next;
    assert_eq!(asked(next.as_deref()).ok(), Some(page));
}

/// One body as each of those that say most.
pub fn request_bodies(bytes: &[u8]) {
    let (request, payload) = TestRequest::post().set_payload(bytes.to_vec()).to_http_parts();
    let Some(request) = read::<Request<Form>>(&request, payload) else { return };
    let json = request.json();
    if let Err(problem) = &json {
        let told = serde_json::to_string(&problem.document()).unwrap_or_default();
        assert!(told.len() <= 32 * bytes.len() + 8192, "{} bytes of it", told.len());
    }
    let Some(json) = taken(json) else { return };
    is_kept(&json);
    if let Some(checked) = taken(request.read::<New>()).and_then(|new| taken(new.check())) {
        is_read_again(&checked.to(Uuid::from_u128(1), Uuid::from_u128(2)).body);
    }
    if let Some(form) = taken(form::read(&request, form::BEGINNING)) {
        let (draft, _) = form.draft_anywhere();
        let faults = validate(&draft);
        assert!(faults.iter().all(|fault| !fault.message.is_empty()), "{faults:?}");
        is_read_again(&draft.components);
    }
    if let Some(change) = taken(request.read::<workspace::Change>()) {
        taken(change.check());
    }
}

/// One text as a number, a place, a file; four words as a span of time.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(digits) = taken(phone::digits(text)) {
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
        assert_eq!(phone::digits(&digits).ok(), Some(digits), "{text}");
    }
    for known in [region::timezone, region::locale, region::currency] {
        if let Ok(name) = known(text) {
            assert_eq!(known(&name).as_ref(), Ok(&name), "{text}");
        }
    }
    let (mime, name) = text.split_once('\n').unwrap_or((text, text));
    let head = file::aside(Some(mime.to_owned()), Some(name.to_owned())).finish();
    assert_eq!(head.status(), StatusCode::OK, "{mime:?} {name:?}");
    if let [zone, from, to, step] = text.split(' ').collect::<Vec<_>>()[..] {
        span_of(zone, from, to, step);
    }
}

/// Steps follow each other, and hold the whole span.
fn span_of(zone: &str, from: &str, to: &str, step: &str) {
    let time = |text| reading::time("at", Some(text)).ok().flatten();
    let step = step.parse::<Step>().ok();
    let told = TimeZone::get(zone).ok().zip(time(from)).zip(time(to)).zip(step);
    let Some((((zone, from), to), step)) = told else { return };
    if let Some(edges) = taken(span::edges(from, to, step, &zone)) {
        assert!(edges.is_sorted_by(|one, next| one < next), "{edges:?}");
        assert!(edges.first().is_some_and(|first| *first <= from), "{edges:?}");
        assert!(edges.last().is_some_and(|last| *last >= to), "{edges:?}");
    }
}

fn sent(bytes: &[u8]) -> Option<(HttpRequest, Payload)> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let query = std::str::from_utf8(lines.next()?).ok()?;
    let address = format!("/?{query}");
    address.parse::<Uri>().ok()?;
    let mut request = TestRequest::post().uri(&address);
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request = request.append_header((name, HeaderValue::from_bytes(&line[colon + 1..]).ok()?));
    }
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    Some(request.set_payload(body).to_http_parts())
}

/// What an extractor takes of it. What it refuses, a client can be told.
fn read<T: FromRequest>(request: &HttpRequest, mut payload: Payload) -> Option<T> {
    let told = T::from_request(request, &mut payload).now_or_never();
    let Some(told) = told else { unreachable!("all of it is there") };
    let refused = |error: T::Error| {
        let error: actix_web::Error = error.into();
        let status = error.as_response_error().error_response().status();
        assert!(status.is_client_error(), "{error:?}");
    };
    told.map_err(refused).ok()
}

/// What was taken. What was refused, a client can be told.
fn taken<T>(told: Result<T, Problem>) -> Option<T> {
    let refused = |problem: Problem| {
        assert!(problem.error_response().status().is_client_error(), "{problem:?}");
    };
    told.map_err(refused).ok()
}

fn is_kept(value: &impl Serialize) {
    fn holds_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(holds_nul),
            Value::Object(members) => {
                members.iter().any(|(name, member)| name.contains('\0') || holds_nul(member))
            }
            _ => false,
        }
    }
    assert!(!holds_nul(&serde_json::to_value(value).unwrap_or_default()));
}

/// Whether the log will hold what was meant.
fn is_read_again<T: Debug + PartialEq + Serialize + DeserializeOwned>(value: &T) {
    is_kept(value);
    let written = serde_json::to_string(value).unwrap_or_default();
    assert_eq!(serde_json::from_str(&written).ok().as_ref(), Some(value), "{written}");
}
