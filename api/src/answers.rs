//! Answers to requests that reach no handler: unknown routes, wrong methods, unreadable input.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::error::{PathError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE};
use actix_web::{HttpRequest, ResponseError};

use crate::problem::{CONTENT, Problem};

pub(crate) async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "route.not_found", "there is nothing at this address")
}

pub(crate) fn query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    let detail = match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        _ => "the query string can't be read".to_owned(),
    };
    Problem::new(StatusCode::BAD_REQUEST, "query.invalid", detail).into()
}

/// An id that is none is the id of nothing.
pub(crate) fn path(_: PathError, _: &HttpRequest) -> actix_web::Error {
    Problem::not_found().into()
}

/// Errors that the framework made by itself become problem documents too.
pub(crate) fn as_problem<B: MessageBody>(
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let status = response.status();
    let content = response.headers().get(CONTENT_TYPE);
    let told = content.is_some_and(|content| content == CONTENT);
    if told || !(status.is_client_error() || status.is_server_error()) {
        return response.map_into_left_body();
    }
    let (code, detail) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("route.method_not_allowed", "use another method"),
        StatusCode::PAYLOAD_TOO_LARGE => ("request.too_large", "the body is too large"),
        StatusCode::BAD_REQUEST => ("request.malformed", "the request can't be read"),
        status if status.is_client_error() => ("request.refused", "the request was refused"),
        _ => ("internal", "something broke here; it is not your fault"),
    };
    if let Some(error) = response.response().error().filter(|_| status.is_server_error()) {
        tracing::error!(%error, "A request failed");
    }
    let allow = response.headers().get(ALLOW).cloned();
    let mut problem = Problem::new(status, code, detail).error_response();
    if let Some(allow) = allow {
        problem.headers_mut().insert(ALLOW, allow);
    }
    let request = response.into_parts().0;
    ServiceResponse::new(request, problem).map_into_right_body()
}
