//! What a command answers, as types: the kind of success, and what is told of the noun.

use std::borrow::Cow;
use std::marker::PhantomData;

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Noun;
use crate::dry_run;
use crate::openapi::{Described, Operation, Schemas};
use crate::problem::Problem;

/// How a command succeeds.
pub(crate) trait Kind {
    const STATUS: u16;
    /// Whether it makes what it tells of.
    const MAKES: bool = false;
}

/// The noun goes on in another version.
#[derive(Debug)]
pub(crate) struct Changed;

/// The noun is new.
#[derive(Debug)]
pub(crate) struct Made;

/// The noun has something more.
#[derive(Debug)]
pub(crate) struct Added;

/// It is recorded, and will be carried out.
#[derive(Debug)]
pub(crate) struct Accepted;

impl Kind for Changed {
    const STATUS: u16 = 200;
}

impl Kind for Made {
    const STATUS: u16 = 201;
    const MAKES: bool = true;
}

impl Kind for Added {
    const STATUS: u16 = 201;
}

impl Kind for Accepted {
    const STATUS: u16 = 202;
}

/// Nothing is told beside the noun.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "")]
pub(crate) struct Alone {}

#[derive(Serialize, JsonSchema)]
pub(super) struct Data<T, E> {
    pub(super) id: Uuid,
    /// Of the noun, for `If-Match`.
    pub(super) version: i64,
    #[serde(flatten)]
    pub(super) told: T,
    #[serde(flatten)]
    pub(super) beside: E,
}

/// In documents the data of a command is named after what it tells of.
struct Named<T, E>(PhantomData<(T, E)>);

impl<T: JsonSchema, E: JsonSchema> JsonSchema for Named<T, E> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}{}", T::schema_name(), E::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Data::<T, E>::json_schema(generator)
    }
}

/// The word for an answer about `A`.
#[derive(Debug)]
pub(crate) struct Of<K, A, E>(PhantomData<(K, A, E)>);

/// The word for what has no version, like a report on many.
#[derive(Debug)]
pub(crate) struct About<T>(PhantomData<T>);

/// The same, but without where the log stood: whoever asks must not learn whether anything happened.
#[derive(Debug)]
pub(crate) struct Discreet<T>(PhantomData<T>);

/// The word for an answer in somebody else's form, without our envelope.
#[derive(Debug)]
pub(crate) struct Bare<T>(PhantomData<T>);

/// What is told in an answer.
pub(crate) trait Word {
    /// Whether an answer with status 200 has an `ETag`.
    const IS_VERSIONED: bool = false;
    /// Whether it says where the log stood.
    const IS_PLACED: bool = true;
}

impl<K: Kind, A, E> Word for Of<K, A, E> {
    const IS_VERSIONED: bool = K::STATUS == 200;
}

impl<T> Word for About<T> {}

impl<T> Word for Discreet<T> {
    const IS_PLACED: bool = false;
}

impl<T> Word for Bare<T> {}

/// The answer to a command; `T` says what it holds.
#[derive(Debug)]
pub(crate) struct Told<T>(HttpResponse, PhantomData<fn() -> T>);

impl<T> Told<T> {
    pub(crate) fn new(response: HttpResponse) -> Told<T> {
        Told(response, PhantomData)
    }
}

impl<T> Responder for Told<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl<K: Kind, A: Noun, E: JsonSchema> Described for Told<Of<K, A, E>> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let data = schemas.told::<Named<A::Told, E>>();
        describe(operation, K::STATUS, enveloped(&data), schemas);
        operation.tells("Log-Position");
        operation.tells("ETag");
        let on_one = !operation.path_parameters().is_empty();
        if on_one {
            operation.refuses(404, &[Problem::from(A::absent()).code()]);
        }
        if K::MAKES {
            operation.tells("Location");
        } else {
            operation.shares("If-Match");
            operation.refuses(400, &["precondition.invalid"]);
            operation.refuses(412, &["precondition.version"]);
        }
    }
}

impl<T: JsonSchema> Described for Told<About<T>> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Told::<Discreet<T>>::describe(operation, schemas);
        operation.tells("Log-Position");
    }
}

impl<T: JsonSchema> Described for Told<Discreet<T>> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let data = schemas.told::<T>();
        describe(operation, 200, enveloped(&data), schemas);
    }
}

impl<T: JsonSchema> Described for Told<Bare<T>> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let schema = schemas.told::<T>();
        describe(operation, 200, schema, schemas);
        operation.tells("Log-Position");
    }
}

fn enveloped(data: &Value) -> Value {
    json!({
        "type": "object",
        "properties": { "data": data },
        "required": ["data"],
    })
}

/// What all commands tell, and refuse.
fn describe(operation: &mut Operation, status: u16, schema: Value, schemas: &mut Schemas) {
    operation.answers(status, "application/json", schema);
    operation.rehearses(schemas.told::<dry_run::Told>());
    operation.tells("Idempotent-Replayed");
    operation.shares("Idempotency-Key");
    operation.refuses(400, &["idempotency.invalid_key", "query.invalid"]);
    operation.refuses(409, &["idempotency.in_flight", "contended"]);
    operation.refuses(422, &["idempotency.key_reused"]);
    operation.refuses(503, &["unavailable"]);
}
