//! What comes by mail: a code to sign in with, and a token that verifies the address.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use commands::access::limits::Door;
use commands::access::{accounts, sign_in};
use domain::user::{self, Purpose};
use serde::{Deserialize, Serialize};

use super::{Answered, invalid_credentials, open, parsed, stepped};
use crate::State;
use crate::auth::{Caller, Person};
use crate::body::{Nothing, Request};
use crate::envelope;
use crate::position::Position;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    email: String,
}

#[derive(Serialize)]
pub(super) struct Accepted {
    status: &'static str,
}

/// Says nothing about whether anybody has the address.
pub(super) async fn mail(
    caller: Caller,
    state: &State,
    request: &Request,
    purpose: Purpose,
) -> Answered {
    let told: Address = request.parse()?;
    let email = parsed(&told.email)?;
    open(state, Door::Mail, &caller.0, Some(email.as_str().as_bytes())).await?;
    accounts::challenge_by_mail(&state.commands, &caller.0, &email, purpose).await?;
    Ok(accepted())
}

fn accepted() -> actix_web::HttpResponse {
    let mut response = envelope::plain(Accepted { status: "accepted" });
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

pub(super) async fn request_code(caller: Caller, state: Data<State>, request: Request) -> Answered {
    mail(caller, &state, &request, Purpose::LoginCode).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    code: String,
}

pub(super) async fn login(caller: Caller, state: Data<State>, request: Request) -> Answered {
    let told: Login = request.parse()?;
    let email = parsed(&told.email)?;
    open(&state, Door::SignIn, &caller.0, Some(email.as_str().as_bytes())).await?;
    let step = sign_in::with_code(&state.commands, &caller.0, &email, &told.code).await?;
    stepped(&state, step, invalid_credentials)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    token: String,
}

#[derive(Serialize)]
struct Verified {
    email_verified: bool,
}

pub(super) async fn verify(caller: Caller, state: Data<State>, request: Request) -> Answered {
    let told: Verify = request.parse()?;
    open(&state, Door::Token, &caller.0, None).await?;
    let verified = accounts::verify_email(&state.commands, &caller.0, &told.token).await?;
    let position = verified.ok_or_else(failed)?;
    let position = Position::here(&state, position);
    Ok(envelope::written(position, Verified { email_verified: true }))
}

/// A token that is none of ours, or was once.
pub(super) fn failed() -> Problem {
    Problem::from(commands::Refusal::from(user::Error::ChallengeFailed)).about("token")
}

pub(super) async fn resend(person: Person, state: Data<State>, request: Request) -> Answered {
    let Nothing {} = request.parse()?;
    let (member, user) = (&person.member, person.member.principal.user);
    open(&state, Door::Mail, &member.origin, Some(user.as_bytes())).await?;
    accounts::verify_again(&state.commands, &member.meta(), user).await?;
    Ok(accepted())
}
