//! Every request's id, its line in the log, and its place in the metrics.

use std::time::Instant;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use uuid::Uuid;

use crate::answers;

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
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let started = Instant::now();
    let told = request.headers().get(HEADER).and_then(|id| id.to_str().ok());
    let id = told.and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_else(Uuid::now_v7);
    request.extensions_mut().insert(RequestId(id));
    let mut response = answers::as_problem(next.call(request).await?);
    let text = HeaderValue::from_str(&id.to_string())?;
    response.headers_mut().insert(HEADER, text);
    record(&response, id, started);
    Ok(response)
}

fn record<B>(response: &ServiceResponse<B>, id: Uuid, started: Instant) {
    let request = response.request();
    let (method, status) = (request.method(), response.status().as_u16());
    let took = started.elapsed();
    let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
    metrics::histogram!(
        "http_request_duration_seconds",
        "method" => method.to_string(), "route" => route, "status" => status.to_string()
    )
    .record(took);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    tracing::info!(%method, path = request.path(), status, micros, request_id = %id, "Answered");
}
