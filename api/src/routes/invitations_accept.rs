//! Accepting an invitation, by who reads the mail that it was sent in.

use actix_web::web::Data;
use commands::Refusal;
use commands::access::invitations;
use commands::access::limits::Door;
use domain::invitation;
use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::{Step, chosen, keep_tokens, open, parts};
use crate::State;
use crate::asker::Stranger;
use crate::auth::Caller;
use crate::body::Request;
use crate::command::{About, Told};
use crate::envelope::Under;
use crate::idempotent::once;
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/invitations/accept", accept)
        .is("invitation.accept", "Makes who shows the token a member, who is signed in")
        .refuses(403, &["organization.no_seat_left", "organization.suspended"])
        .refuses(409, &["user.email_taken"])
        .refuses(422, &["invitation.expired", "user.invalid_name", "user.invalid_password"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AcceptInvitation")]
struct Accept {
    /// As it was mailed.
    token: String,
    #[schemars(example = &"Otieno Odhiambo")]
    name: String,
    /// 8 to 200 characters.
    #[schemars(example = &"correct horse battery")]
    password: String,
}

async fn accept(
    caller: Caller,
    state: Data<State>,
    request: Request<Accept>,
) -> Result<Under<201, Told<About<Step>>>, Problem> {
    let Accept { token, name, password } = request.parse()?;
    let password = chosen(&password)?;
    open(&state, Door::Token, &caller.0, None).await?;
    let who = Stranger::holding(&caller.0, &token);
    let accepted = once(&state, &who, &request, "invitation.accept", async |origin| {
        let commands = &state.commands;
        let shown = invitations::shown(commands, &token).await?;
        let shown = shown.ok_or_else(|| Refusal::from(invitation::Error::Expired))?;
        if shown.organization.suspended.is_some() {
            return Err(crate::auth::suspended());
        }
        let (name, password) = (&name, &password);
        let accepted =
            invitations::accept(commands, &origin, shown, name, password, keep_tokens).await?;
        Ok(parts(accepted))
    });
    accepted.await.map(Under)
}
