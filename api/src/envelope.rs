//! The form of every answer that isn't a problem: `{"data": …, "meta": {…}}`.

use std::marker::PhantomData;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, ETAG, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::dry_run;
use crate::openapi::{Described, Operation, Schemas};
use crate::position::{Live, Position};
use crate::problem::Problem;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Envelope<T, M> {
    data: T,
    meta: Meta<M>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Meta<M> {
    #[serde(flatten)]
    told: M,
    /// Since when something that is told here stands still, because an event could not be taken in.
    /// An operator knows more; it goes on when what was wrong is mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_since: Option<DateTime<Utc>>,
}

impl<T, M> Envelope<T, M> {
    fn new(data: T, meta: M) -> Self {
        Envelope { data, meta: Meta { told: meta, stale_since: None } }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct NoMeta {}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Paged {
    /// The `cursor` of the next page; null on the last one.
    next_cursor: Option<String>,
    has_more: bool,
}

/// What does not come out of a read model.
#[derive(Debug)]
pub(crate) struct Plain<T, M = NoMeta>(Envelope<T, M>);

/// Something out of a read model, which is as fresh as the model.
#[derive(Debug)]
pub(crate) struct Read<T, M = NoMeta>(Envelope<T, M>, Live);

/// What a command that keeps no answer for repeats has done, and up to which position.
#[derive(Debug)]
pub(crate) struct Written<T>(Envelope<T, NoMeta>, Position);

/// The same under another status than 200.
#[derive(Debug)]
pub(crate) struct Under<const STATUS: u16, T>(pub(crate) T);

/// One thing out of a read model, in the version by which `If-Match` knows it again.
#[derive(Debug)]
pub(crate) struct One<T> {
    read: Read<T>,
    version: i64,
    /// Whether it can look different in the same version.
    composed: bool,
}

/// Something out of a read model that was read for several at once. For none of them it is older
/// than what they were told to be the position.
#[derive(Debug)]
pub(crate) struct Common<T>(Bytes, Position, PhantomData<T>);

/// A page of things out of a read model.
pub(crate) type Page<T> = Read<Vec<T>, Paged>;

pub(crate) fn plain<T>(data: T) -> Plain<T> {
    Plain(Envelope::new(data, NoMeta {}))
}

pub(crate) fn read_with<T, M>(live: &Live, data: T, meta: M) -> Read<T, M> {
    Read(Envelope::new(data, meta), live.clone())
}

pub(crate) fn read<T>(live: &Live, data: T) -> Read<T> {
    read_with(live, data, NoMeta {})
}

/// What was written out for several, for one who knew before that it would be as fresh as this.
pub(crate) fn common<T>(live: &Live, body: Bytes) -> Common<T> {
    Common(body, live.position, PhantomData)
}

/// A thing that looks the same as long as its version is the same.
pub(crate) fn one<T>(live: &Live, version: i64, data: T) -> One<T> {
    One { read: read(live, data), version, composed: false }
}

/// A thing that is shown with what belongs to others, to a person, or to the hour.
pub(crate) fn composed<T>(live: &Live, version: i64, data: T) -> One<T> {
    One { read: read(live, data), version, composed: true }
}

/// With the cursor of the next page, where there is more.
pub(crate) fn page<T>(live: &Live, data: Vec<T>, next_cursor: Option<String>) -> Page<T> {
    read_with(live, data, Paged::before(next_cursor))
}

impl Paged {
    pub(crate) fn before(next_cursor: Option<String>) -> Paged {
        let has_more = next_cursor.is_some();
        Paged { next_cursor, has_more }
    }
}

pub(crate) fn written<T>(position: Position, data: T) -> Written<T> {
    Written(Envelope::new(data, NoMeta {}), position)
}

/// What most answers take: one that grows into its room is moved again and again.
const ROOM: usize = 8 << 10;

impl<T: Serialize, M: Serialize> Envelope<T, M> {
    fn write(&self) -> serde_json::Result<Vec<u8>> {
        let mut body = Vec::with_capacity(ROOM);
        serde_json::to_writer(&mut body, self)?;
        Ok(body)
    }
}

impl<T: Serialize, M: Serialize> Plain<T, M> {
    fn into_response(self, mut response: HttpResponseBuilder) -> HttpResponse {
        match self.0.write() {
            Ok(body) => response.content_type(ContentType::json()).body(body),
            Err(error) => HttpResponse::from_error(Problem::from(error)),
        }
    }
}

impl<T: Serialize, M: Serialize> Read<T, M> {
    fn into_response(self, mut response: HttpResponseBuilder) -> HttpResponse {
        let position = self.1.position;
        response.insert_header((Position::HEADER, position.to_string()));
        Plain(self.told()).into_response(response)
    }

    /// With what is known of how it stands.
    fn told(self) -> Envelope<T, M> {
        let Read(mut envelope, live) = self;
        if !live.stale.is_empty() {
            let told = serde_json::to_string(&envelope.data).unwrap_or_default();
            envelope.meta.stale_since = live.stale_since(|id| told.contains(id));
        }
        envelope
    }

    /// Its body, for several who asked for the same.
    pub(crate) fn write(self) -> Result<Bytes, Problem> {
        Ok(self.told().write()?.into())
    }
}

impl<T: Serialize, M: Serialize> Responder for Plain<T, M> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response(HttpResponse::Ok())
    }
}

impl<T: Serialize, M: Serialize> Responder for Read<T, M> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response(HttpResponse::Ok())
    }
}

