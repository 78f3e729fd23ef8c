//! The form of every answer that isn't a problem: `{"data": …, "meta": {…}}`.

use actix_web::HttpResponse;
use serde::Serialize;

use crate::position::{Live, Position};

#[derive(Serialize)]
struct Envelope<T, M> {
    data: T,
    meta: M,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct Paged {
    next_cursor: Option<String>,
    has_more: bool,
}

/// One thing out of a read model.
pub(crate) fn one(live: &Live, data: impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((Position::HEADER, live.position.to_string()))
        .json(Envelope { data, meta: Nothing {} })
}

/// Something out of a read model that needs words of its own about it.
pub(crate) fn with_meta(live: &Live, data: impl Serialize, meta: impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((Position::HEADER, live.position.to_string()))
        .json(Envelope { data, meta })
}

/// A page of things out of a read model; with the cursor of the next one, where there is more.
pub(crate) fn page(live: &Live, data: impl Serialize, next_cursor: Option<String>) -> HttpResponse {
    let has_more = next_cursor.is_some();
    HttpResponse::Ok()
        .insert_header((Position::HEADER, live.position.to_string()))
        .json(Envelope { data, meta: Paged { next_cursor, has_more } })
}

/// What was done up to a position of the log.
pub(crate) fn written(position: Position, data: impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((Position::HEADER, position.to_string()))
        .json(Envelope { data, meta: Nothing {} })
}

/// What does not come out of a read model.
pub(crate) fn plain(data: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(Envelope { data, meta: Nothing {} })
}
