//! Reading payouts; `payouts` registers these on its resources.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, Utc};
use domain::payout::State as Status;
use projections::payouts::{self, Cursor, Filter, Payouts, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, Values};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListAsked {
    status: Option<String>,
    ticket: Option<String>,
    contact: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowAsked {
    min_position: Option<String>,
}

#[derive(Serialize)]
struct Item {
    id: Uuid,
    status: Status,
    amount: i64,
    currency: String,
    provider: String,
    recipient: Recipient,
    reason: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    requested_by: Uuid,
    approved_by: Option<Uuid>,
    stopped_by: Option<Uuid>,
    rejection_reason: Option<String>,
    ticket_id: Option<Uuid>,
    contact_id: Option<Uuid>,
    channel_id: Option<Uuid>,
    provider_transaction_id: Option<String>,
    failure: Option<Failure>,
    waiting_for: Option<String>,
    contradicted: bool,
    requested_at: DateTime<Utc>,
    approved_at: Option<DateTime<Utc>>,
    submitted_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    last_activity_at: DateTime<Utc>,
    version: i64,
}

#[derive(Serialize)]
struct Recipient {
    phone: Option<String>,
}

#[derive(Serialize)]
struct Failure {
    code: String,
    message: Option<String>,
}

pub(crate) async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<HttpResponse, Problem> {
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
    let items: Vec<Item> = cut.rows.into_iter().map(|row| item(row, &values)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

pub(crate) async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<ShowAsked>,
) -> Result<HttpResponse, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Payouts, min).await?;
    let row = payouts::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let values = values(&state, &member, std::slice::from_ref(&row)).await?;
    let version = row.version;
    Ok(reading::versioned(envelope::one(&live, item(row, &values)), version))
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
    let tokens = rows
        .iter()
        .flat_map(|row| [&row.recipient, &row.reason, &row.rejection, &row.failure_message]);
    Values::open(state, member, tokens.flatten()).await
}

fn item(row: Row, values: &Values) -> Item {
    let message = values.text(row.failure_message.as_ref());
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
        requested_at: row.requested_at,
        approved_at: row.approved_at,
        submitted_at: row.submitted_at,
        ended_at: row.ended_at,
        last_activity_at: row.last_activity_at,
        version: row.version,
    }
}
