//! `?dry_run=true`: what a command would record, or why it would be refused; nothing is written.

use std::collections::HashSet;
use std::sync::LazyLock;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, ResponseError};
use commands::Refusal;
use commands::dry_run::{Plan, Planned};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::position::Position;
use crate::problem::{FieldError, Problem};
use crate::{openapi, reading};

/// Its own type, so that nobody takes the answer for that of a command that happened.
pub(crate) const CONTENT: &str = "application/vnd.verbatim.dry-run+json";
/// The parameter.
pub(crate) const NAME: &str = "dry_run";

/// What a command would do.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DryRun")]
pub(crate) struct Told {
    data: Events,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DryRunEvents")]
struct Events {
    /// In the order in which they would be recorded, all or none.
    events: Vec<Event>,
    /// Parts of the request that would be refused while the rest is recorded; `field` names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<FieldError>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DryRunEvent")]
struct Event {
    #[serde(rename = "type")]
    #[schemars(example = &"ticket.Solved")]
    kind: String,
    aggregate: Aggregate,
    payload: Value,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DryRunAggregate")]
struct Aggregate {
    #[serde(rename = "type")]
    #[schemars(example = &"ticket")]
    kind: &'static str,
    id: Uuid,
    /// That it would have after the event.
    version: i64,
}

/// Answers with the plan. `versioned`: tells where the noun stands, so that with `If-Match` the
/// command happens just so, or not at all.
pub(crate) fn answer(plan: &Plan, position: Position, versioned: bool) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(CONTENT).insert_header((Position::HEADER, position.to_string()));
    if let Some(version) = plan.stood_at.filter(|_| versioned) {
        response.insert_header((ETAG, format!("\"{version}\"")));
    }
    let events = plan.events.iter().map(told).collect();
    let refusals = plan.refused.iter().map(refused).collect();
    response.json(Told { data: Events { events, refusals } })
}

/// Whether it is the answer to a dry run.
pub(crate) fn is_told_in(response: &HttpResponse) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|content| content == CONTENT)
}

fn refused((part, refusal): &(String, Refusal)) -> FieldError {
    FieldError::new(part, Problem::from(refusal.clone()).code(), refusal.to_string())
}

fn told(planned: &Planned) -> Event {
    let Planned { kind, id, version, event } = planned;
    // Serde names the variant: `{"Assigned": {…}}`, or `"Blocked"`.
    let payload = event.payload.get(&event.event_type).cloned();
    let mut payload = payload.unwrap_or_else(|| json!({}));
    reading::unwrap(&mut payload);
    Event {
        kind: format!("{kind}.{}", event.event_type),
        aggregate: Aggregate { kind, id: *id, version: *version },
        payload,
    }
}

/// Whoever asks for a dry run must not get the real thing: what offers none is refused.
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let asked = url::form_urlencoded::parse(request.query_string().as_bytes());
    let refused = !request.method().is_safe()
        && asked.into_iter().any(|(name, _)| name == NAME)
        && !is_offered(request.method(), request.match_pattern().as_deref());
    if refused {
        let detail = "this operation offers no dry run";
        let problem = Problem::bad_request("dry_run.not_offered", detail);
        return Ok(request.into_response(problem.error_response()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

fn is_offered(method: &Method, pattern: Option<&str>) -> bool {
    static OFFERED: LazyLock<HashSet<(String, String)>> = LazyLock::new(|| {
        let paths = openapi::document()["paths"].as_object();
        let operations = paths.into_iter().flatten().flat_map(|(path, operations)| {
            let each = operations.as_object().into_iter().flatten();
            each.map(move |(method, operation)| (method, path, operation))
        });
        let named = format!("#/components/parameters/{NAME}");
        operations
            .filter(|(_, _, operation)| {
                let parameters = operation["parameters"].as_array();
                parameters.into_iter().flatten().any(|parameter| parameter["$ref"] == named)
            })
            .map(|(method, path, _)| (method.to_uppercase(), path.clone()))
            .collect()
    });
    let offered = |pattern: &str| OFFERED.contains(&(method.to_string(), pattern.to_owned()));
    // A path that leads nowhere is told so.
    pattern.is_none_or(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_offer_it_and_what_only_asks_or_signs_in_does_not() {
        assert!(is_offered(&Method::POST, Some("/v1/tickets")));
        assert!(is_offered(&Method::PATCH, Some("/v1/contacts/{id}")));
        assert!(!is_offered(&Method::POST, Some("/v1/auth/login")));
        assert!(!is_offered(&Method::POST, Some("/v1/media")));
    }
}