impl<T> Responder for Common<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((Position::HEADER, self.1.to_string()));
        response.content_type(ContentType::json()).body(self.0)
    }
}

impl<T: Serialize> Responder for Written<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((Position::HEADER, self.1.to_string()));
        Plain(self.0).into_response(response)
    }
}

impl<const STATUS: u16, T: Responder<Body = BoxBody>> Responder for Under<STATUS, T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = self.0.respond_to(request);
        // What is only rehearsed makes nothing.
        if !dry_run::is_told_in(&response) {
            *response.status_mut() = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        }
        response
    }
}

impl<T: Serialize> One<T> {
    fn tag(&self) -> String {
        let version = self.version;
        if !self.composed {
            return format!("\"{version}\"");
        }
        let looks = serde_json::to_vec(&self.read.0.data).unwrap_or_default();
        format!("\"{version}.{}\"", hex::encode(&Sha256::digest(looks)[..8]))
    }
}

impl<T: Serialize> Responder for One<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let tag = self.tag();
        if is_known(request, &tag) {
            let mut response = HttpResponse::NotModified();
            response.insert_header((Position::HEADER, self.read.1.position.to_string()));
            return response.insert_header((ETAG, tag)).finish();
        }
        let mut response = HttpResponse::Ok();
        response.insert_header((ETAG, tag));
        self.read.into_response(response)
    }
}

/// Whether the client says that it has this already (RFC 9110 §13.1.2: a weak comparison).
fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let told = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut known = told.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

impl<T: JsonSchema, M: JsonSchema> Described for Plain<T, M> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        operation.answers(200, "application/json", schemas.told::<Envelope<T, M>>());
    }
}

impl<T: JsonSchema, M: JsonSchema> Described for Read<T, M> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Plain::<T, M>::describe(operation, schemas);
        operation.tells("Log-Position");
        operation.refuses(503, &["unavailable", "read_model.building"]);
    }
}

impl<T: Described> Described for Common<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

impl<T: JsonSchema> Described for Written<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Plain::<T>::describe(operation, schemas);
        operation.tells("Log-Position");
        operation.refuses(409, &["contended"]);
        operation.refuses(503, &["unavailable"]);
    }
}

impl<const STATUS: u16, T: Described> Described for Under<STATUS, T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
        operation.succeeds_with(STATUS);
    }
}

impl<T: JsonSchema> Described for One<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Read::<T>::describe(operation, schemas);
        operation.tells("ETag");
        operation.shares("If-None-Match");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_a_client_has_already_is_known_among_several_and_weakly() {
        let known = |told: &str| {
            let request = TestRequest::default().insert_header((IF_NONE_MATCH, told));
            is_known(&request.to_http_request(), "\"3\"")
        };
        assert!(known("\"3\"") && known("\"1\", W/\"3\"") && known("*"));
        assert!(!known("\"31\"") && !known("3") && !known(""));
    }
}
