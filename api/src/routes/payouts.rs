//! Commands on payouts: asking for one, and what another person decides about it.

mod callbacks;
mod doubts;
mod revision;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest};
use commands::channels::paying;
use commands::gateways::pawapay::{Amount, InvalidAmount};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::contact::Contact;
use domain::payout::{self, Payout, State as Status};
use domain::ticket::Ticket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Colleague, Proven, Writer};
use crate::body::{Nothing, Request};
use crate::command::{Answered, Changed, Command, Made, Noun};
use crate::idempotent::once;
use crate::openapi::{Api, Described, Operation, Schemas};
use crate::problem::Problem;
use crate::routes::tickets::known;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/payouts", ask)
        .is("payout.request", "Asks for a payout")
        .requires("Idempotency-Key")
        .refuses(400, &["idempotency.required"])
        .refuses(409, &["channel.disconnected", "payout.no_channel"])
        .refuses(422, &["payout.invalid_amount", "payout.invalid_currency"])
        .refuses(422, &["payout.invalid_provider", "payout.invalid_reason"])
        .refuses(422, &["payout.unknown_ticket", "payout.unknown_contact"])
        .refuses(422, &["payout.unknown_channel", "payout.channel_needed"])
        .refuses(422, &["contact.invalid_phone"]);
    api.post("/v1/payouts/{id}/approve", approve)
        .is("payout.approve", "Approves a payout, which then is submitted")
        .says(
            "By another person than asked for it, who has signed in or stepped up within the last \
             5 minutes: with a second factor they step up by that, without one by their password. \
             No key approves.",
        )
        .refuses(403, &["payout.same_person"])
        .refuses(409, &["payout.not_requested"])
        .refuses(428, &["payout.revised"]);
    api.patch("/v1/payouts/{id}", revision::revise)
        .is("payout.revise", "Changes a payout that was not submitted yet")
        .says("By who asked for it. Whoever approved it has to approve it again.")
        .refuses(403, &["payout.not_requester"])
        .refuses(409, &["payout.too_late", "channel.disconnected"])
        .refuses(422, &["payout.invalid_amount", "payout.invalid_currency"])
        .refuses(422, &["payout.invalid_provider", "payout.invalid_reason"])
        .refuses(422, &["payout.unknown_channel", "contact.invalid_phone"]);
    api.post("/v1/payouts/{id}/check", doubts::check)
        .is("payout.check", "Asks the provider now what became of a payout")
        .refuses(409, &["payout.not_submitted"]);
    api.post("/v1/payouts/{id}/settle", doubts::settle)
        .is("payout.settle", "Says on evidence how a payout ended that stays unknown")
        .says("An hour after it was submitted at the earliest, and never by who asked for it.")
        .refuses(403, &["payout.own_payout"])
        .refuses(409, &["payout.not_unknown", "payout.too_early"])
        .refuses(422, &["payout.invalid_evidence", "payout.invalid_reason"]);
    api.post("/v1/payouts/{id}/reject", reject)
        .is("payout.reject", "Rejects a payout")
        .refuses(409, &["payout.not_requested"])
        .refuses(422, &["payout.invalid_reason"]);
    api.post("/v1/payouts/{id}/cancel", cancel)
        .is("payout.cancel", "Cancels a payout that was not submitted yet")
        .says("By who asked for it, or by somebody who decides on payouts.")
        .refuses(409, &["payout.too_late"]);
    api.post("/webhooks/pawapay/{channel_id}", callbacks::receive)
        .is("webhook.pawapay", "Takes a callback of PawaPay")
        .says(
            "Signed or not, it settles nothing: it makes us ask PawaPay sooner. Where the channel \
             has a public key, a signature that is wrong is refused.",
        )
        .refuses(400, &["webhook.malformed"])
        .refuses(401, &["webhook.signature"])
        .refuses(503, &["unavailable"]);
}

/// Who may decide on other people's payouts: owner, admin, supervisor; nobody who only visits.
struct Approver(Writer);

const DECIDERS: &[Role] = &[Role::Owner, Role::Admin, Role::Supervisor];

fn decides(role: Role) -> bool {
    DECIDERS.contains(&role)
}

fn denied(writer: &Writer, to: &str) -> Problem {
    let role = writer.0.principal.role.as_str();
    let detail = format!("the role {role} may not {to}");
    Problem::new(StatusCode::FORBIDDEN, "permission.denied", detail)
}

impl FromRequest for Approver {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let colleague = Colleague::from_request(request, payload);
        Box::pin(async move {
            let Colleague(writer) = colleague.await?;
            if decides(writer.0.principal.role) {
                Ok(Approver(writer))
            } else {
                Err(denied(&writer, "decide on payouts"))
            }
        })
    }
}

impl Described for Approver {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Colleague::describe(operation, schemas);
        operation.permits("approver", DECIDERS);
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PayoutTold")]
pub(crate) struct Told {
    status: Status,
    /// In the currency's smallest unit.
    #[schemars(example = 150_000)]
    amount: i64,
    #[schemars(example = &"KES")]
    currency: String,
    #[schemars(example = &"MPESA_KEN")]
    provider: String,
    requested_by: Uuid,
    approved_by: Option<Uuid>,
    ticket_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    channel_id: Option<Uuid>,
    /// How often it was changed.
    revision: u32,
}

impl Noun for Payout {
    type Told = Told;

