//! How the program is doing: alive, ready, in numbers, and where each read model stands.

use std::time::Duration;

use actix_web::web::Data;
use projections::standing::Standing;
use projections::{MODELS, generation};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::auth::Member;
use crate::envelope::{Plain, plain};
use crate::openapi::{Api, Text};
use crate::problem::Problem;
use crate::{State, measures};

/// Whoever asks whether we are ready wants to know soon.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn routes(api: &mut Api) {
    own(api);
    api.get("/v1/projections", standing)
        .is("server.projections", "Says where each read model stands")
        .refuses(503, &["unavailable"]);
}

/// What is asked of this process, whatever its role is.
pub(super) fn own(api: &mut Api) {
    api.get("/health", health).is("server.health", "Says that the server is alive");
    api.get("/ready", ready)
        .is("server.ready", "Says whether the server can answer everything")
        .refuses(503, &["not_ready"]);
    api.get("/metrics", metrics)
        .is("server.metrics", "Counts, in Prometheus' text format")
        .refuses(404, &["not_found"]);
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    #[schemars(extend("enum" = ["ok", "ready"]))]
    status: &'static str,
}

async fn health() -> Result<Plain<Health>, Problem> {
    Ok(plain(Health { status: "ok" }))
}

async fn ready(state: Data<State>) -> Result<Plain<Health>, Problem> {
    let missing = match timeout(PATIENCE, missing(&state)).await {
        Ok(Ok(missing)) => missing,
        Ok(Err(_)) | Err(_) => vec!["database"],
    };
    if missing.is_empty() {
        return Ok(plain(Health { status: "ready" }));
    }
    let detail = format!("not there yet: {}", missing.join(", "));
    Err(Problem::unavailable("not_ready", detail).with("missing", missing))
}

async fn missing(state: &State) -> sqlx::Result<Vec<&'static str>> {
    let mut missing = vec![];
    for model in MODELS {
        if generation::live(state.database.app.pool(), *model).await?.is_none() {
            missing.push(model.name());
        }
    }
    Ok(missing)
}

async fn metrics(state: Data<State>) -> Result<Text, Problem> {
    let handle = state.metrics.as_ref().ok_or_else(Problem::not_found)?;
    measures::look(&state, PATIENCE).await;
    Ok(Text(handle.render()))
}

async fn standing(_: Member, state: Data<State>) -> Result<Plain<Vec<Standing>>, Problem> {
    let mut standing = vec![];
    for model in MODELS {
        standing.push(projections::standing::standing(state.database.app.pool(), *model).await?);
    }
    Ok(plain(standing))
}
