//! Reading members: who they are, and whether they are there.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::aggregate::Role;
use domain::presence::Availability;
use projections::members::{self, Cursor, Filter, Members, Row};
use projections::presence::{self, Presence};
use projections::teams::{self, Teams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::members::Status;
use crate::State;
use crate::auth::Member;
use crate::envelope::{self, One};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Live, Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/members", list)
        .is("member.list", "Lists members, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/members/{id}", show).is("member.show", "Shows a member");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Only members of these roles, with commas between.
    role: Option<String>,
    /// `active` or `deactivated`; both unless told.
    status: Option<String>,
    /// Only members who are `online`, `away` or `offline` now.
    presence: Option<String>,
    /// Only members of this team.
    team: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

/// Name and address are null where the person was erased.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Member")]
struct Item {
    id: Uuid,
    #[schemars(example = &"Otieno Odhiambo")]
    name: Option<String>,
    #[schemars(example = &"otieno@baraka.example")]
    email: Option<String>,
    email_verified: bool,
    role: Role,
    status: Status,
    second_factor: bool,
    /// Whether they are there: what they chose while their panel is open, else `offline`.
    presence: Availability,
    /// What they chose.
    availability: Availability,
    /// Since when they are there.
    present_since: Option<DateTime<Utc>>,
    /// When they were last heard of before they left.
    last_seen_at: Option<DateTime<Utc>>,
    version: i64,
    joined_at: DateTime<Utc>,
    deactivated_at: Option<DateTime<Utc>>,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let mut filter = Filter {
        roles: roles(asked.role.as_deref())?,
        active: active(asked.status.as_deref())?,
        ..Filter::default()
    };
    let team = reading::id("team", asked.team.as_deref())?;
    let wanted = availability(asked.presence.as_deref())?;
    let (mut live, finder) = reading::finder(&state, &member, &Members, min).await?;
    if let Some(wanted) = wanted {
        let there;
        (live, there) = reading::beside(&state, &member, live, &Presence, min).await?;
        match wanted {
            Availability::Offline => {
                let up = [Availability::Online, Availability::Away];
                filter.but = Some(presence::present(&there, &up).await?);
            }
            one => filter.among = Some(presence::present(&there, &[one]).await?),
        }
    }
    if let Some(team) = team {
        let teams;
        (live, teams) = reading::beside(&state, &member, live, &Teams, min).await?;
        let of_team: Vec<Uuid> = teams::find(&teams, team)
            .await?
            .map(|row| row.members.into_keys().collect())
            .unwrap_or_default();
        let among = |id: &Uuid| filter.among.as_ref().is_none_or(|among| among.contains(id));
        filter.among = Some(of_team.into_iter().filter(among).collect());
    }
    let rows = members::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let (live, items) = items(&state, &member, live, cut.rows, min).await?;
    Ok(envelope::page(&live, items, cut.next))
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Members, min).await?;
    let row = members::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    let (live, mut items) = items(&state, &member, live, vec![row], min).await?;
    let item = items.pop().ok_or_else(Problem::not_found)?;
    Ok(envelope::composed(&live, version, item))
}

/// The rows as they are shown, with who is there; as fresh as the older model.
async fn items(
    state: &State,
    member: &Member,
    live: Live,
    rows: Vec<Row>,
    min: Option<Position>,
) -> Result<(Live, Vec<Item>), Problem> {
    let (live, finder) = reading::beside(state, member, live, &Presence, min).await?;
    let there = presence::of_ids(&finder, rows.iter().map(|row| row.user_id).collect()).await?;
    let tokens = rows.iter().flat_map(|row| [&row.name, &row.email]).flatten();
    let values = Values::open(state, member, tokens).await?;
    let items = rows.into_iter().map(|row| item(row, &there, &values)).collect();
    Ok((live, items))
}

fn item(row: Row, there: &BTreeMap<Uuid, presence::Row>, values: &Values) -> Item {
    let presence = there.get(&row.user_id);
    let active = row.deactivated_at.is_none();
    Item {
        name: values.text(row.name.as_ref()),
        email: values.text(row.email.as_ref()),
        presence: presence.filter(|_| active).map_or(Availability::Offline, presence::Row::status),
        availability: presence.map(|row| row.availability).unwrap_or_default(),
        present_since: presence.filter(|_| active).and_then(|row| row.present_since),
        last_seen_at: presence.and_then(|row| row.seen_at),
        id: row.user_id,
        email_verified: row.email_verified,
        role: row.role,
        status: Status::of(active),
        second_factor: row.second_factor,
        version: row.version,
        joined_at: row.joined_at,
        deactivated_at: row.deactivated_at,
    }
}

fn roles(text: Option<&str>) -> Result<Vec<Role>, Problem> {
    let named = |name: &str| Role::ALL.into_iter().find(|role| role.as_str() == name);
    let Some(text) = text else { return Ok(vec![]) };
    text.split(',').map(named).collect::<Option<_>>().ok_or_else(|| {
        let names = Role::ALL.map(Role::as_str).join(", ");
        reading::unreadable("role", format!("is some of {names}, with commas between"))
    })
}

fn active(text: Option<&str>) -> Result<Option<bool>, Problem> {
    match text {
        None => Ok(None),
        Some("active") => Ok(Some(true)),
        Some("deactivated") => Ok(Some(false)),
        Some(_) => Err(reading::unreadable("status", "is active or deactivated")),
    }
}

fn availability(text: Option<&str>) -> Result<Option<Availability>, Problem> {
    let named = |text: &str| {
        let known = Availability::ALL.into_iter().find(|one| one.as_str() == text);
        known.ok_or_else(|| reading::unreadable("presence", "is online, away or offline"))
    };
    text.map(named).transpose()
}
