//! What comes by mail: a code to sign in with, and a token that verifies the address.

use actix_web::web::Data;
use commands::access::limits::Door;
use commands::access::{accounts, sign_in};
use domain::user::{self, Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Stepped, invalid_credentials, open, parsed, stepped};
use crate::State;
use crate::auth::{Caller, Person};
use crate::body::{Nothing, Request};
use crate::envelope::{Plain, Under, Written, plain, written};
use crate::openapi::Api;
use crate::position::Position;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/code/request", request_code)
        .is("auth.request_code", "Sends a code to sign in with")
        .says("The answer doesn't tell whether anybody has the address.")
        .refuses(422, &["user.invalid_email"])
        .refuses(503, &["unavailable"]);
    api.post("/v1/auth/code/login", login)
        .is("auth.code_login", "Signs in with a code that came by mail")
        .refuses(401, &["auth.invalid_credentials"])
        .refuses(422, &["user.invalid_email"]);
    api.post("/v1/auth/email/verify", verify)
        .is("auth.verify_email", "Shows that somebody reads the mail of their address")
        .refuses(422, &["user.challenge_failed"]);
    api.post("/v1/auth/email/resend", resend)
        .is("auth.resend_verification", "Sends the mail again that verifies the address");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MailAddress")]
pub(super) struct Address {
    #[schemars(example = &"ada@example.org")]
    email: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MailAccepted")]
pub(super) struct Accepted {
    #[schemars(extend("const" = "accepted"))]
    status: &'static str,
}

pub(super) type Mailed = Result<Under<202, Plain<Accepted>>, Problem>;

/// Says nothing about whether anybody has the address.
pub(super) async fn mail(
    caller: Caller,
    state: &State,
    request: &Request<Address>,
    purpose: Purpose,
) -> Mailed {
    let told = request.parse()?;
    let email = parsed(&told.email)?;
    open(state, Door::Mail, &caller.0, Some(email.as_str().as_bytes())).await?;
    accounts::challenge_by_mail(&state.commands, &caller.0, &email, purpose).await?;
    Ok(accepted())
}

fn accepted() -> Under<202, Plain<Accepted>> {
    Under(plain(Accepted { status: "accepted" }))
}

async fn request_code(caller: Caller, state: Data<State>, request: Request<Address>) -> Mailed {
    mail(caller, &state, &request, Purpose::LoginCode).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CodeLogin")]
struct Login {
    #[schemars(example = &"ada@example.org")]
    email: String,
    #[schemars(example = &"492039")]
    code: String,
}

async fn login(
    caller: Caller,
    state: Data<State>,
    request: Request<Login>,
) -> Result<Stepped, Problem> {
    let told = request.parse()?;
    let email = parsed(&told.email)?;
    open(&state, Door::SignIn, &caller.0, Some(email.as_str().as_bytes())).await?;
    let step = sign_in::with_code(&state.commands, &caller.0, &email, &told.code).await?;
    stepped(&state, step, invalid_credentials)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VerifyEmail")]
struct Verify {
    token: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EmailVerified")]
struct Verified {
    email_verified: bool,
}

async fn verify(
    caller: Caller,
    state: Data<State>,
    request: Request<Verify>,
) -> Result<Written<Verified>, Problem> {
    let told = request.parse()?;
    open(&state, Door::Token, &caller.0, None).await?;
    let verified = accounts::verify_email(&state.commands, &caller.0, &told.token).await?;
    let position = verified.ok_or_else(failed)?;
    let position = Position::here(&state, position);
    Ok(written(position, Verified { email_verified: true }))
}

/// A token that is none of ours, or was once.
pub(super) fn failed() -> Problem {
    Problem::from(commands::Refusal::from(user::Error::ChallengeFailed)).about("token")
}

async fn resend(person: Person, state: Data<State>, request: Request) -> Mailed {
    let Nothing {} = request.parse()?;
    let (member, user) = (&person.member, person.member.principal.user);
    open(&state, Door::Mail, &member.origin, Some(user.as_bytes())).await?;
    accounts::verify_again(&state.commands, &member.meta(), user).await?;
    Ok(accepted())
}
