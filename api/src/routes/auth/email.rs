//! What comes by mail: a code to sign in with, and a token that verifies the address.

use actix_web::web::Data;
use commands::access::letters::{self, Asked, Letter, Noted, Ticket};
use commands::access::limits::{Door, network};
use commands::access::{accounts, sign_in};
use commands::{Error, Work};
use domain::user;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Stepped, invalid_credentials, keep, open, parsed, parts, stepped};
use crate::State;
use crate::asker::{Confidant, Stranger};
use crate::auth::{Caller, Person};
use crate::body::{Nothing, Request};
use crate::command::{About, Discreet, Told};
use crate::envelope::Under;
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/code/request", request_code)
        .is("auth.request_code", "Sends a code to sign in with")
        .is_done_only()
        .says(
            "Neither the answer nor its time tells whether anybody has the address. The code opens \
             with the ticket of this answer only, so that nobody else can use up its five tries.",
        )
        .refuses(422, &["user.invalid_email"]);
    api.post("/v1/auth/code/login", login)
        .is("auth.code_login", "Signs in with a code that came by mail")
        .is_done_only()
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

const ACCEPTED: Accepted = Accepted { status: "accepted" };

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CodeAccepted")]
struct CodeAccepted {
    #[serde(flatten)]
    accepted: Accepted,
    /// To be sent with the code.
    #[schemars(example = &"vbc_…")]
    ticket: String,
    /// Of the code, in seconds.
    expires_in: u64,
}

pub(super) type Mailed<T = Accepted> = Result<Under<202, Told<Discreet<T>>>, Problem>;

/// Says nothing about whether anybody has the address: that is looked into after the answer. `make`
/// tells what is to be mailed, and what is answered.
pub(super) async fn mail<T: Serialize>(
    caller: Caller,
    state: &State,
    request: &Request<Address>,
    operation: &str,
    make: impl FnOnce() -> Result<(Letter, T), Error>,
) -> Mailed<T> {
    let email = parsed(&request.parse()?.email)?;
    open(state, Door::Mail, &caller.0, Some(email.as_str().as_bytes())).await?;
    // Nor does a key tell whether somebody elsewhere has asked for the address under it.
    let near = caller.0.address.map(|address| hex::encode(network(address))).unwrap_or_default();
    let says = format!("{} {near}", email.as_str());
    let who = Stranger::named(&caller.0, &says);
    let mailed = once(state, &who, request, operation, async |origin| {
        let (letter, told) = make()?;
        let (answer, email) = (Answer::discreet(&told), email.clone());
        let asked = Asked { origin, email, letter };
        if asked.origin.dry_run.is_some() {
            return Ok((answer, state.commands.store().head()));
        }
        match letters::ask(&state.commands, asked, answer.to_keep()).await? {
            Noted::Asked => Ok((answer, state.commands.store().head())),
            Noted::TooMany => {
                let detail = "too many letters are asked for; try again";
                Err(Problem::unavailable("unavailable", detail))
            }
        }
    });
    mailed.await.map(Under)
}

pub(super) fn reset_by_mail() -> Result<(Letter, Accepted), Error> {
    Ok((Letter::PasswordReset, ACCEPTED))
}

async fn request_code(
    caller: Caller,
    state: Data<State>,
    request: Request<Address>,
) -> Mailed<CodeAccepted> {
    mail(caller, &state, &request, "auth.request_code", || {
        let (ticket, text) = Ticket::mint()?;
        let expires_in = sign_in::code_time().as_secs();
        let told = CodeAccepted { accepted: ACCEPTED, ticket: text, expires_in };
        Ok((Letter::LoginCode(ticket), told))
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CodeLogin")]
struct Login {
    #[schemars(example = &"ada@example.org")]
    email: String,
    /// Of the answer to who asked for the code.
    #[schemars(example = &"vbc_…")]
    ticket: String,
    #[schemars(example = &"492039")]
    code: String,
}

async fn login(caller: Caller, state: Data<State>, request: Request<Login>) -> Stepped {
    let told = request.parse()?;
    let (email, ticket) = (parsed(&told.email)?, told.ticket.as_str());
    // Not by the address: nobody but who asked for the code can guess at it.
    open(&state, Door::Prove, &caller.0, Some(ticket.as_bytes())).await?;
    let who = Stranger::holding(&caller.0, ticket);
    once(&state, &who, &request, "auth.code_login", async |origin| {
        let shown = (ticket, told.code.as_str());
        let tried = sign_in::with_code(&state.commands, &origin, &email, shown, keep).await;
        let account = Some(email.as_str().as_bytes());
        stepped(&state, &origin, account, tried, invalid_credentials).await
    })
    .await
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
) -> Result<Told<About<Verified>>, Problem> {
    let token = request.parse()?.token;
    open(&state, Door::Token, &caller.0, None).await?;
    let who = Stranger::holding(&caller.0, &token);
    once(&state, &who, &request, "auth.verify_email", async |origin| {
        let tell =
            |work: &mut Work<'_>| Answer::about(&Verified { email_verified: true }).kept_in(work);
        let verified = accounts::verify_email(&state.commands, &origin, &token, tell).await?;
        verified.map(parts).ok_or_else(failed)
    })
    .await
}

/// A token that is none of ours, or was once.
pub(super) fn failed() -> Problem {
    Problem::from(commands::Refusal::from(user::Error::ChallengeFailed)).about("token")
}

async fn resend(person: Person, state: Data<State>, request: Request) -> Mailed {
    let (member, user) = (&person.member, person.member.principal.user);
    open(&state, Door::Mail, &member.origin, Some(user.as_bytes())).await?;
    let (asker, operation) = (Confidant(member), "auth.resend_verification");
    let mailed = once(&state, &asker, &request, operation, async |meta| {
        let Nothing {} = request.parse()?;
        let tell = |work: &mut Work<'_>| Answer::discreet(&ACCEPTED).kept_in(work);
        Ok(parts(accounts::verify_again(&state.commands, &meta, user, tell).await?))
    });
    mailed.await.map(Under)
}
