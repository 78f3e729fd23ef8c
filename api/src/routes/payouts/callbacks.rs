//! Where PawaPay calls back. What comes here decides nothing, signed or not: it makes us ask
//! PawaPay for the payout's status sooner. A signature that is wrong is refused all the same.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, Path};
use chrono::Utc;
use commands::gateways::pawapay::signature::{self, Message, PublicKey};
use commands::gateways::pawapay::{self, Callback, Found, parse_callback};
use commands::policies::submit_payouts;
use domain::payout::{Payout, State as Standing};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::State;
use crate::envelope::{Plain, plain};
use crate::problem::Problem;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CallbackTaken")]
pub(super) struct Taken {
    /// Whether it tells something else than what is settled.
    news: bool,
}

pub(super) async fn receive(
    state: Data<State>,
    channel: Path<Uuid>,
    request: HttpRequest,
    body: Bytes,
) -> Result<Plain<Taken>, Problem> {
    let merchant = state.routes.merchant(*channel).await?.ok_or_else(Problem::not_found)?;
    if let Some(key) = &merchant.callback_key {
        check(key, &request, &body)?;
    }
    let told = parse_callback(&body)
        .map_err(|error| Problem::bad_request("webhook.malformed", error.to_string()))?;
    let news = match told {
        Callback::Payout(found) => follow(&state, merchant.tenant, *channel, &found).await?,
        Callback::OfAnotherKind => false,
    };
    Ok(plain(Taken { news }))
}

fn check(key: &str, request: &HttpRequest, body: &[u8]) -> Result<(), Problem> {
    let header = |name: &str| {
        let values = request.headers().get_all(name).map(|value| value.to_str().ok());
        let values = values.collect::<Option<Vec<_>>>()?;
        (!values.is_empty()).then(|| values.join(", "))
    };
    let connection = request.connection_info();
    let message = Message {
        method: request.method().as_str(),
        authority: connection.host(),
        path: request.path(),
        header: &header,
        body,
    };
    let wrong =
        |detail: String| Problem::new(StatusCode::UNAUTHORIZED, "webhook.signature", detail);
    if !signature::is_signed(&message) {
        return Ok(());
    }
    let key = PublicKey::parse(key).map_err(|error| wrong(error.to_string()))?;
    signature::verify(&key, &message, Utc::now()).map_err(|error| wrong(error.to_string()))
}

/// Asks about the payout sooner, unless that would tell nothing new.
async fn follow(
    state: &State,
    tenant: Uuid,
    channel: Uuid,
    found: &Found,
) -> Result<bool, Problem> {
    let payout = Uuid::parse_str(&found.payout_id).map_err(|_| Problem::not_found())?;
    let (known, _) = state.commands.load::<Payout>(tenant, payout).await?;
    let standing = known.standing.filter(|standing| standing.channel == Some(channel));
    let standing = standing.ok_or_else(Problem::not_found)?;
    let news = is_news(standing.state, found);
    if news {
        submit_payouts::wake(&state.commands, payout).await?;
    }
    Ok(news)
}

/// Whether it tells something else than what is settled.
fn is_news(standing: Standing, found: &Found) -> bool {
    match standing {
        Standing::Completed => found.state == pawapay::State::Failed,
        Standing::Failed => found.state == pawapay::State::Completed,
        _ => true,
    }
}
