//! Passwords: changed by who knows the old one, reset by who reads the person's mail.

use actix_web::web::Data;
use commands::Work;
use commands::access::accounts;
use commands::access::limits::Door;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::email::{Address, Mailed, failed, mail, reset_by_mail};
use super::{chosen, open, own_password, parts, tries};
use crate::State;
use crate::asker::{InSession, Stranger};
use crate::auth::{Caller, Person};
use crate::body::Request;
use crate::command::{About, Told};
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/password/change", change)
        .is("auth.change_password", "Changes the password")
        .says("All other sessions end.")
        .refuses(422, &["user.invalid_password", "user.wrong_password"]);
    api.post("/v1/auth/password/forgot", forgot)
        .is("auth.forgot_password", "Sends a mail to reset the password by")
        .is_done_only()
        .says("Neither the answer nor its time tells whether anybody has the address.")
        .refuses(422, &["user.invalid_email"]);
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
) -> Result<Told<About<Changed>>, Problem> {
    let told = request.parse()?;
    let new = chosen(&told.new_password).map_err(|problem| problem.about("new_password"))?;
    tries(&state, &person).await?;
    let asker = InSession::of(&person.member);
    once(&state, &asker, &request, "auth.change_password", async |meta| {
        let own = own_password(&state, &person, &told.current_password).await;
        own.map_err(|problem| match problem.code() {
            "user.wrong_password" => problem.about("current_password"),
            _ => problem,
        })?;
        let (commands, principal) = (&state.commands, &person.member.principal);
        let tell = |work: &mut Work<'_>| ended(work, "others");
        Ok(parts(accounts::change_password(commands, &meta, principal, &new, tell).await?))
    })
    .await
}

fn ended(work: &mut Work<'_>, sessions_ended: &'static str) -> Answer<About<Changed>> {
    Answer::about(&Changed { sessions_ended }).kept_in(work)
}

async fn forgot(caller: Caller, state: Data<State>, request: Request<Address>) -> Mailed {
    mail(caller, &state, &request, "auth.forgot_password", reset_by_mail).await
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
) -> Result<Told<About<Changed>>, Problem> {
    let Reset { token, password } = request.parse()?;
    let new = chosen(&password)?;
    open(&state, Door::Token, &caller.0, None).await?;
    let who = Stranger::holding(&caller.0, &token);
    once(&state, &who, &request, "auth.reset_password", async |origin| {
        let tell = |work: &mut Work<'_>| ended(work, "all");
        let reset = accounts::reset_password(&state.commands, &origin, &token, &new, tell).await?;
        reset.map(parts).ok_or_else(failed)
    })
    .await
}
