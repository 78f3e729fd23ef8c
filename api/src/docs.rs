//! The document for programs, and a page that shows it to people. The page is the server's own: it
//! asks no other machine for anything, and its policy would not let it.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{self, Bytes, ServiceConfig};

use crate::openapi;

const PAGE: &str = include_str!("docs/page.html");

const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/openapi.json").route(web::get().to(document)))
        .service(web::resource("/docs").route(web::get().to(page)))
        .service(web::resource("/docs/page.js").route(web::get().to(start)))
        .service(web::resource("/docs/scalar.js").route(web::get().to(script)));
}

async fn document() -> HttpResponse {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi::document().to_string()));
    HttpResponse::Ok().content_type(ContentType::json()).body(TEXT.clone())
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(PAGE)
}

async fn start() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(include_str!("docs/page.js"))
}

/// It changes with the program only, and is large.
async fn script() -> HttpResponse {
    static SCRIPT: LazyLock<Bytes> = LazyLock::new(|| {
        scalar_api_reference::get_asset("scalar.js").map(Bytes::from).unwrap_or_default()
    });
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .body(SCRIPT.clone())
}
