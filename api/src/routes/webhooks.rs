//! Where providers tell us things. Nothing is believed before its signature is checked, and
//! nothing is acknowledged before it is durable.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{self, Bytes, Data, Path, PayloadConfig, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use commands::gateways::whatsapp::{signature, webhook};
use commands::intake;
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::State;
use crate::position::Position;
use crate::problem::Problem;
use crate::trace::RequestId;

/// The most that Meta sends in one body.
const MOST: usize = 3 << 20;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(
        web::resource("/webhooks/whatsapp/{channel_id}")
            .app_data(PayloadConfig::new(MOST))
            .route(web::get().to(verify))
            .route(web::post().to(receive)),
    );
}

/// A parameter that is missing is as wrong as one that is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Handshake {
    #[serde(rename = "hub.mode")]
    mode: String,
    #[serde(rename = "hub.verify_token")]
    verify_token: String,
    #[serde(rename = "hub.challenge")]
    challenge: String,
}

/// Meta asks once whether the address is ours, with the token that we told it.
async fn verify(
    state: Data<State>,
    channel: Path<Uuid>,
    handshake: Query<Handshake>,
) -> Result<HttpResponse, Problem> {
    let route = route(&state, *channel).await?;
    let same = handshake.verify_token.as_bytes().ct_eq(&route.verify_token);
    if handshake.mode != "subscribe" || !bool::from(same) {
        let detail = "hub.mode is subscribe, and hub.verify_token the channel's own";
        return Err(Problem::new(StatusCode::FORBIDDEN, "webhook.verify_token", detail));
    }
    let challenge = handshake.into_inner().challenge;
    Ok(HttpResponse::Ok().content_type(ContentType::plaintext()).body(challenge))
}

async fn receive(
    state: Data<State>,
    channel: Path<Uuid>,
    request: HttpRequest,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let route = route(&state, *channel).await?;
    let header = request.headers().get("x-hub-signature-256");
    let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    signature::verify(&route.app_secret, header, &body).map_err(|error| {
        Problem::new(StatusCode::UNAUTHORIZED, "webhook.signature", error.to_string())
    })?;
    let notifications = webhook::parse(&body)
        .map_err(|error| Problem::bad_request("webhook.malformed", error.to_string()))?;
    let correlation_id = RequestId::of(&request);
    let received = intake::receive(&state.commands, &route, &notifications, correlation_id).await?;
    let position = Position::here(&state, received.position).to_string();
    Ok(HttpResponse::Ok().insert_header((Position::HEADER, position)).json(json!({
        "data": { "received": received.notifications, "duplicates": received.duplicates },
    })))
}

async fn route(state: &State, channel: Uuid) -> Result<Arc<intake::Route>, Problem> {
    state.routes.find(channel).await?.ok_or_else(Problem::not_found)
}
