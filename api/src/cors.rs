//! Which pages may call us from a browser: none, unless the installation names where they come
//! from. Callers send their key in a header, so there are no cookies to allow.

use actix_web::Error;
use actix_web::HttpResponse;
use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use crate::State;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE");
const TAKEN: HeaderValue = HeaderValue::from_static(
    "Authorization, X-Api-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, \
     Last-Event-ID, X-Request-Id",
);
const TOLD: HeaderValue = HeaderValue::from_static(
    "ETag, Location, Log-Position, Idempotent-Replayed, Retry-After, RateLimit, \
     RateLimit-Policy, X-Request-Id",
);
/// How long a browser may remember the answer to its preflight: two hours, the most that all of
/// them keep.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let state = request.app_data::<Data<State>>();
    let origins = state.map_or(&[][..], |state| &state.terms.origins);
    if origins.is_empty() {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let allowed = allowed(origins, request.headers().get(header::ORIGIN));
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks && request.method() == Method::OPTIONS {
        true => {
            let mut preflight = HttpResponse::NoContent().finish();
            if allowed.is_some() {
                let headers = preflight.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
                headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
            }
            request.into_response(preflight).map_into_right_body()
        }
        false => next.call(request).await?.map_into_left_body(),
    };
    tell(allowed, response.headers_mut());
    Ok(response)
}

/// What a browser is told if it may: its own origin again, or anywhere.
fn allowed(origins: &[String], origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    let origin = origin?;
    if origins.iter().any(|known| known == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    origins.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn tell(allowed: Option<HeaderValue>, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, TOLD);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_same_or_another() {
        let origins = ["https://desk.example".to_owned()];
        let asked = |origin| allowed(&origins, Some(&HeaderValue::from_static(origin)));
        assert_eq!(asked("https://desk.example"), Some("https://desk.example".parse().unwrap()));
        for other in ["https://desk.example.evil", "http://desk.example", "null", ""] {
            assert_eq!(asked(other), None, "{other}");
        }
        let anywhere = allowed(&["*".to_owned()], Some(&HeaderValue::from_static("null")));
        assert_eq!(anywhere, Some(HeaderValue::from_static("*")));
    }
}
