//! The second factor: setting it up, what to do when the phone is lost, and showing it once more.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use commands::Work;
use commands::access::second_factor;
use commands::access::step_up;
use domain::user::User;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{own_password, parts, proof, tries};
use crate::State;
use crate::asker::InSession;
use crate::auth::{Fresh, Person};
use crate::body::Request;
use crate::command::{About, Told};
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
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
        .says("Who gives it up shows it once more, by a step-up; a recovery code does, too.")
        .refuses(409, &["user.no_second_factor", "user.second_factor_required"])
        .refuses(422, &["user.wrong_password"]);
    api.post("/v1/auth/second-factor/recovery-codes", replace_codes)
        .is("auth.replace_recovery_codes", "Makes new recovery codes; the old ones are over")
        .says("After a step-up, like giving the factor up: the password alone makes none.")
        .refuses(409, &["user.no_second_factor"])
        .refuses(422, &["user.wrong_password"]);
    api.post("/v1/auth/second-factor/recovery-codes/revoke", revoke_code)
        .is("auth.revoke_recovery_code", "Revokes a recovery code")
        .refuses(409, &["user.no_second_factor"])
        .refuses(422, &["user.wrong_password", "user.no_such_recovery_code"]);
    api.post("/v1/auth/step-up", show_again)
        .is("auth.step_up", "Shows once more who somebody is, before what needs that")
        .says("By the second factor, or by the password where there is none. It counts 5 minutes.")
        .refuses(404, &["session.not_found"])
        .refuses(409, &["user.no_second_factor", "user.second_factor_due"])
        .refuses(409, &["user.second_factor_required"])
        .refuses(422, &["user.wrong_code", "user.code_used", "user.no_such_recovery_code"])
        .refuses(422, &["user.wrong_password"]);
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
) -> Result<Told<About<Seed>>, Problem> {
    let told = request.parse()?;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.set_up_second_factor", async |meta| {
        own_password(&state, &person, &told.password).await?;
        let (tenant, id) = (person.member.principal.tenant, person.member.principal.user);
        let (user, _) = state.commands.load::<User>(tenant, id).await?;
        let email = state.commands.opened(tenant, user.email.as_ref()).await?.unwrap_or_default();
        let tell = |work: &mut Work<'_>, seed: &second_factor::Seed| {
            let seed = Seed { secret: seed.base32.clone(), otpauth_url: seed.url.clone() };
            Answer::about(&seed).kept_in(work)
        };
        Ok(parts(second_factor::enrol(&state.commands, &meta, id, &email, tell).await?))
    })
    .await
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
) -> Result<Told<About<RecoveryCodes>>, Problem> {
    let code = request.parse()?.code;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.confirm_second_factor", async |meta| {
        let user = person.member.principal.user;
        let confirmed = second_factor::confirm(&state.commands, &meta, user, &code, codes).await?;
        state.access.forget(&person.token);
        Ok(parts(confirmed))
    })
    .await
}

fn codes(work: &mut Work<'_>, codes: &[String]) -> Answer<About<RecoveryCodes>> {
    Answer::about(&RecoveryCodes { recovery_codes: codes.to_vec() }).kept_in(work)
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecondFactorDisabled")]
struct Disabled {
    second_factor: bool,
}

async fn disable(
    _: Fresh,
    person: Person,
    state: Data<State>,
    request: Request<ByPassword>,
) -> Result<Told<About<Disabled>>, Problem> {
    let told = request.parse()?;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.disable_second_factor", async |meta| {
        own_password(&state, &person, &told.password).await?;
        let user = person.member.principal.user;
        let tell =
            |work: &mut Work<'_>| Answer::about(&Disabled { second_factor: false }).kept_in(work);
        Ok(parts(second_factor::disable(&state.commands, &meta, user, tell).await?))
    })
    .await
}

async fn replace_codes(
    _: Fresh,
    person: Person,
    state: Data<State>,
    request: Request<ByPassword>,
) -> Result<Told<About<RecoveryCodes>>, Problem> {
    let told = request.parse()?;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.replace_recovery_codes", async |meta| {
        own_password(&state, &person, &told.password).await?;
        let (commands, user) = (&state.commands, person.member.principal.user);
        Ok(parts(second_factor::replace_recovery_codes(commands, &meta, user, codes).await?))
    })
    .await
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
) -> Result<Told<About<Left>>, Problem> {
    let told = request.parse()?;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.revoke_recovery_code", async |meta| {
        own_password(&state, &person, &told.password).await?;
        let (commands, user) = (&state.commands, person.member.principal.user);
        let tell = |work: &mut Work<'_>, recovery_codes_left: usize| {
            Answer::about(&Left { recovery_codes_left }).kept_in(work)
        };
        let code = &told.recovery_code;
        Ok(parts(second_factor::revoke_recovery_code(commands, &meta, user, code, tell).await?))
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StepUp")]
struct StepUp {
    #[schemars(example = &"492039")]
    code: Option<String>,
    recovery_code: Option<String>,
    /// Of who has no second factor.
    password: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SteppedUp")]
struct SteppedUp {
    stepped_up_until: DateTime<Utc>,
}

async fn show_again(
    person: Person,
    state: Data<State>,
    request: Request<StepUp>,
) -> Result<Told<About<SteppedUp>>, Problem> {
    let StepUp { code, recovery_code, password } = request.parse()?;
    let proof = match (&code, &recovery_code, &password) {
        (None, None, Some(_)) => None,
        (_, _, Some(_)) => {
            let detail = "send one of code, recovery_code and password";
            return Err(Problem::field("password", "request.invalid", detail));
        }
        (_, _, None) => Some(proof(code, recovery_code)?),
    };
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.step_up", async |meta| {
        let tell = |work: &mut Work<'_>, stepped_up_until: DateTime<Utc>| {
            Answer::about(&SteppedUp { stepped_up_until }).kept_in(work)
        };
        let (commands, principal) = (&state.commands, &person.member.principal);
        Ok(parts(match &proof {
            Some(proof) => step_up::by_factor(commands, &meta, principal, proof, tell).await?,
            None => {
                own_password(&state, &person, &password.unwrap_or_default()).await?;
                step_up::by_password(commands, &meta, principal, tell).await?
            }
        }))
    })
    .await
}