    fn absent() -> Refusal {
        payout::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        let standing = self.standing.clone().ok_or_else(Payout::absent)?;
        Ok(Told {
            status: standing.state,
            amount: standing.amount,
            currency: standing.currency,
            provider: standing.provider,
            requested_by: standing.requester,
            approved_by: standing.approver,
            ticket_id: standing.ticket,
            contact_id: standing.contact,
            channel_id: standing.channel,
            revision: standing.revision,
        })
    }
}

type Settled = Answered<Changed, Payout>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RequestPayout")]
struct Ask {
    /// In the currency's smallest unit.
    #[schemars(example = 150_000, range(min = 1))]
    amount: i64,
    /// ISO 4217.
    #[schemars(example = &"KES")]
    currency: String,
    recipient: Recipient,
    /// PawaPay's word for who pays out.
    #[schemars(example = &"MPESA_KEN")]
    provider: String,
    #[schemars(example = &"Refund for the broken pot")]
    reason: String,
    ticket_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    /// The account at PawaPay that pays; the organisation's only one unless told.
    channel_id: Option<Uuid>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RequestPayoutRecipient")]
struct Recipient {
    /// With its country code, however it is written.
    #[schemars(example = &"+254 712 345 678")]
    phone: String,
}

/// Money is asked for under a key, so that a repeat can't ask for it twice.
async fn ask(
    Colleague(writer): Colleague,
    state: Data<State>,
    request: Request<Ask>,
) -> Answered<Made, Payout> {
    if request.key()?.is_none() {
        let detail =
            "send an Idempotency-Key: a repeat under the same key asks for no second payout";
        return Err(Problem::bad_request("idempotency.required", detail));
    }
    once(&state, &writer, &request, "payout.request", async |meta| {
        let told = request.parse()?;
        let digits = told.recipient.digits()?;
        check_amount(told.amount, &told.currency)?;
        let (id, requester) = (Uuid::now_v7(), writer.0.principal.user);
        Command::create(id, format!("/v1/payouts/{id}"))
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                exists(work, &told).await?;
                let channel = paying(work, told.channel_id).await?;
                let subject = told.contact_id.unwrap_or(id);
                let asked = payout::Request {
                    amount: told.amount,
                    currency: told.currency.clone(),
                    recipient: Personal::identity(subject, digits.clone()),
                    provider: told.provider.clone(),
                    reason: Personal::content(subject, told.reason.clone()),
                    requester,
                    ticket: told.ticket_id,
                    contact: told.contact_id,
                    channel: Some(channel),
                };
                work.execute::<Payout>(id, payout::Command::Request(asked)).await.map(|_| ())
            })
            .await
    })
    .await
}

impl Recipient {
    fn digits(&self) -> Result<String, Problem> {
        crate::phone::digits(&self.phone).map_err(|problem| problem.about("recipient.phone"))
    }
}

fn check_amount(amount: i64, currency: &str) -> Result<(), Refusal> {
    Amount::new(amount, currency).map(|_| ()).map_err(|error| match error {
        InvalidAmount::Currency => payout::Error::InvalidCurrency.into(),
        _ => payout::Error::InvalidAmount.into(),
    })
}

/// The person whose data a payout holds: its contact, or whom nobody knows but by the payout.
fn subject(payout: &Payout, id: Uuid) -> Uuid {
    payout.standing.as_ref().and_then(|standing| standing.contact).unwrap_or(id)
}

/// Whatever the payout is for has to be the organisation's.
async fn exists(work: &mut Work<'_>, told: &Ask) -> Result<(), Error> {
    if let Some(ticket) = told.ticket_id
        && !known::<Ticket>(work, ticket).await?
    {
        return Err(payout::Error::UnknownTicket.into());
    }
    if let Some(contact) = told.contact_id
        && !known::<Contact>(work, contact).await?
    {
        return Err(payout::Error::UnknownContact.into());
    }
    Ok(())
}

async fn approve(
    Approver(writer): Approver,
    _: Proven,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    once(&state, &writer, &request, "payout.approve", async |meta| {
        let Nothing {} = request.parse()?;
        let by = writer.0.principal.user;
        let seen = request.expected_version()?;
        Command::on(*id, seen)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let standing = &work.get::<Payout>(*id).await?.standing;
                // Nobody approves what they have not seen.
                if seen.is_none() && standing.as_ref().is_some_and(|it| it.revision > 0) {
                    return Err(payout::Error::Revised.into());
                }
                work.execute::<Payout>(*id, payout::Command::Approve { by }).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RejectPayout")]
struct Reject {
    #[schemars(example = &"The pot was not broken.")]
    reason: String,
}

async fn reject(
    Approver(writer): Approver,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Reject>,
) -> Settled {
    once(&state, &writer, &request, "payout.reject", async |meta| {
        let Reject { reason } = request.parse()?;
        let by = writer.0.principal.user;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let subject = subject(work.get::<Payout>(*id).await?, *id);
                let reason = Personal::content(subject, reason.clone());
                let reject = payout::Command::Reject { by, reason };
                work.execute::<Payout>(*id, reject).await.map(|_| ())
            })
            .await
    })
    .await
}

/// By who asked for it, or by somebody who decides on payouts.
async fn cancel(
    Colleague(writer): Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    let by = writer.0.principal.user;
    if !decides(writer.0.principal.role) {
        let (payout, _) = state.commands.load::<Payout>(writer.0.tenant(), *id).await?;
        if payout.standing.is_some_and(|standing| standing.requester != by) {
            return Err(denied(&writer, "cancel what others asked for"));
        }
    }
    once(&state, &writer, &request, "payout.cancel", async |meta| {
        let Nothing {} = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                work.execute::<Payout>(*id, payout::Command::Cancel { by }).await.map(|_| ())
            })
            .await
    })
    .await
}
