//! How the program is doing: alive, ready, in numbers, and where each read model stands.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::{self, Data, ServiceConfig};
use projections::{MODELS, generation, verify};
use serde_json::json;
use tokio::time::timeout;

use crate::auth::Member;
use crate::problem::Problem;
use crate::{State, envelope};

/// Whoever asks whether we are ready wants to know soon.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(web::resource("/health").route(web::get().to(health)))
        .service(web::resource("/ready").route(web::get().to(ready)))
        .service(web::resource("/metrics").route(web::get().to(metrics)))
        .service(web::resource("/v1/projections").route(web::get().to(standing)));
}

async fn health() -> HttpResponse {
    envelope::plain(json!({ "status": "ok" }))
}

async fn ready(state: Data<State>) -> Result<HttpResponse, Problem> {
    let missing = match timeout(PATIENCE, missing(&state)).await {
        Ok(Ok(missing)) => missing,
        Ok(Err(_)) | Err(_) => vec!["database"],
    };
    if missing.is_empty() {
        return Ok(envelope::plain(json!({ "status": "ready" })));
    }
    let detail = format!("not there yet: {}", missing.join(", "));
    Err(Problem::unavailable("not_ready", detail).with("missing", missing))
}

async fn missing(state: &State) -> sqlx::Result<Vec<&'static str>> {
    let mut missing = vec![];
    for model in MODELS {
        if generation::live(&state.database.app, *model).await?.is_none() {
            missing.push(model.name());
        }
    }
    Ok(missing)
}

async fn metrics(state: Data<State>) -> Result<HttpResponse, Problem> {
    let handle = state.metrics.as_ref().ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(handle.render()))
}

async fn standing(_: Member, state: Data<State>) -> Result<HttpResponse, Problem> {
    let mut standing = vec![];
    for model in MODELS {
        standing.push(verify::standing(&state.database.app, *model).await?);
    }
    Ok(envelope::plain(standing))
}
