//! Reading payouts.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::payout::State as Status;
use projections::payouts::{self, Cursor, Filter, Payouts, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{self, One};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/payouts", list)
        .is("payout.list", "Lists payouts, the last to have news first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/payouts/{id}", show).is("payout.show", "Shows a payout");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// States with commas between, or `all`.
    #[schemars(example = &"requested,approved")]
    status: Option<String>,
    /// Only payouts for this ticket.
    #[schemars(with = "Option<Uuid>")]
    ticket: Option<String>,
    /// Only payouts for this contact.
    #[schemars(with = "Option<Uuid>")]
    contact: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Payout")]
struct Item {
    id: Uuid,
    status: Status,
    /// In the currency's smallest unit.
    #[schemars(example = 150_000)]
    amount: i64,
    #[schemars(example = &"KES")]
    currency: String,
    #[schemars(example = &"MPESA_KEN")]
    provider: String,
    recipient: Recipient,
    #[schemars(example = &"Refund for the broken pot")]
    reason: Option<String>,
    /// There, and true, where the recipient was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    requested_by: Uuid,
    approved_by: Option<Uuid>,
    /// Who rejected or cancelled it.
    stopped_by: Option<Uuid>,
    #[schemars(example = &"The pot was not broken.")]
    rejection_reason: Option<String>,
    ticket_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    channel_id: Option<Uuid>,
    #[schemars(example = &"12356789")]
    provider_transaction_id: Option<String>,
    failure: Option<Failure>,
    /// Why it is not submitted yet.
    #[schemars(example = &"there is no token for PawaPay")]
    waiting_for: Option<String>,
    /// Whether the provider told something else after it was settled.
    contradicted: bool,
    /// What a person said in the provider's place.
    settlement: Option<Settlement>,
    revision: i64,
    requested_at: DateTime<Utc>,
    approved_at: Option<DateTime<Utc>>,
    submitted_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    last_activity_at: DateTime<Utc>,
    version: i64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PayoutRecipient")]
struct Recipient {
    #[schemars(example = &"254712345678")]
    phone: Option<String>,
}

/// What a person said in the provider's place.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PayoutSettlement")]
struct Settlement {
    by: Uuid,
    /// `null` where the person it is about was erased.
    #[schemars(example = &"The wallet's statement of 3 March shows it.")]
    evidence: Option<String>,
    #[schemars(example = &"PawaPay has not answered for a day.")]
    reason: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PayoutFailure")]
struct Failure {
    /// The provider's word.
    #[schemars(example = &"RECIPIENT_NOT_FOUND")]
    code: String,
    #[schemars(example = &"The phone number does not belong to this provider.")]
    message: Option<String>,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let filter = Filter {
        states: states(asked.status.as_deref())?,
        ticket: reading::id("ticket", asked.ticket.as_deref())?,
        contact: reading::id("contact", asked.contact.as_deref())?,
    };
    let (live, finder) = reading::finder(&state, &member, &Payouts, min).await?;
    let rows = payouts::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let values = values(&state, &member, &cut.rows).await?;
    let items = cut.rows.into_iter().map(|row| item(row, &values)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Payouts, min).await?;
    let row = payouts::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let values = values(&state, &member, std::slice::from_ref(&row)).await?;
    Ok(envelope::composed(&live, row.version, item(row, &values)))
}

/// Which are meant: all unless told, by name with commas between, or `all`.
fn states(text: Option<&str>) -> Result<Vec<Status>, Problem> {
    let Some(text) = text.filter(|text| *text != "all") else { return Ok(vec![]) };
    let known = |told: &str| Status::ALL.into_iter().find(|one| one.as_str() == told);
    text.split(',').map(known).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let words = Status::ALL.map(Status::as_str).join(", ");
        reading::unreadable("status", format!("is `all`, or some of {words}, with commas between"))
    })
}

async fn values(state: &State, member: &Member, rows: &[Row]) -> Result<Values, Problem> {
    let tokens = rows.iter().flat_map(|row| {
        let of_people = [&row.recipient, &row.reason, &row.rejection, &row.evidence];
        of_people.into_iter().chain([&row.settlement, &row.failure_message])
    });
    Values::open(state, member, tokens.flatten()).await
}

fn item(row: Row, values: &Values) -> Item {
    let message = values.text(row.failure_message.as_ref());
    let settlement = row.settled_by.map(|by| Settlement {
        by,
        evidence: values.text(row.evidence.as_ref()),
        reason: values.text(row.settlement.as_ref()),
    });
    Item {
        recipient: Recipient { phone: values.text(row.recipient.as_ref()) },
        reason: values.text(row.reason.as_ref()),
        erased: values.erased(row.recipient.as_ref()),
        rejection_reason: values.text(row.rejection.as_ref()),
        failure: row.failure_code.map(|code| Failure { code, message }),
        id: row.payout_id,
        status: row.state,
        amount: row.amount,
        currency: row.currency,
        provider: row.provider,
        requested_by: row.requester,
        approved_by: row.approver,
        stopped_by: row.stopped_by,
        ticket_id: row.ticket_id,
        contact_id: row.contact_id,
        channel_id: row.channel_id,
        provider_transaction_id: row.provider_transaction_id,
        waiting_for: row.obstacle,
        contradicted: row.contradicted,
        settlement,
        revision: row.revision,
        requested_at: row.requested_at,
        approved_at: row.approved_at,
        submitted_at: row.submitted_at,
        ended_at: row.ended_at,
        last_activity_at: row.last_activity_at,
        version: row.version,
    }
}
