//! The second factor: setting it up, what to do when the phone is lost, and showing it once more.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use commands::Outcome;
use commands::access::limits::Door;
use commands::access::second_factor;
use commands::access::sign_in;
use domain::user::User;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{open, own_password, proof};
use crate::State;
use crate::auth::Person;
use crate::body::Request;
use crate::envelope::{Written, written};
use crate::openapi::Api;
use crate::position::Position;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/second-factor/setup", set_up)
        .is("auth.set_up_second_factor", "Makes the secret of a second factor")
        .says("The factor counts once a code of it has confirmed it.")
        .refuses(409, &["user.second_factor_active"])
        .refuses(422, &["user.wrong_password"]);
    api.post("/v1/auth/second-factor/confirm", confirm)
        .is("auth.confirm_second_factor", "Confirms a second factor by its first code")
        .refuses(409, &["user.second_factor_active", "user.no_second_factor"])
        .refuses(422, &["user.wrong_code", "user.code_used"]);
    api.post("/v1/auth/second-factor/disable", disable)
        .is("auth.disable_second_factor", "Gives the second factor up")
        .refuses(409, &["user.no_second_factor", "user.second_factor_required"])
        .refuses(422, &["user.wrong_password"]);
    api.post("/v1/auth/second-factor/recovery-codes", replace_codes)
        .is("auth.replace_recovery_codes", "Makes new recovery codes; the old ones are over")
        .refuses(409, &["user.no_second_factor"])
        .refuses(422, &["user.wrong_password"]);
    api.post("/v1/auth/second-factor/recovery-codes/revoke", revoke_code)
        .is("auth.revoke_recovery_code", "Revokes a recovery code")
        .refuses(409, &["user.no_second_factor"])
        .refuses(422, &["user.wrong_password", "user.no_such_recovery_code"]);
    api.post("/v1/auth/step-up", step_up)
        .is("auth.step_up", "Shows the second factor once more, before what needs it")
        .refuses(404, &["session.not_found"])
        .refuses(409, &["user.no_second_factor"])
        .refuses(422, &["user.wrong_code", "user.code_used", "user.no_such_recovery_code"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ByPassword")]
struct ByPassword {
    #[schemars(example = &"correct horse battery")]
    password: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecondFactorSeed")]
struct Seed {
    /// To be typed into an app.
    #[schemars(example = &"JBSWY3DPEHPK3PXP")]
    secret: String,
    /// To be shown as a QR code.
    #[schemars(example = &"otpauth://totp/Verbatim:ada@example.org?secret=JBSWY3DPEHPK3PXP")]
    otpauth_url: String,
}

async fn set_up(
    person: Person,
    state: Data<State>,
    request: Request<ByPassword>,
) -> Result<Written<Seed>, Problem> {
    let told = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let (known, _) = state.commands.load::<User>(principal.tenant, principal.user).await?;
    let email = state.commands.opened(principal.tenant, known.email.as_ref()).await?;
    let email = email.unwrap_or_default();
    let enrolled = second_factor::enrol(&state.commands, &meta, principal.user, &email).await?;
    let Outcome { value, position, .. } = enrolled;
    let seed = Seed { secret: value.base32, otpauth_url: value.url };
    Ok(written(Position::here(&state, position), seed))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConfirmSecondFactor")]
struct Confirm {
    #[schemars(example = &"492039")]
    code: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecoveryCodes")]
struct RecoveryCodes {
    /// Each opens once. They are told here and nowhere else.
    recovery_codes: Vec<String>,
}

async fn confirm(
    person: Person,
    state: Data<State>,
    request: Request<Confirm>,
) -> Result<Written<RecoveryCodes>, Problem> {
    let told = request.parse()?;
    tries(&state, &person).await?;
    let (meta, user) = (person.member.meta(), person.member.principal.user);
    let confirmed = second_factor::confirm(&state.commands, &meta, user, &told.code).await?;
    state.access.forget(&person.token);
    Ok(codes(&state, confirmed))
}

fn codes(state: &State, told: Outcome<Vec<String>>) -> Written<RecoveryCodes> {
    let position = Position::here(state, told.position);
    written(position, RecoveryCodes { recovery_codes: told.value })
}

async fn tries(state: &State, person: &Person) -> Result<(), Problem> {
    let user = person.member.principal.user;
    open(state, Door::SignIn, &person.member.origin, Some(user.as_bytes())).await
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecondFactorDisabled")]
struct Disabled {
    second_factor: bool,
}

async fn disable(
    person: Person,
    state: Data<State>,
    request: Request<ByPassword>,
) -> Result<Written<Disabled>, Problem> {
    let told = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, user) = (person.member.meta(), person.member.principal.user);
    let done = second_factor::disable(&state.commands, &meta, user).await?;
    let position = Position::here(&state, done.position);
    Ok(written(position, Disabled { second_factor: false }))
}

async fn replace_codes(
    person: Person,
    state: Data<State>,
    request: Request<ByPassword>,
) -> Result<Written<RecoveryCodes>, Problem> {
    let told = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, user) = (person.member.meta(), person.member.principal.user);
    let replaced = second_factor::replace_recovery_codes(&state.commands, &meta, user).await?;
    Ok(codes(&state, replaced))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevokeRecoveryCode")]
struct Revoke {
    #[schemars(example = &"correct horse battery")]
    password: String,
    recovery_code: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RecoveryCodesLeft")]
struct Left {
    recovery_codes_left: usize,
}

async fn revoke_code(
    person: Person,
    state: Data<State>,
    request: Request<Revoke>,
) -> Result<Written<Left>, Problem> {
    let told = request.parse()?;
    own_password(&state, &person, &told.password).await?;
    let (meta, user, code) =
        (person.member.meta(), person.member.principal.user, &told.recovery_code);
    let revoked = second_factor::revoke_recovery_code(&state.commands, &meta, user, code).await?;
    let position = Position::here(&state, revoked.position);
    Ok(written(position, Left { recovery_codes_left: revoked.value }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StepUp")]
struct StepUp {
    #[schemars(example = &"492039")]
    code: Option<String>,
    recovery_code: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SteppedUp")]
struct SteppedUp {
    stepped_up_until: DateTime<Utc>,
}

async fn step_up(
    person: Person,
    state: Data<State>,
    request: Request<StepUp>,
) -> Result<Written<SteppedUp>, Problem> {
    let told = request.parse()?;
    let proof = proof(told.code, told.recovery_code)?;
    tries(&state, &person).await?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let stepped = sign_in::step_up(&state.commands, &meta, principal, &proof).await?;
    let position = Position::here(&state, stepped.position);
    Ok(written(position, SteppedUp { stepped_up_until: stepped.value }))
}
