//! Where providers tell us things. Nothing is believed before its signature is checked, and
//! nothing is acknowledged before it is durable.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use commands::gateways::whatsapp::{signature, webhook};
use commands::intake;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::State;
use crate::envelope::{self, Written};
use crate::openapi::{Api, Text};
use crate::position::Position;
use crate::problem::Problem;
use crate::query::Query;
use crate::trace::RequestId;

/// The most that Meta sends in one body.
const MOST: usize = 3 << 20;

pub(super) fn routes(api: &mut Api) {
    api.get("/webhooks/whatsapp/{channel_id}", verify)
        .is("webhook.verify", "Answers Meta's question whether the address is ours")
        .refuses(403, &["webhook.verify_token"])
        .refuses(503, &["unavailable"]);
    api.post("/webhooks/whatsapp/{channel_id}", receive)
        .is("webhook.whatsapp", "Takes notifications of WhatsApp")
        .says(
            "Signed by Meta over the raw bytes in `X-Hub-Signature-256`. Answered when all of it \
             is durable; what was here before changes nothing.",
        )
        .header("X-Hub-Signature-256", "`sha256=` and the HMAC of the body in hex.")
        .takes_up_to(MOST)
        .refuses(400, &["webhook.malformed"])
        .refuses(401, &["webhook.signature"]);
}

/// A parameter that is missing is as wrong as one that is.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Handshake {
    /// Always `subscribe`.
    #[serde(rename = "hub.mode")]
    #[schemars(example = &"subscribe")]
    mode: String,
    /// The channel's own.
    #[serde(rename = "hub.verify_token")]
    verify_token: String,
    /// What is answered.
    #[serde(rename = "hub.challenge")]
    #[schemars(example = &"1158201444")]
    challenge: String,
}

/// Meta asks once whether the address is ours, with the token that we told it.
async fn verify(
    state: Data<State>,
    channel: Path<Uuid>,
    handshake: Query<Handshake>,
) -> Result<Text, Problem> {
    let route = route(&state, *channel).await?;
    let same = handshake.verify_token.as_bytes().ct_eq(&route.verify_token);
    if handshake.mode != "subscribe" || !bool::from(same) {
        let detail = "hub.mode is subscribe, and hub.verify_token the channel's own";
        return Err(Problem::new(StatusCode::FORBIDDEN, "webhook.verify_token", detail));
    }
    Ok(Text(handshake.into_inner().challenge))
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "NotificationsTaken")]
struct Taken {
    received: usize,
    /// How many of them were here before.
    duplicates: usize,
}

async fn receive(
    state: Data<State>,
    channel: Path<Uuid>,
    request: HttpRequest,
    body: Bytes,
) -> Result<Written<Taken>, Problem> {
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
    let taken = Taken { received: received.notifications, duplicates: received.duplicates };
    Ok(envelope::written(Position::here(&state, received.position), taken))
}

async fn route(state: &State, channel: Uuid) -> Result<Arc<intake::Route>, Problem> {
    state.routes.find(channel).await?.ok_or_else(Problem::not_found)
}
