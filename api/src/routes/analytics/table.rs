//! Answers as a table, for who asks for `text/csv`: one line for each item, one column for each
//! value in it, named by the way to it (`first_response.people.median_ms`). Links stay out.

use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::span::Meta;
use crate::envelope::{Read, read_with};
use crate::openapi::{Described, Operation, Schemas};
use crate::position::{Live, Position};
use crate::problem::Problem;

const CSV: &str = "text/csv";

/// JSON, or a table if the client would rather have one.
pub(super) enum Table<T> {
    Json(Read<T, Meta>),
    Csv(HttpResponse),
}

impl<T: Serialize> Responder for Table<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Table::Json(read) => read.respond_to(request),
            Table::Csv(response) => response,
        }
    }
}

impl<T: JsonSchema> Described for Table<T> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Read::<T, Meta>::describe(operation, schemas);
        operation.answers(200, CSV, json!({ "type": "string" }));
    }
}

pub(super) fn answer<T: Serialize>(
    request: &HttpRequest,
    live: &Live,
    data: T,
    meta: Meta,
) -> Result<Table<T>, Problem> {
    if !wanted(request) {
        return Ok(Table::Json(read_with(live, data, meta)));
    }
    let data = serde_json::to_value(data).unwrap_or_default();
    let lines: Vec<Line> = match &data {
        Value::Array(items) => items.iter().map(flat).collect(),
        one => measures(one),
    };
    let name = request.path().rsplit('/').next().unwrap_or("numbers");
    let told = format!("attachment; filename=\"{name}.csv\"");
    let table = HttpResponse::Ok()
        .insert_header((Position::HEADER, live.position.to_string()))
        .insert_header((CONTENT_DISPOSITION, told))
        .insert_header((VARY, "accept"))
        .content_type("text/csv; charset=utf-8")
        .body(written(&lines).map_err(|error| {
            tracing::error!(%error, "A table could not be written");
            Problem::unavailable("unavailable", "this can't be answered right now; try again")
        })?);
    Ok(Table::Csv(table))
}

/// Whether `text/csv` stands in `Accept` before `application/json`, without being refused by `q=0`.
fn wanted(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let mut kinds = accept.unwrap_or_default().split(',').map(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        (parts.next().unwrap_or_default(), parts.any(|part| part == "q=0"))
    });
    kinds.find(|(kind, _)| [CSV, "application/json"].contains(kind)) == Some((CSV, false))
}

type Line = BTreeMap<String, String>;

/// The values in an item by the way to each.
fn flat(item: &Value) -> Line {
    let mut line = Line::new();
    walk(item, String::new(), &mut line);
    line
}

fn walk(value: &Value, way: String, line: &mut Line) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "rows") {
                // A number is its value.
                let way = match (way.as_str(), name.as_str()) {
                    ("", name) => name.to_owned(),
                    (way, "value") => way.to_owned(),
                    (way, name) => format!("{way}.{name}"),
                };
                walk(member, way, line);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                walk(item, format!("{way}.{number}"), line);
            }
        }
        Value::Null => drop(line.insert(way, String::new())),
        Value::String(text) => drop(line.insert(way, text.clone())),
        value => drop(line.insert(way, value.to_string())),
    }
}

/// One thing that has many values is told with a line for each.
fn measures(one: &Value) -> Vec<Line> {
    let line = |(measure, value)| {
        Line::from([("measure".to_owned(), measure), ("value".to_owned(), value)])
    };
    flat(one).into_iter().map(line).collect()
}

/// What identifies a line stands first, the rest by name.
const FIRST: [&str; 7] = ["start", "end", "agent_id", "channel_id", "name", "language", "currency"];

fn written(lines: &[Line]) -> Result<Vec<u8>, csv::Error> {
    let mut columns: Vec<&str> =
        lines.iter().flat_map(|line| line.keys()).map(String::as_str).collect();
    columns.sort_unstable_by_key(|column| {
        (FIRST.iter().position(|first| first == column).unwrap_or(FIRST.len()), *column)
    });
    columns.dedup();
    let mut table = csv::Writer::from_writer(vec![]);
    table.write_record(&columns)?;
    for line in lines {
        table
            .write_record(columns.iter().map(|column| line.get(*column).map_or("", |text| text)))?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn table(data: &Value) -> String {
        let lines: Vec<Line> = data.as_array().unwrap().iter().map(flat).collect();
        String::from_utf8(written(&lines).unwrap()).unwrap()
    }

    #[test]
    fn a_line_has_each_value_under_the_way_to_it() {
        let items = json!([
            {"name": "a", "sent": {"value": 3, "rows": "/v1"}, "times": {"median_ms": null}},
            {"name": "b, c", "sent": {"value": 0, "rows": "/v1"}, "more": 1},
        ]);
        assert_eq!(table(&items), "name,more,sent,times.median_ms\na,,3,\n\"b, c\",1,0,\n");
    }

    #[test]
    fn a_table_is_given_to_who_would_rather_have_one() {
        let wants = |accept: &str| {
            wanted(&TestRequest::get().insert_header((ACCEPT, accept)).to_http_request())
        };
        assert!(wants("text/csv"));
        assert!(wants("text/csv; charset=utf-8, */*;q=0.1"));
        assert!(!wants("application/json, text/csv"));
        assert!(!wants("text/csv;q=0"));
        assert!(!wants("*/*"));
    }
}
