//! Where PawaPay calls back. Nobody vouches for what comes here, so it decides nothing: it makes us
//! ask PawaPay for the payout's status sooner.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data, Path};
use commands::gateways::pawapay::{self, Found, PayoutStatus, parse_callback};
use commands::policies::submit_payouts;
use commands::{Error, Refusal};
use domain::payout::{Payout, State as Standing};
use serde_json::json;
use uuid::Uuid;

use crate::State;
use crate::problem::Problem;

/// The id in the address is the organisation's: an account at PawaPay belongs to no channel.
pub(super) async fn receive(
    state: Data<State>,
    organization: Path<Uuid>,
    body: Bytes,
) -> Result<HttpResponse, Problem> {
    let malformed = |detail: String| Problem::bad_request("webhook.malformed", detail);
    let found = match parse_callback(&body) {
        Ok(PayoutStatus::Found(found)) => found,
        Ok(PayoutStatus::NotFound) => return Err(malformed("about no payout".into())),
        Err(error) => return Err(malformed(error.to_string())),
    };
    let payout = Uuid::parse_str(&found.payout_id).map_err(|_| Problem::not_found())?;
    let standing = match state.commands.load::<Payout>(*organization, payout).await {
        Ok((payout, _)) => payout.standing,
        Err(Error::Refused(Refusal::NotFound)) => None,
        Err(error) => return Err(error.into()),
    };
    let standing = standing.ok_or_else(Problem::not_found)?;
    let news = is_news(standing.state, &found);
    if news {
        submit_payouts::wake(state.commands.store(), *organization, payout).await?;
    }
    Ok(HttpResponse::Ok().json(json!({"data": {"news": news}})))
}

/// Whether it tells something else than what is settled.
fn is_news(standing: Standing, found: &Found) -> bool {
    match standing {
        Standing::Completed => found.state == pawapay::State::Failed,
        Standing::Failed => found.state == pawapay::State::Completed,
        _ => true,
    }
}
