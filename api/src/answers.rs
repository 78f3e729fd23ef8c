//! Answers to requests that reach no handler: unknown routes, wrong methods, unreadable input.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::error::PathError;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError};

use crate::openapi::{MOST_JSON, MostBytes};
use crate::patience;
use crate::problem::{CONTENT, Problem};

pub(crate) async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "route.not_found", "there is nothing at this address")
}

/// Of a process that works and answers nobody.
pub(crate) async fn elsewhere() -> Problem {
    let detail = "this process runs as a worker and tells only how it is doing: ask one that was \
                  started with --role api or all";
    Problem::new(StatusCode::NOT_FOUND, "route.not_found", detail)
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
    let late = response.response().error().is_some_and(patience::ran_out);
    let status = if late { StatusCode::REQUEST_TIMEOUT } else { status };
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let most = response.request().app_data::<MostBytes>().map_or(MOST_JSON, |most| most.0);
        let problem = Problem::too_large(format!("the body has at most {most} bytes"), most);
        return instead(response, problem.error_response());
    }
    let (code, detail) = match status {
        StatusCode::REQUEST_TIMEOUT => {
            ("request.timeout", "the body did not come in time; send the request again")
        }
        StatusCode::METHOD_NOT_ALLOWED => ("route.method_not_allowed", "use another method"),
        StatusCode::BAD_REQUEST => ("request.malformed", "the request can't be read"),
        status if status.is_client_error() => ("request.refused", "the request was refused"),
        _ => ("internal", "something broke here; it is not your fault"),
    };
    if let Some(error) = response.response().error().filter(|_| status.is_server_error()) {
        tracing::error!(%error, "A request failed");
    }
    let mut problem = Problem::new(status, code, detail).error_response();
    if late {
        // What still comes belongs to a request that has been answered.
        problem.head_mut().set_connection_type(ConnectionType::Close);
    }
    instead(response, problem)
}

/// What was said beside the answer holds of the one in its place, too.
fn instead<B: MessageBody>(
    response: ServiceResponse<B>,
    mut problem: HttpResponse,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        problem.headers_mut().append(name.clone(), value.clone());
    }
    let request = response.into_parts().0;
    ServiceResponse::new(request, problem).map_into_right_body()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::App;
    use actix_web::http::Method;
    use actix_web::http::header::ALLOW;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
    use serde_json::Value;

    use super::*;
    use crate::{app, trace};

    #[actix_web::test]
    async fn an_unknown_address_is_a_problem_document() {
        let (status, body) = asked(TestRequest::get().uri("/v1/nothing")).await;
        assert_eq!((status, &body["code"]), (404, &"route.not_found".into()));
        assert_eq!(body["type"], "urn:verbatim:problem:route.not_found");
        assert_eq!(body["title"], "Route not found");
    }

    #[actix_web::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let app =
            init_service(App::new().configure(app::configure).wrap(from_fn(trace::middleware)))
                .await;
        let request = TestRequest::default().method(Method::DELETE).uri("/v1/contacts");
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 405);
        let allow = response.headers().get(ALLOW).unwrap().to_str().unwrap();
        assert!(allow.contains("GET") && allow.contains("POST"));
        assert!(response.headers().contains_key("x-request-id"));
        let body: Value = read_body_json(response).await;
        assert_eq!(body["code"], "route.method_not_allowed");
    }

    #[actix_web::test]
    async fn without_a_key_nobody_gets_in() {
        let request = TestRequest::post()
            .uri("/v1/conversations/00000000-0000-0000-0000-000000000001/resolve");
        let (status, body) = asked(request).await;
        assert_eq!((status, &body["code"]), (401, &"auth.missing_key".into()));
    }

    async fn asked(request: TestRequest) -> (u16, Value) {
        let app =
            init_service(App::new().configure(app::configure).wrap(from_fn(trace::middleware)))
                .await;
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), CONTENT);
        (response.status().as_u16(), read_body_json(response).await)
    }
}
