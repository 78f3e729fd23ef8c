//! Commands on teams: making them, who is in them, when they work.

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use commands::{Refusal, Work, teams};
use domain::team::{self, Role, Schedule, Team};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Administrator;
use crate::body::{Nothing, Request, present};
use crate::command::{Answered, Changed, Command, Made, Noun, plain};
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;
use crate::region;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/teams", create)
        .is("team.create", "Makes a team")
        .refuses(409, &["team.name_taken"])
        .refuses(422, &["team.invalid_name", "team.unknown_timezone"]);
    api.patch("/v1/teams/{id}", change)
        .is("team.change", "Gives a team another name")
        .refuses(409, &["team.deleted", "team.name_taken"])
        .refuses(422, &["team.invalid_name"]);
    api.delete("/v1/teams/{id}", delete)
        .is("team.delete", "Deletes a team; its name is free again");
    api.put("/v1/teams/{id}/members/{user_id}", set_member)
        .is("team.set_member", "Takes a member into a team, or gives them another role there")
        .refuses(403, &["team.full"])
        .refuses(404, &["team.unknown_member"])
        .refuses(409, &["team.deleted"]);
    api.delete("/v1/teams/{id}/members/{user_id}", remove_member)
        .is("team.remove_member", "Takes somebody out of a team")
        .refuses(404, &["team.unknown_member"])
        .refuses(409, &["team.deleted"]);
    api.put("/v1/teams/{id}/schedule", set_schedule)
        .is("team.set_schedule", "Says when a team works")
        .says("By the clocks of one place, from Sunday to Saturday.")
        .refuses(409, &["team.deleted"])
        .refuses(422, &["team.unknown_timezone"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TeamTold")]
pub(crate) struct Told {
    #[schemars(example = &"Deliveries")]
    name: String,
    /// By their ids.
    members: BTreeMap<Uuid, Role>,
    /// Null: at all hours.
    schedule: Option<Schedule>,
    deleted: bool,
}

impl Noun for Team {
    type Told = Told;

    fn absent() -> Refusal {
        team::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        Ok(Told {
            name: self.name.clone().ok_or_else(Team::absent)?,
            members: self.members.clone(),
            schedule: self.schedule.clone(),
            deleted: self.deleted,
        })
    }
}

type Settled = Answered<Changed, Team>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateTeam")]
struct Create {
    /// 1 to 80 characters, of no other team.
    #[schemars(example = &"Deliveries")]
    name: String,
    schedule: Option<Schedule>,
}

async fn create(
    Administrator(writer): Administrator,
    state: Data<State>,
    request: Request<Create>,
) -> Answered<Made, Team> {
    once(&state, &writer, &request, "team.create", async |meta| {
        let Create { name, schedule } = request.parse()?;
        let schedule = schedule.map(somewhere).transpose()?;
        let id = Uuid::now_v7();
        Command::create(id, format!("/v1/teams/{id}"))
            .run::<Team>(&state, &meta, async |work: &mut Work<'_>| {
                teams::create(work, id, &name).await?;
                let set = team::Command::SetSchedule { schedule: schedule.clone() };
                work.execute::<Team>(id, set).await.map(drop)
            })
            .await
    })
    .await
}

/// With the place named as the clocks name it.
fn somewhere(schedule: Schedule) -> Result<Schedule, Problem> {
    let unknown = |detail| Problem::field("schedule.timezone", "team.unknown_timezone", detail);
    let timezone = region::timezone(&schedule.timezone).map_err(unknown)?;
    Ok(Schedule { timezone, ..schedule })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeTeam")]
struct Change {
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Deliveries")]
    name: Option<String>,
}

async fn change(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    once(&state, &writer, &request, "team.change", async |meta| {
        let told = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Team>(&state, &meta, async |work: &mut Work<'_>| match &told.name {
                Some(name) => teams::rename(work, *id, name).await,
                None => Ok(()),
            })
            .await
    })
    .await
}

async fn delete(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    plain::<Team>(&writer, &state, *id, &request, "delete", || team::Command::Delete).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetTeamMember")]
struct SetMember {
    #[serde(default = "member")]
    role: Role,
}

fn member() -> Role {
    Role::Member
}

async fn set_member(
    Administrator(writer): Administrator,
    state: Data<State>,
    path: Path<(Uuid, Uuid)>,
    request: Request<SetMember>,
) -> Settled {
    let (id, user) = path.into_inner();
    once(&state, &writer, &request, "team.set_member", async |meta| {
        let SetMember { role } = request.parse()?;
        Command::on(id, request.expected_version()?)
            .run::<Team>(&state, &meta, async |work: &mut Work<'_>| {
                teams::set_member(work, id, user, role).await
            })
            .await
    })
    .await
}

async fn remove_member(
    Administrator(writer): Administrator,
    state: Data<State>,
    path: Path<(Uuid, Uuid)>,
    request: Request,
) -> Settled {
    let (id, user) = path.into_inner();
    once(&state, &writer, &request, "team.remove_member", async |meta| {
        let Nothing {} = request.parse()?;
        Command::on(id, request.expected_version()?)
            .run::<Team>(&state, &meta, async |work: &mut Work<'_>| {
                teams::remove_member(work, id, user).await
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetTeamSchedule")]
struct SetSchedule {
    /// Null: at all hours.
    schedule: Option<Schedule>,
}

async fn set_schedule(
    Administrator(writer): Administrator,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<SetSchedule>,
) -> Settled {
    once(&state, &writer, &request, "team.set_schedule", async |meta| {
        let schedule = request.parse()?.schedule.map(somewhere).transpose()?;
        Command::on(*id, request.expected_version()?)
            .run::<Team>(&state, &meta, async |work: &mut Work<'_>| {
                let set = team::Command::SetSchedule { schedule: schedule.clone() };
                work.execute::<Team>(*id, set).await.map(drop)
            })
            .await
    })
    .await
}
