//! Commands on members: what is decided about them, and what they say of themselves.

use actix_web::web::{Data, Path};
use commands::{Error, Refusal, Work, members, presence};
use domain::Personal;
use domain::aggregate::Role;
use domain::presence::{self as presences, Availability, Presence};
use domain::user::membership::Decision;
use domain::user::{self, User};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Administrator, Colleague};
use crate::body::{Nothing, Request, present};
use crate::command::{self, About, Answered, Changed, Command, Noun};
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.patch("/v1/members/me", change_own)
        .is("member.change_own", "Changes one's own name")
        .refuses(422, &["user.invalid_name"]);
    api.put("/v1/members/me/availability", choose)
        .is("member.choose_availability", "Says whether one takes new work");
    api.post("/v1/members/me/heartbeat", beat)
        .is("member.beat", "Tells that one's panel is open")
        .says("Every 30 seconds. Who is silent for 90 seconds is shown as offline.");
    api.patch("/v1/members/{id}", change)
        .is("member.change", "Changes a member's name or role")
        .says("Nobody decides about who is above them, and an organisation keeps an owner.")
        .refuses(403, &["user.above_own_role"])
        .refuses(409, &["user.deactivated", "organization.last_owner"])
        .refuses(422, &["user.invalid_name"]);
    api.post("/v1/members/{id}/deactivate", deactivate)
        .is("member.deactivate", "Deactivates a member")
        .says(
            "Their sessions and keys stop within 5 seconds, and open conversations and tickets \
             that they had are nobody's.",
        )
        .refuses(403, &["user.above_own_role"])
        .refuses(409, &["organization.last_owner", "user.own_deactivation"]);
    api.post("/v1/members/{id}/reactivate", reactivate)
        .is("member.reactivate", "Lets a member in again, in the role that they had")
        .refuses(403, &["user.above_own_role", "organization.no_seat_left"]);
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MemberTold")]
pub(crate) struct Told {
    role: Role,
    status: Status,
    email_verified: bool,
    second_factor: bool,
}

#[derive(Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MemberStatus")]
pub(crate) enum Status {
    Active,
    Deactivated,
}

impl Status {
    pub(crate) fn of(active: bool) -> Status {
        if active { Status::Active } else { Status::Deactivated }
    }
}

impl Noun for User {
    type Told = Told;

    fn absent() -> Refusal {
        user::Error::NotFound.into()
    }

    fn told(&self) -> Result<Told, Refusal> {
        Ok(Told {
            role: self.role.ok_or_else(User::absent)?,
            status: Status::of(!self.deactivated),
            email_verified: self.email_verified,
            second_factor: self.has_second_factor(),
        })
    }
}

type Settled = Answered<Changed, User>;

/// What is left out stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeMember")]
struct Change {
    /// 1 to 200 characters.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "String", example = &"Otieno Odhiambo")]
    name: Option<String>,
    /// None above one's own.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Role")]
    role: Option<Role>,
}

async fn change(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Change>,
) -> Settled {
    let by = writer.0.principal.role;
    once(&state, &writer, &request, "member.change", async |meta| {
        let told = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<User>(&state, &meta, async |work: &mut Work<'_>| {
                if let Some(name) = &told.name {
                    rename(work, *id, by, name).await?;
                }
                match told.role {
                    Some(role) => {
                        members::decide(work, *id, by, Decision::ChangeRole { role }).await
                    }
                    None => Ok(()),
                }
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeOwn")]
struct ChangeOwn {
    /// 1 to 200 characters.
    #[schemars(example = &"Otieno Odhiambo")]
    name: String,
}

async fn change_own(
    Colleague(writer): Colleague,
    state: Data<State>,
    request: Request<ChangeOwn>,
) -> Settled {
    let (me, by) = (writer.0.principal.user, writer.0.principal.role);
    once(&state, &writer, &request, "member.change_own", async |meta| {
        let ChangeOwn { name } = request.parse()?;
        Command::on(me, request.expected_version()?)
            .run::<User>(&state, &meta, async |work: &mut Work<'_>| {
                // A key may be less than who it belongs to; the name is theirs all the same.
                let by = work.get::<User>(me).await?.active_role().unwrap_or(by);
                rename(work, me, by, &name).await
            })
            .await
    })
    .await
}

async fn rename(work: &mut Work<'_>, id: Uuid, by: Role, name: &str) -> Result<(), Error> {
    let name = Personal::identity(id, name.to_owned());
    members::decide(work, id, by, Decision::Rename { name }).await
}

async fn deactivate(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    let by = writer.0.principal.role;
    let own = *id == writer.0.principal.user;
    once(&state, &writer, &request, "member.deactivate", async |meta| {
        let Nothing {} = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<User>(&state, &meta, async |work: &mut Work<'_>| {
                members::decide(work, *id, by, Decision::Deactivate { own }).await
            })
            .await
    })
    .await
}

async fn reactivate(
    Administrator(writer): Administrator,
    _: Colleague,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request,
) -> Settled {
    let by = writer.0.principal.role;
    once(&state, &writer, &request, "member.reactivate", async |meta| {
        let Nothing {} = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<User>(&state, &meta, async |work: &mut Work<'_>| {
                members::decide(work, *id, by, Decision::Reactivate).await
            })
            .await
    })
    .await
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PresenceTold")]
pub(crate) struct Stands {
    availability: Availability,
    /// What colleagues see: `offline` while the panel is closed, whatever was chosen.
    presence: Availability,
}

impl Noun for Presence {
    type Told = Stands;

    fn absent() -> Refusal {
        user::Error::NotFound.into()
    }

    fn told(&self) -> Result<Stands, Refusal> {
        Ok(Stands { availability: self.availability, presence: self.status() })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChooseAvailability")]
struct Choose {
    availability: Availability,
}

async fn choose(
    Colleague(writer): Colleague,
    state: Data<State>,
    request: Request<Choose>,
) -> Answered<Changed, Presence> {
    let me = writer.0.principal.user;
    once(&state, &writer, &request, "member.choose_availability", async |meta| {
        let Choose { availability } = request.parse()?;
        let command = Command::on(me, request.expected_version()?);
        let _turn = state.commands.turn(me).await;
        // Who never chose has chosen nothing yet: that is no reason to find nobody.
        let outcome = state
            .commands
            .transact(&meta, async |work: &mut Work<'_>| {
                let choose = presences::Command::Choose { availability };
                work.execute::<Presence>(me, choose).await?;
                command.answer::<Presence>(work).await
            })
            .await?;
        Ok((outcome.value, outcome.position))
    })
    .await
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Beat")]
struct Beat {
    /// When to beat again, in seconds.
    next_within: u64,
    /// After how many seconds of silence one is shown as offline.
    offline_after: u64,
}

async fn beat(
    Colleague(writer): Colleague,
    state: Data<State>,
    request: Request,
) -> Result<command::Told<About<Beat>>, Problem> {
    once(&state, &writer, &request, "member.beat", async |meta| {
        let Nothing {} = request.parse()?;
        let (next_within, offline_after) = (presence::EVERY.as_secs(), presence::SILENCE.as_secs());
        let tell =
            |work: &mut Work<'_>| Answer::about(&Beat { next_within, offline_after }).kept_in(work);
        let user = writer.0.principal.user;
        let beaten = presence::beat(&state.commands, &meta, user, tell).await?;
        Ok((beaten.value, beaten.position))
    })
    .await
}
