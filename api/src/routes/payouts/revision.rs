//! Changing a payout before it is submitted. Whatever changes, it has to be approved again.

use actix_web::web::{Data, Path};
use commands::Work;
use commands::channels::paying;
use domain::Personal;
use domain::payout::{self, Payout, Revision};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::{Recipient, Settled, check_amount, subject};
use crate::State;
use crate::auth::Colleague;
use crate::body::{Request, present};
use crate::command::Command;
use crate::idempotent::once;

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevisePayout")]
pub(super) struct Change {
    #[serde(default, deserialize_with = "present")]
    amount: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    currency: Option<String>,
    #[serde(default, deserialize_with = "present")]
    recipient: Option<Recipient>,
    #[serde(default, deserialize_with = "present")]
    provider: Option<String>,
    #[serde(default, deserialize_with = "present")]
    reason: Option<String>,
    #[serde(default, deserialize_with = "present")]
    channel_id: Option<Uuid>,
}

pub(super) async fn revise(
    Colleague(writer): Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    once(&state, &writer, &request, "payout.revise", async |meta| {
        let told = request.parse()?;
        let digits = told.recipient.as_ref().map(Recipient::digits).transpose()?;
        let by = writer.0.principal.user;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let payout = work.get::<Payout>(*id).await?;
                let subject = subject(payout, *id);
                if let Some(standing) = &payout.standing {
                    let currency = told.currency.as_ref().unwrap_or(&standing.currency);
                    check_amount(told.amount.unwrap_or(standing.amount), currency)?;
                }
                if told.channel_id.is_some() {
                    paying(work, told.channel_id).await?;
                }
                let revision = Revision {
                    by,
                    amount: told.amount,
                    currency: told.currency.clone(),
                    recipient: digits.clone().map(|digits| Personal::identity(subject, digits)),
                    provider: told.provider.clone(),
                    reason: told.reason.clone().map(|reason| Personal::content(subject, reason)),
                    channel: told.channel_id,
                };
                let revise = payout::Command::Revise(revision);
                work.execute::<Payout>(*id, revise).await.map(|_| ())
            })
            .await
    })
    .await
}
