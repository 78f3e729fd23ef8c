//! Every request's id, its span, its line in the log, and its place in the metrics.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::answers;
use crate::problem::Code;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id: the client's, where it is a UUID; else ours. Events carry it as their
/// correlation id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

impl RequestId {
    pub(crate) fn of(request: &HttpRequest) -> Uuid {
        request.extensions().get::<RequestId>().map_or_else(Uuid::now_v7, |id| id.0)
    }
}

/// The path alone is logged: queries hold names and numbers of people.
const KNOWN: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let started = Instant::now();
    let told = request.headers().get(HEADER).and_then(|id| id.to_str().ok());
    let id = told.and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_else(Uuid::now_v7);
    request.extensions_mut().insert(RequestId(id));
    let method = request.method().clone();
    // Loud enough that what goes wrong in a request is told with the request's id.
    let span = tracing::info_span!(
        "request",
        correlation_id = %id,
        "otel.kind" = "server",
        "otel.name" = Empty,
        traceparent = traceparent(&request),
        "http.request.method" = Empty,
        "http.route" = Empty,
        "http.response.status_code" = Empty,
        "error.type" = Empty
    );
    let answered = async { next.call(request).await.map(answers::as_problem) };
    let mut response = answered.instrument(span.clone()).await?;
    let text = HeaderValue::from_str(&id.to_string())?;
    response.headers_mut().insert(HEADER, text);
    record(&response, &method, id, started, &span);
    Ok(response)
}

/// The span that the client asks within (W3C Trace Context), where it says one.
fn traceparent(request: &ServiceRequest) -> Option<&str> {
    let told = request.headers().get("traceparent")?.to_str().ok()?;
    let is_hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    (told.len() == "00-".len() + 32 + 1 + 16 + "-01".len() && told.chars().all(is_hex))
        .then_some(told)
}

fn record<B>(
    response: &ServiceResponse<B>,
    method: &Method,
    id: Uuid,
    started: Instant,
    span: &Span,
) {
    let request = response.request();
    let status = response.status().as_u16();
    let took = started.elapsed();
    // A path may hold what opens something, and a method any word: neither is kept as it came.
    let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
    let method = if KNOWN.contains(method) { method.as_str() } else { "other" };
    metrics::histogram!(
        "http_request_duration_seconds",
        "method" => method.to_owned(), "route" => route.clone(), "status" => status.to_string()
    )
    .record(took);
    if let Some(Code(code)) = response.response().extensions().get() {
        metrics::counter!("verbatim_problems_total", "code" => code.clone()).increment(1);
    }
    if !span.is_disabled() {
        span.record("otel.name", format!("{method} {route}"))
            .record("http.request.method", method)
            .record("http.route", &route)
            .record("http.response.status_code", status);
        if status >= 500 {
            span.record("error.type", status);
        }
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(method, route, status, micros, request_id = %id, "Answered");
}
