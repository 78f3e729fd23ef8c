//! The form of every answer that isn't a problem: `{"data": …, "meta": {…}}`.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::{Described, Operation, Schemas};
use crate::position::{Live, Position};

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Envelope<T, M> {
    data: T,
    meta: M,
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
pub(crate) struct Read<T, M = NoMeta>(Envelope<T, M>, Position);

/// What a command that keeps no answer for repeats has done, and up to which position.
#[derive(Debug)]
pub(crate) struct Written<T>(Envelope<T, NoMeta>, Position);

/// The same under another status than 200.
#[derive(Debug)]
pub(crate) struct Under<const STATUS: u16, T>(pub(crate) T);

/// One thing out of a read model, in the version by which `If-Match` knows it again.
#[derive(Debug)]
pub(crate) struct One<T>(Read<T>, i64);

/// A page of things out of a read model.
pub(crate) type Page<T> = Read<Vec<T>, Paged>;

pub(crate) fn plain<T>(data: T) -> Plain<T> {
    Plain(Envelope { data, meta: NoMeta {} })
}

pub(crate) fn plain_with<T, M>(data: T, meta: M) -> Plain<T, M> {
    Plain(Envelope { data, meta })
}

pub(crate) fn read_with<T, M>(live: &Live, data: T, meta: M) -> Read<T, M> {
    Read(Envelope { data, meta }, live.position)
}

pub(crate) fn one<T>(live: &Live, version: i64, data: T) -> One<T> {
    One(read_with(live, data, NoMeta {}), version)
}

/// With the cursor of the next page, where there is more.
pub(crate) fn page<T>(live: &Live, data: Vec<T>, next_cursor: Option<String>) -> Page<T> {
    let has_more = next_cursor.is_some();
    read_with(live, data, Paged { next_cursor, has_more })
}

pub(crate) fn written<T>(position: Position, data: T) -> Written<T> {
    Written(Envelope { data, meta: NoMeta {} }, position)
}

impl<T: Serialize, M: Serialize> Plain<T, M> {
    fn into_response(self, mut response: HttpResponseBuilder) -> HttpResponse {
        response.json(self.0)
    }
}

impl<T: Serialize, M: Serialize> Read<T, M> {
    fn into_response(self, mut response: HttpResponseBuilder) -> HttpResponse {
        response.insert_header((Position::HEADER, self.1.to_string()));
        Plain(self.0).into_response(response)
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

impl<T: Serialize> Responder for Written<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        Read(self.0, self.1).respond_to(request)
    }
}

impl<const STATUS: u16, T: Responder<Body = BoxBody>> Responder for Under<STATUS, T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = self.0.respond_to(request);
        *response.status_mut() = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK);
        response
    }
}

impl<T: Serialize> Responder for One<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((ETAG, format!("\"{}\"", self.1)));
        self.0.into_response(response)
    }
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
    }
}
