//! The second factor: setting it up, what to do when the phone is lost, and showing it once more.

use actix_web::web::{self, Data, ServiceConfig};
use chrono::{DateTime, Utc};
use commands::Outcome;
use commands::access::limits::Door;
use commands::access::second_factor;
use commands::access::sign_in;
use domain::organization::Organization;
use domain::user::second_factor::Command;
use domain::user::{self, User};
use serde::{Deserialize, Serialize};

use super::me::opened;
use super::{Answered, open, own_password, proof};
use crate::State;
use crate::auth::Person;
use crate::body::Request;
use crate::envelope;
use crate::position::Position;
use crate::problem::Problem;

pub(super) fn routes(cfg: &mut ServiceConfig) {
    let at = |path: &str| web::resource(format!("/v1/auth/{path}"));
    cfg.service(at("second-factor/setup").route(web::post().to(set_up)))
        .service(at("second-factor/confirm").route(web::post().to(confirm)))
        .service(at("second-factor/disable").route(web::post().to(disable)))
        .service(at("second-factor/recovery-codes").route(web::post().to(replace_codes)))
        .service(at("second-factor/recovery-codes/revoke").route(web::post().to(revoke_code)))
        .service(at("step-up").route(web::post().to(step_up)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByPassword {
    password: String,
}

#[derive(Serialize)]
struct Seed {
    /// To be typed into an app.
    secret: String,
    /// To be shown as a QR code.
    otpauth_url: String,
}

async fn set_up(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: ByPassword = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let (known, _) = state.commands.load::<User>(principal.tenant, principal.user).await?;
    let email = opened(&state, &person.member, known.email.as_ref()).await?.unwrap_or_default();
    let enrolled = second_factor::enrol(&state.commands, &meta, principal.user, &email).await?;
    let Outcome { value, position, .. } = enrolled;
    let seed = Seed { secret: value.base32, otpauth_url: value.url };
    Ok(envelope::written(Position::here(&state, position), seed))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    code: String,
}

#[derive(Serialize)]
struct RecoveryCodes {
    /// Each opens once. They are told here and nowhere else.
    recovery_codes: Vec<String>,
}

async fn confirm(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: Confirm = request.parse()?;
    tries(&state, &person).await?;
    let (meta, user) = (person.member.meta(), person.member.principal.user);
    let confirmed = second_factor::confirm(&state.commands, &meta, user, &told.code).await?;
    state.access.forget(&person.token);
    Ok(codes(&state, confirmed))
}

fn codes(state: &State, told: Outcome<Vec<String>>) -> actix_web::HttpResponse {
    let position = Position::here(state, told.position);
    envelope::written(position, RecoveryCodes { recovery_codes: told.value })
}

async fn tries(state: &State, person: &Person) -> Result<(), Problem> {
    let user = person.member.principal.user;
    open(state, Door::SignIn, &person.member.origin, Some(user.as_bytes())).await
}

#[derive(Serialize)]
struct Disabled {
    second_factor: bool,
}

async fn disable(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: ByPassword = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let tenant = principal.tenant;
    let (organization, _) = state.commands.load::<Organization>(tenant, tenant).await?;
    let required = organization.requires_second_factor;
    let disable = || user::Command::SecondFactor(Command::Disable { required });
    let done = state.commands.execute::<User>(principal.user, disable, &meta).await?;
    let position = Position::here(&state, done.position);
    Ok(envelope::written(position, Disabled { second_factor: false }))
}

async fn replace_codes(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: ByPassword = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, user) = (person.member.meta(), person.member.principal.user);
    let replaced = second_factor::replace_recovery_codes(&state.commands, &meta, user).await?;
    Ok(codes(&state, replaced))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    password: String,
    recovery_code: String,
}

#[derive(Serialize)]
struct Left {
    recovery_codes_left: usize,
}

async fn revoke_code(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: Revoke = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, user, code) =
        (person.member.meta(), person.member.principal.user, &told.recovery_code);
    let revoked = second_factor::revoke_recovery_code(&state.commands, &meta, user, code).await?;
    let position = Position::here(&state, revoked.position);
    Ok(envelope::written(position, Left { recovery_codes_left: revoked.value }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepUp {
    code: Option<String>,
    recovery_code: Option<String>,
}

#[derive(Serialize)]
struct SteppedUp {
    stepped_up_until: DateTime<Utc>,
}

async fn step_up(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: StepUp = request.parse()?;
    let proof = proof(told.code, told.recovery_code)?;
    tries(&state, &person).await?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let stepped = sign_in::step_up(&state.commands, &meta, principal, &proof).await?;
    let position = Position::here(&state, stepped.position);
    Ok(envelope::written(position, SteppedUp { stepped_up_until: stepped.value }))
}
