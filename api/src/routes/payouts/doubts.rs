//! What can be done about a payout of which nobody knows what became: asking the provider now, and
//! saying on evidence how it ended.

use actix_web::web::{Data, Path};
use commands::Work;
use commands::policies::submit_payouts;
use domain::Personal;
use domain::payout::{self, Payout, Settlement, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::{Settled, subject};
use crate::State;
use crate::auth::{Colleague, Owner, Writer};
use crate::body::{Nothing, Request};
use crate::command::{Accepted, Alone, Answered, Command, Noun};
use crate::idempotent::once;

/// The answer doesn't wait for the provider's: the payout tells it.
pub(super) async fn check(
    writer: Writer,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered<Accepted, Payout> {
    once(&state, &writer, &request, "payout.check", async |meta| {
        let Nothing {} = request.parse()?;
        let command = Command::on(*id, request.expected_version()?);
        let answered = command
            .telling::<Accepted, _>(Alone {})
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let standing = work.get::<Payout>(*id).await?.standing.as_ref();
                let standing = standing.ok_or_else(Payout::absent)?;
                match standing.submitted_at {
                    Some(_) => Ok(()),
                    None => Err(payout::Error::NotSubmitted { state: standing.state }.into()),
                }
            })
            .await?;
        submit_payouts::look_again(&state.commands, *id).await?;
        Ok(answered)
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SettlePayout")]
pub(super) struct Settle {
    outcome: Verdict,
    /// What was seen that proves it; 1 to 2000 characters.
    #[schemars(example = &"The wallet's statement of 3 March shows it.")]
    evidence: String,
    #[schemars(example = &"PawaPay has not answered for a day.")]
    reason: String,
}

pub(super) async fn settle(
    Owner(writer): Owner,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Settle>,
) -> Settled {
    once(&state, &writer, &request, "payout.settle", async |meta| {
        let told = request.parse()?;
        let by = writer.0.principal.user;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let subject = subject(work.get::<Payout>(*id).await?, *id);
                let settlement = Settlement {
                    by,
                    outcome: told.outcome,
                    evidence: Personal::content(subject, told.evidence.clone()),
                    reason: Personal::content(subject, told.reason.clone()),
                };
                let settle = payout::Command::Settle(settlement);
                work.execute::<Payout>(*id, settle).await.map(|_| ())
            })
            .await
    })
    .await
}
