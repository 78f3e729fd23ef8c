//! Reading teams, with the names of who is in them.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::team::{Role, Schedule};
use projections::members::{self, Members};
use projections::teams::{self, Cursor, Filter, Row, Teams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    api.get("/v1/teams", list)
        .is("team.list", "Lists teams, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/teams/{id}", show).is("team.show", "Shows a team with its members");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Only teams that this member is in.
    member: Option<String>,
    /// Deleted teams as well.
    #[serde(default)]
    include_deleted: bool,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Team")]
struct Item {
    id: Uuid,
    #[schemars(example = &"Deliveries")]
    name: String,
    members: Vec<Mate>,
    /// Null: at all hours.
    schedule: Option<Schedule>,
    version: i64,
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TeamMember")]
struct Mate {
    user_id: Uuid,
    /// Null where the person was erased.
    #[schemars(example = &"Otieno Odhiambo")]
    name: Option<String>,
    role: Role,
    /// Not while they are deactivated.
    active: bool,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let filter = Filter {
        member: reading::id("member", asked.member.as_deref())?,
        deleted: (!asked.include_deleted).then_some(false),
    };
    let (live, finder) = reading::finder(&state, &member, &Teams, min).await?;
    let rows = teams::page(&finder, filter, page.after, page.fetch()).await?;
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
    let (live, finder) = reading::finder(&state, &member, &Teams, min).await?;
    let row = teams::find(&finder, *id).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    let (live, mut items) = items(&state, &member, live, vec![row], min).await?;
    let item = items.pop().ok_or_else(Problem::not_found)?;
    Ok(envelope::composed(&live, version, item))
}

async fn items(
    state: &State,
    member: &Member,
    live: Live,
    rows: Vec<Row>,
    min: Option<Position>,
) -> Result<(Live, Vec<Item>), Problem> {
    let (live, finder) = reading::beside(state, member, live, &Members, min).await?;
    let ids = rows.iter().flat_map(|row| row.members.keys().copied()).collect();
    let people = members::of_ids(&finder, ids).await?;
    let names = people.values().filter_map(|row| row.name.as_ref());
    let values = Values::open(state, member, names).await?;
    let items = rows.into_iter().map(|row| item(row, &people, &values)).collect();
    Ok((live, items))
}

fn item(row: Row, people: &BTreeMap<Uuid, members::Row>, values: &Values) -> Item {
    let mate = |(user_id, role): (Uuid, Role)| {
        let known = people.get(&user_id);
        Mate {
            user_id,
            name: values.text(known.and_then(|row| row.name.as_ref())),
            role,
            active: known.is_some_and(|row| row.deactivated_at.is_none()),
        }
    };
    Item {
        id: row.team_id,
        name: row.name,
        members: row.members.into_iter().map(mate).collect(),
        schedule: row.schedule,
        version: row.version,
        created_at: row.created_at,
        deleted_at: row.deleted_at,
    }
}
