//! What the parts of a handler's signature tell of its operation.

use actix_web::body::BoxBody;
use actix_web::http::header::ContentType;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::document::SHARED;
use super::{Operation, Schemas};
use crate::problem::Problem;
use crate::query::Query;

pub(crate) trait Described {
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// Says nothing: what it takes is no client's affair.
impl<T> Described for Data<T> {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl Described for HttpRequest {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<T: Described> Described for Result<T, Problem> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

impl<T: JsonSchema> Described for Path<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let schema = schemas.inline::<T>();
        let several = schema["prefixItems"].as_array().cloned();
        for (number, name) in operation.path_parameters().into_iter().enumerate() {
            let schema = several.as_ref().and_then(|several| several.get(number));
            operation.parameters.push(json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": of_what(name),
                "schema": schema.unwrap_or(&schemas.inline::<T>()),
            }));
        }
        operation.refuses(404, &["not_found"]);
    }
}

fn of_what(name: &str) -> String {
    match name.strip_suffix("_id") {
        Some(noun) => format!("The id of the {noun}."),
        None => format!("The {name} of what is meant."),
    }
}

impl<T: JsonSchema> Described for Query<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let schema = schemas.inline::<T>();
        let none = Map::new();
        let fields = schema["properties"].as_object().unwrap_or(&none);
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, schema) in fields {
            match SHARED.iter().find(|shared| shared.name == name) {
                Some(shared) => {
                    operation.shares(name);
                    for (status, code) in shared.refusals {
                        operation.refuses(*status, &[code]);
                    }
                }
                None => operation.parameters.push(in_query(name, schema, &required)),
            }
        }
        operation.refuses(400, &["query.invalid"]);
    }
}

/// In an address there is no null: what may be null may be left out.
fn in_query(name: &str, schema: &Value, required: &[Value]) -> Value {
    let mut schema = schema.clone();
    let mut parameter = json!({
        "name": name,
        "in": "query",
        "required": required.iter().any(|required| required == name),
    });
    if let Some(members) = schema.as_object_mut() {
        if let Some(description) = members.remove("description") {
            parameter["description"] = description;
        }
        if let Some(Value::Array(types)) = members.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                members.insert("type".to_owned(), only);
            }
        }
        if members.get("default").is_some_and(Value::is_null) {
            members.remove("default");
        }
        if let Some(Value::Array(choices)) = members.remove("anyOf") {
            let told = choices.into_iter().find(|choice| choice["type"] != "null");
            members.extend(told.and_then(|told| told.as_object().cloned()).unwrap_or_default());
        }
    }
    parameter["schema"] = schema;
    parameter
}

/// An answer that is plain text.
#[derive(Debug)]
pub(crate) struct Text(pub(crate) String);

impl Responder for Text {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::Ok().content_type(ContentType::plaintext()).body(self.0)
    }
}

impl Described for Text {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers(200, "text/plain", json!({ "type": "string" }));
    }
}

/// A body that is read byte by byte, because it is signed so.
impl Described for Bytes {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.takes("application/json", json!({ "type": "object" }), true);
        operation.refuses(408, &["request.timeout"]);
        operation.refuses(413, &["request.too_large"]);
    }
}

/// `all!(A B)` is `impl Described for (A, B)`, which describes each in turn.
macro_rules! all {
    ($($part:ident)*) => {
        impl<$($part: Described),*> Described for ($($part,)*) {
            fn describe(_operation: &mut Operation, _schemas: &mut Schemas) {
                $($part::describe(_operation, _schemas);)*
            }
        }
    };
}

all!();
all!(A);
all!(A B);
all!(A B C);
all!(A B C D);
all!(A B C D E);
all!(A B C D E F);
