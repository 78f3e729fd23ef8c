//! Passwords: changed by who knows the old one, reset by who reads the person's mail.

use actix_web::web::Data;
use commands::access::accounts;
use commands::access::limits::Door;
use domain::user::Purpose;
use serde::{Deserialize, Serialize};

use super::email::{failed, mail};
use super::{Answered, chosen, open, own_password};
use crate::State;
use crate::auth::{Caller, Person};
use crate::body::Request;
use crate::envelope;
use crate::position::Position;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    current_password: String,
    new_password: String,
}

#[derive(Serialize)]
struct Changed {
    /// Which other sessions there were, they are over.
    sessions_ended: &'static str,
}

pub(super) async fn change(person: Person, state: Data<State>, request: Request) -> Answered {
    let told: Change = request.parse()?;
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
    Ok(envelope::written(position, Changed { sessions_ended: "others" }))
}

pub(super) async fn forgot(caller: Caller, state: Data<State>, request: Request) -> Answered {
    mail(caller, &state, &request, Purpose::PasswordReset).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: String,
    password: String,
}

pub(super) async fn reset(caller: Caller, state: Data<State>, request: Request) -> Answered {
    let told: Reset = request.parse()?;
    let new = chosen(&told.password)?;
    open(&state, Door::Token, &caller.0, None).await?;
    let reset = accounts::reset_password(&state.commands, &caller.0, &told.token, &new).await?;
    let position = Position::here(&state, reset.ok_or_else(failed)?);
    Ok(envelope::written(position, Changed { sessions_ended: "all" }))
}
