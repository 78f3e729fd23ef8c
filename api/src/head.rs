//! `HEAD`: whatever can be got can be asked about, and is told of without being told
//! (RFC 9110 §9.3.2).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Bytes;

/// As long as the body that it stands for, and says nothing.
pub(crate) struct Silence(BodySize);

impl MessageBody for Silence {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

pub(crate) async fn middleware(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, Silence>>, Error> {
    let only_head = request.method() == Method::HEAD;
    if only_head {
        request.head_mut().method = Method::GET;
    }
    let mut response = next.call(request).await?;
    if let Some(allowed) = response.headers().get(ALLOW).and_then(with_head) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    Ok(response.map_body(|_, body| match only_head {
        true => EitherBody::right(Silence(body.size())),
        false => EitherBody::left(body),
    }))
}

fn with_head(allowed: &HeaderValue) -> Option<HeaderValue> {
    let allowed = allowed.to_str().ok()?;
    let has_get = allowed.split(", ").any(|method| method == "GET");
    HeaderValue::from_str(&format!("{allowed}, HEAD")).ok().filter(|_| has_get)
}
