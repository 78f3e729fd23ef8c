//! Commands on payouts: asking for one, and what another person decides about it.

mod callbacks;

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use commands::channels::paying;
use commands::gateways::pawapay::{Amount, InvalidAmount};
use commands::{Error, Refusal, Work};
use domain::Personal;
use domain::aggregate::Role;
use domain::contact::Contact;
use domain::payout::{self, Payout};
use domain::ticket::Ticket;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::State;
use crate::auth::Writer;
use crate::body::{Nothing, Request};
use crate::command::{Command, Noun};
use crate::idempotent::once;
use crate::problem::Problem;
use crate::routes::payouts_read;
use crate::routes::tickets::known;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let on = |action: &str| web::resource(format!("/v1/payouts/{{id}}/{action}"));
    let all = web::resource("/v1/payouts")
        .route(web::get().to(payouts_read::list))
        .route(web::post().to(ask));
    cfg.service(all)
        .service(web::resource("/v1/payouts/{id}").route(web::get().to(payouts_read::show)))
        .service(on("approve").route(web::post().to(approve)))
        .service(on("reject").route(web::post().to(reject)))
        .service(on("cancel").route(web::post().to(cancel)))
        .service(
            web::resource("/webhooks/pawapay/{channel_id}")
                .route(web::post().to(callbacks::receive)),
        );
}

/// Who may decide on other people's payouts: owner, admin, supervisor.
struct Approver(Writer);

fn decides(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Admin | Role::Supervisor)
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
        let writer = Writer::from_request(request, payload);
        Box::pin(async move {
            let writer = writer.await?;
            if decides(writer.0.principal.role) {
                Ok(Approver(writer))
            } else {
                Err(denied(&writer, "decide on payouts"))
            }
        })
    }
}

impl Noun for Payout {
    fn absent() -> Refusal {
        payout::Error::NotFound.into()
    }

    fn told(&self) -> Map<String, Value> {
        let Some(standing) = &self.standing else { return Map::new() };
        Map::from_iter([
            ("status".to_owned(), json!(standing.state)),
            ("amount".to_owned(), json!(standing.amount)),
            ("currency".to_owned(), json!(standing.currency)),
            ("provider".to_owned(), json!(standing.provider)),
            ("requested_by".to_owned(), json!(standing.requester)),
            ("approved_by".to_owned(), json!(standing.approver)),
            ("ticket_id".to_owned(), json!(standing.ticket)),
            ("contact_id".to_owned(), json!(standing.contact)),
            ("channel_id".to_owned(), json!(standing.channel)),
        ])
    }
}

type Answered = Result<HttpResponse, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// In the currency's smallest unit.
    amount: i64,
    currency: String,
    recipient: Recipient,
    provider: String,
    reason: String,
    ticket_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    /// The account at PawaPay that pays; the organisation's only one unless told.
    channel_id: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipient {
    phone: String,
}

/// Money is asked for under a key, so that a repeat can't ask for it twice.
async fn ask(writer: Writer, state: Data<State>, request: Request) -> Answered {
    if request.key()?.is_none() {
        let detail =
            "send an Idempotency-Key: a repeat under the same key asks for no second payout";
        return Err(Problem::bad_request("idempotency.required", detail));
    }
    once(&state, &writer, &request, "payout.request", async |meta| {
        let told: Ask = request.parse()?;
        let digits = crate::phone::digits(&told.recipient.phone)
            .map_err(|problem| problem.about("recipient.phone"))?;
        Amount::new(told.amount, &told.currency).map_err(|error| match error {
            InvalidAmount::Currency => Refusal::from(payout::Error::InvalidCurrency),
            _ => payout::Error::InvalidAmount.into(),
        })?;
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
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    once(&state, &writer, &request, "payout.approve", async |meta| {
        let Nothing {} = request.parse()?;
        let by = writer.0.principal.user;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                work.execute::<Payout>(*id, payout::Command::Approve { by }).await.map(|_| ())
            })
            .await
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reject {
    reason: String,
}

async fn reject(
    Approver(writer): Approver,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Answered {
    once(&state, &writer, &request, "payout.reject", async |meta| {
        let Reject { reason } = request.parse()?;
        let by = writer.0.principal.user;
        Command::on(*id, request.expected_version()?)
            .run::<Payout>(&state, &meta, async |work: &mut Work<'_>| {
                let standing = &work.get::<Payout>(*id).await?.standing;
                let contact = standing.as_ref().and_then(|standing| standing.contact);
                let reason = Personal::content(contact.unwrap_or(*id), reason.clone());
                let reject = payout::Command::Reject { by, reason };
                work.execute::<Payout>(*id, reject).await.map(|_| ())
            })
            .await
    })
    .await
}

/// By who asked for it, or by somebody who decides on payouts.
async fn cancel(writer: Writer, state: Data<State>, id: Path<Uuid>, request: Request) -> Answered {
    let by = writer.0.principal.user;
    if !decides(writer.0.principal.role) {
        let loaded = state.commands.load::<Payout>(writer.0.tenant(), *id).await;
        let standing = match loaded {
            Ok((payout, _)) => payout.standing,
            Err(Error::Refused(Refusal::NotFound)) => None,
            Err(error) => return Err(error.into()),
        };
        if standing.is_some_and(|standing| standing.requester != by) {
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
