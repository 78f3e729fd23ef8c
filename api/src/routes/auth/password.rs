//! Passwords: changed by who knows the old one, reset by who reads the person's mail.

use actix_web::web::Data;
use commands::access::accounts;
use commands::access::limits::Door;
use domain::user::Purpose;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::email::{Address, Mailed, failed, mail};
use super::{chosen, open, own_password};
use crate::State;
use crate::auth::{Caller, Person};
use crate::body::Request;
use crate::envelope::{Written, written};
use crate::openapi::Api;
use crate::position::Position;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/password/change", change)
        .is("auth.change_password", "Changes the password")
        .says("All other sessions end.")
        .refuses(422, &["user.invalid_password", "user.wrong_password"]);
    api.post("/v1/auth/password/forgot", forgot)
        .is("auth.forgot_password", "Sends a mail to reset the password by")
        .says("The answer doesn't tell whether anybody has the address.")
        .refuses(422, &["user.invalid_email"])
        .refuses(503, &["unavailable"]);
    api.post("/v1/auth/password/reset", reset)
        .is("auth.reset_password", "Resets the password with a token that came by mail")
        .says("All sessions end.")
        .refuses(422, &["user.challenge_failed", "user.invalid_password"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangePassword")]
struct Change {
    #[schemars(example = &"correct horse battery")]
    current_password: String,
    #[schemars(example = &"staple tied to a battery")]
    new_password: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PasswordChanged")]
struct Changed {
    /// Which other sessions there were, they are over.
    #[schemars(extend("enum" = ["others", "all"]))]
    sessions_ended: &'static str,
}

async fn change(
    person: Person,
    state: Data<State>,
    request: Request<Change>,
) -> Result<Written<Changed>, Problem> {
    let told = request.parse()?;
    let new = chosen(&told.new_password).map_err(|problem| problem.about("new_password"))?;
    own_password(&state, &person, &told.current_password).await.map_err(|problem| match problem
        .code()
    {
        "user.wrong_password" => problem.about("current_password"),
        _ => problem,
    })?;
    let (meta, principal) = (person.member.meta(), &person.member.principal);
    let position = accounts::change_password(&state.commands, &meta, principal, &new).await?;
    let position = Position::here(&state, position);
    Ok(written(position, Changed { sessions_ended: "others" }))
}

async fn forgot(caller: Caller, state: Data<State>, request: Request<Address>) -> Mailed {
    mail(caller, &state, &request, Purpose::PasswordReset).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResetPassword")]
struct Reset {
    token: String,
    #[schemars(example = &"staple tied to a battery")]
    password: String,
}

async fn reset(
    caller: Caller,
    state: Data<State>,
    request: Request<Reset>,
) -> Result<Written<Changed>, Problem> {
    let told = request.parse()?;
    let new = chosen(&told.password)?;
    open(&state, Door::Token, &caller.0, None).await?;
    let reset = accounts::reset_password(&state.commands, &caller.0, &told.token, &new).await?;
    let position = Position::here(&state, reset.ok_or_else(failed)?);
    Ok(written(position, Changed { sessions_ended: "all" }))
}
