//! Files as they pass through: whole on their way to a provider, piece by piece on their way back.

use std::future::Future;
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, ContentDisposition, DispositionParam, DispositionType,
    HeaderValue,
};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, Responder};
use commands::gateways::whatsapp::graph::{self, Download};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::body::{Nothing, Request};
use crate::openapi::{Described, Operation, Schemas};
use crate::problem::Problem;

/// Files that may be held in memory at once; who comes later waits their turn.
static PLACES: Semaphore = Semaphore::const_new(4);
/// What a file is called that nobody gave a name.
pub(crate) const NAMELESS: &str = "file";
/// Any type.
const ANY: &str = "*/*";

/// A file that is the body of a request, of a type and a length that WhatsApp carries.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) request: Request,
    pub(crate) mime_type: String,
    _place: SemaphorePermit<'static>,
}

impl Upload {
    pub(crate) fn bytes(&self) -> Bytes {
        self.request.bytes.clone()
    }
}

impl FromRequest for Upload {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
            let mime_type = header(CONTENT_TYPE).unwrap_or_default().to_owned();
            let longest = graph::longest(&mime_type).ok_or_else(|| unknown_type(&mime_type))?;
            let told = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
            if told.is_some_and(|told: usize| told > longest) {
                return Err(too_large(longest).into());
            }
            let place = PLACES.acquire().await.map_err(|_| unavailable())?;
            let body = Request::<Nothing>::from_request(&request, &mut payload).await?;
            match body.bytes.len() {
                0 => Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "file.empty",
                    "the body is the file, and has at least one byte",
                )
                .into()),
                length if length > longest => Err(too_large(longest).into()),
                _ => {
                    let request = body.with_own_parameters();
                    Ok(Upload { request, mime_type, _place: place })
                }
            }
        })
    }
}

fn unknown_type(mime_type: &str) -> Problem {
    let carried: Vec<&str> = graph::carried().collect();
    let detail = match mime_type {
        "" => "say the file's type in Content-Type".to_owned(),
        other => format!("WhatsApp carries no files of the type {other}"),
    };
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "file.type", detail).with("types", carried)
}

fn too_large(longest: usize) -> Problem {
    let detail = format!("a file of this type has at most {longest} bytes");
    Problem::too_large(detail, longest)
}

fn unavailable() -> Problem {
    Problem::unavailable("unavailable", "no files are taken any more; the server is stopping")
}

impl Described for Upload {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.takes(ANY, json!({ "type": "string", "format": "binary" }), true);
        operation.takes_up_to(graph::LONGEST_MEDIA);
        operation.refuses(408, &["request.timeout"]);
        operation.refuses(413, &["request.too_large"]);
        operation.refuses(415, &["file.type"]);
        operation.refuses(422, &["file.empty"]);
    }
}

/// A file that goes on to the client as it comes in, to be kept and not to be shown: what a
/// customer sent never runs in a browser as if it were ours.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) download: Download,
    pub(crate) mime_type: Option<String>,
    pub(crate) filename: Option<String>,
}

impl Responder for Passed {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let Passed { download, mime_type, filename } = self;
        let mut response = aside(mime_type, filename);
        if let Some(length) = download.length() {
            response.no_chunking(length);
        }
        response.streaming(stream::try_unfold(download, async |mut download| {
            let chunk = download.chunk().await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(chunk.map(|chunk| (chunk, download)))
        }))
    }
}

/// What goes before a file, in the words of whoever sent it.
pub(crate) fn aside(mime_type: Option<String>, filename: Option<String>) -> HttpResponseBuilder {
    // Neither need be what a header can hold: a customer gave the name, a provider the type.
    let name = filename.map(|name| name.replace(char::is_control, "_"));
    let name = name.map(DispositionParam::Filename);
    let mime_type = mime_type.filter(|mime| HeaderValue::from_str(mime).is_ok());
    let mut response = HttpResponse::Ok();
    response
        .content_type(mime_type.unwrap_or_else(|| "application/octet-stream".to_owned()))
        .insert_header(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: name.into_iter().collect(),
        });
    response
}

impl Described for Passed {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.answers(200, ANY, json!({ "type": "string", "format": "binary" }));
        operation.tells("Content-Disposition");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use actix_web::http::header::CONTENT_DISPOSITION;

    use super::*;

    #[test]
    fn a_file_can_be_fetched_whatever_its_sender_called_it() {
        let head = |mime: &str, name: &str| {
            let response = aside(Some(mime.to_owned()), Some(name.to_owned())).finish();
            assert_eq!(response.status(), StatusCode::OK, "{mime:?} {name:?}");
            let told = |header| response.headers().get(header).unwrap().as_bytes().to_vec();
            [told(CONTENT_TYPE), told(CONTENT_DISPOSITION)].map(|it| String::from_utf8(it).unwrap())
        };
        assert_eq!(
            head("application/pdf", "Bill\r\nNo. 7\0.pdf"),
            ["application/pdf", "attachment; filename=\"Bill__No. 7_.pdf\""]
        );
        assert_eq!(
            head("image/\njpeg", "Töpfe.jpg"),
            ["application/octet-stream", "attachment; filename=\"Töpfe.jpg\""]
        );
    }
}
