//! Reading invitations: all of an organisation, and the one that a token opens.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use commands::access::invitations as access;
use commands::access::limits::Door;
use domain::aggregate::Role;
use domain::invitation;
use projections::invitations::{self, Cursor, Filter, Invitations, Row, State as Stands};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::auth::open;
use super::invitations::Status;
use crate::State;
use crate::auth::{Administrator, Caller};
use crate::envelope::{self, One, Plain};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/invitations", list)
        .is("invitation.list", "Lists invitations, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/invitations/{id}", show).is("invitation.show", "Shows an invitation");
    api.get("/v1/invitations/by-token/{token}", by_token)
        .is("invitation.by_token", "Shows the invitation that a mailed token opens")
        .refuses(404, &["invitation.not_found"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Only invitations that stand so: `pending`, `expired`, `accepted` or `revoked`.
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Invitation")]
struct Item {
    id: Uuid,
    /// Null where the person was erased.
    #[schemars(example = &"otieno@baraka.example")]
    email: Option<String>,
    role: Role,
    status: Status,
    /// As the audit log names who invited.
    #[schemars(example = &"user:0198c5a0-0000-7000-8000-000000000007")]
    invited_by: String,
    /// Who it makes a member.
    user_id: Uuid,
    /// How many mails went out.
    sent: u32,
    version: i64,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    answered_at: Option<DateTime<Utc>>,
}

async fn list(
    state: Data<State>,
    administrator: Administrator,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let member = &administrator.0.0;
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let now = state.commands.store().clock().now();
    let filter = filter(asked.status.as_deref(), now)?;
    let (live, finder) = reading::finder(&state, member, &Invitations, min).await?;
    let rows = invitations::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let emails = cut.rows.iter().filter_map(|row| row.email.as_ref());
    let values = Values::open(&state, member, emails).await?;
    let items = cut.rows.into_iter().map(|row| item(row, &values, now)).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    administrator: Administrator,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let member = &administrator.0.0;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, member, &Invitations, min).await?;
    let row = invitations::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let values = Values::open(&state, member, &row.email).await?;
    let now = state.commands.store().clock().now();
    Ok(envelope::composed(&live, row.version, item(row, &values, now)))
}

fn filter(status: Option<&str>, now: DateTime<Utc>) -> Result<Filter, Problem> {
    let (state, in_time) = match status {
        None => (None, None),
        Some("pending") => (Some(Stands::Pending), Some((now, true))),
        Some("expired") => (Some(Stands::Pending), Some((now, false))),
        Some("accepted") => (Some(Stands::Accepted), None),
        Some("revoked") => (Some(Stands::Revoked), None),
        Some(_) => {
            let expected = "is pending, expired, accepted or revoked";
            return Err(reading::unreadable("status", expected));
        }
    };
    Ok(Filter { state, in_time })
}

fn item(row: Row, values: &Values, now: DateTime<Utc>) -> Item {
    Item {
        email: values.text(row.email.as_ref()),
        status: match row.state {
            Stands::Pending if row.expires_at > now => Status::Pending,
            Stands::Pending => Status::Expired,
            Stands::Accepted => Status::Accepted,
            Stands::Revoked => Status::Revoked,
        },
        id: row.invitation_id,
        role: row.role,
        invited_by: row.invited_by,
        user_id: row.user_id,
        sent: row.sent,
        version: row.version,
        created_at: row.created_at,
        expires_at: row.expires_at,
        answered_at: row.answered_at,
    }
}

/// What somebody is told before they accept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitationByToken")]
struct Told {
    organization: Place,
    #[schemars(example = &"otieno@baraka.example")]
    email: Option<String>,
    role: Role,
    expires_at: DateTime<Utc>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InvitingOrganization")]
struct Place {
    #[schemars(example = &"Baraka Hardware")]
    name: Option<String>,
    logo: Option<String>,
}

async fn by_token(
    caller: Caller,
    state: Data<State>,
    token: Path<String>,
) -> Result<Plain<Told>, Problem> {
    open(&state, Door::Token, &caller.0, None).await?;
    let shown = access::shown(&state.commands, &token).await?;
    let shown = shown.ok_or_else(|| {
        Problem::from(commands::Refusal::from(invitation::Error::NotFound)).attempted()
    })?;
    Ok(envelope::plain(Told {
        organization: Place {
            name: shown.organization.name,
            logo: shown.organization.logo.map(|logo| logo.as_str().to_owned()),
        },
        email: shown.asked.email.clear().map(|email| email.as_str().to_owned()),
        role: shown.asked.role,
        expires_at: shown.asked.expires_at,
    }))
}
