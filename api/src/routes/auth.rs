//! Registering, signing in, and staying signed in.

mod email;
mod me;
mod password;
mod second_factor;
pub(crate) mod token;

use actix_web::web::Data;
use commands::access::Origin;
use commands::access::accounts::{self, Newcomer};
use commands::access::limits::{self, Door};
use commands::access::password::Password;
use commands::access::second_factor::Proof;
use commands::access::sign_in::{self, Denied, SignIn, SignedIn, Tried};
use commands::{Outcome, Work};
use domain::user::{self, Email};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::asker::{InSession, Stranger};
use crate::auth::{Caller, Leaver, Person, unauthorized};
use crate::body::{Nothing, Request};
use crate::command::{About, Told};
use crate::envelope::Under;
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/register", register)
        .is("auth.register", "Founds an organisation and registers its owner, who is signed in")
        .is_done_only()
        .refuses(409, &["user.email_taken"])
        .refuses(422, &["user.invalid_email", "user.invalid_password", "user.invalid_name"])
        .refuses(422, &["organization.invalid_name"]);
    api.post("/v1/auth/login", login)
        .is("auth.login", "Signs in with a password")
        .is_done_only()
        .says("The answer is the same whatever is wrong.")
        .refuses(401, &["auth.invalid_credentials"])
        .refuses(422, &["user.invalid_email"]);
    api.post("/v1/auth/login/second-factor", second_step)
        .is("auth.second_factor", "Shows the second factor, where signing in asked for it")
        .is_done_only()
        .refuses(401, &["auth.invalid_credentials"]);
    api.post("/v1/auth/refresh", refresh)
        .is("auth.refresh", "Fetches another pair of tokens")
        .is_done_only()
        .says(
            "A refresh token is good once. One that comes again ends the session, but for 10 \
             seconds after it was replaced from the same network by the same `User-Agent`: then \
             it is refused, and the newer one goes on. Under the same `Idempotency-Key` it gets \
             the newer one again.",
        )
        .refuses(401, &["session.over", "session.token_replaced"]);
    api.post("/v1/auth/logout", logout)
        .is("auth.logout", "Ends the session")
        .refuses(404, &["session.not_found"]);
    email::routes(api);
    me::routes(api);
    password::routes(api);
    second_factor::routes(api);
    token::routes(api);
}

/// What somebody who signed in calls with from now on.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    access_token: String,
    #[schemars(extend("const" = "Bearer"))]
    token_type: &'static str,
    /// Of the access token, in seconds.
    expires_in: u64,
    /// Good once: it fetches another pair.
    refresh_token: String,
    session_id: Uuid,
    user_id: Uuid,
    organization_id: Uuid,
}

impl From<&SignedIn> for Tokens {
    fn from(signed_in: &SignedIn) -> Tokens {
        Tokens {
            access_token: signed_in.access.clone(),
            token_type: "Bearer",
            expires_in: sign_in::ACCESS.as_secs(),
            refresh_token: signed_in.refresh.clone(),
            session_id: signed_in.session,
            user_id: signed_in.user,
            organization_id: signed_in.tenant,
        }
    }
}

/// Where somebody stands after a step.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(rename = "SignInStep")]
pub(super) enum Step {
    SignedIn(Tokens),
    SecondFactorRequired { mfa_token: String, expires_in: u64 },
}

impl From<&SignIn> for Step {
    fn from(step: &SignIn) -> Step {
        match step {
            SignIn::Done(signed_in) => Step::SignedIn(signed_in.into()),
            SignIn::SecondFactor { token } => Step::SecondFactorRequired {
                mfa_token: token.clone(),
                expires_in: sign_in::second_step_time().as_secs(),
            },
        }
    }
}

pub(super) type Stepped = Result<Told<About<Step>>, Problem>;

fn keep(work: &mut Work<'_>, step: &SignIn) -> Answer<About<Step>> {
    Answer::about(&Step::from(step)).kept_in(work)
}

pub(super) fn keep_tokens(work: &mut Work<'_>, signed_in: &SignedIn) -> Answer<About<Step>> {
    Answer::about(&Step::SignedIn(signed_in.into())).kept_in(work)
}

pub(super) fn parts<T>(Outcome { value, position, .. }: Outcome<T>) -> (T, i64) {
    (value, position)
}

/// How signing in went; `denied` is told to whom it didn't let in.
async fn stepped(
    state: &State,
    origin: &Origin,
    account: Option<&[u8]>,
    tried: Tried<Answer<About<Step>>>,
    denied: impl FnOnce() -> Problem,
) -> Result<(Answer<About<Step>>, i64), Problem> {
    match tried? {
        Ok(outcome) => {
            came_in(state, origin, account).await;
            Ok(parts(outcome))
        }
        Err(Denied { account, why }) => Err(why.map_or_else(denied, Problem::from).upon(account)),
    }
}

/// The same whatever is wrong.
fn invalid_credentials() -> Problem {
    unauthorized("auth.invalid_credentials", "these don't open an account")
}

/// Whoever tries too often waits.
pub(super) async fn open(
    state: &State,
    door: Door,
    origin: &Origin,
    account: Option<&[u8]>,
) -> Result<(), Problem> {
    match limits::shut(state.commands.store(), door, origin.address, account).await? {
        None => Ok(()),
        Some(wait) => Err(Problem::too_many("somebody tries this", wait)),
    }
}

/// From where they are they may try again, whoever else tries meanwhile. Where that can't be kept,
/// they have come in all the same.
pub(super) async fn came_in(state: &State, origin: &Origin, account: Option<&[u8]>) {
    let Some(account) = account else { return };
    let noted = limits::came_in(state.commands.store(), origin.address, account).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "It is not kept from where somebody came in");
    }
}

fn parsed(email: &str) -> Result<Email, Problem> {
    Ok(Email::parse(email).map_err(commands::Refusal::from)?)
}

pub(super) fn chosen(password: &str) -> Result<Password, Problem> {
    Ok(Password::new(password).map_err(commands::Refusal::from)?)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RegisterOrganization")]
struct Register {
    /// The organisation's name.
    #[schemars(example = &"Baraka")]
    organization: String,
    #[schemars(example = &"Ada Obi")]
    name: String,
    #[schemars(example = &"ada@example.org")]
    email: String,
    #[schemars(example = &"correct horse battery")]
    password: String,
}

async fn register(
    caller: Caller,
    state: Data<State>,
    request: Request<Register>,
) -> Result<Under<201, Told<About<Step>>>, Problem> {
    let told = request.parse()?;
    let (email, password) = (parsed(&told.email)?, chosen(&told.password)?);
    let account = Some(email.as_str().as_bytes());
    open(&state, Door::Register, &caller.0, account).await?;
    let who = Stranger::named(&caller.0, email.as_str());
    let registered = once(&state, &who, &request, "auth.register", async |origin| {
        let (name, email) = (told.name, email.clone());
        let owner = Newcomer { name, email, password };
        let organization = &told.organization;
        let registered =
            accounts::register(&state.commands, &origin, organization, &owner, keep_tokens).await?;
        came_in(&state, &origin, account).await;
        Ok(parts(registered))
    });
    registered.await.map(Under)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Login")]
struct Login {
    #[schemars(example = &"ada@example.org")]
    email: String,
    #[schemars(example = &"correct horse battery")]
    password: String,
}

async fn login(caller: Caller, state: Data<State>, request: Request<Login>) -> Stepped {
    let told = request.parse()?;
    let (email, password) = (parsed(&told.email)?, Password::tried(&told.password));
    let account = Some(email.as_str().as_bytes());
    open(&state, Door::SignIn, &caller.0, account).await?;
    let who = Stranger::named(&caller.0, email.as_str());
    once(&state, &who, &request, "auth.login", async |origin| {
        let tried = sign_in::with_password(&state.commands, &origin, &email, &password, keep).await;
        stepped(&state, &origin, account, tried, invalid_credentials).await
    })
    .await
}

/// What shows that somebody has the second factor: one of the two.
fn proof(code: Option<String>, recovery_code: Option<String>) -> Result<Proof, Problem> {
    match (code, recovery_code) {
        (Some(code), None) => Ok(Proof::Code(code)),
        (None, Some(code)) => Ok(Proof::RecoveryCode(code)),
        _ => {
            let detail = "send either the app's code or a recovery_code";
            Err(Problem::field("code", "request.invalid", detail))
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ShowSecondFactor")]
struct SecondStep {
    mfa_token: String,
    #[schemars(example = &"492039")]
    code: Option<String>,
    recovery_code: Option<String>,
}

async fn second_step(caller: Caller, state: Data<State>, request: Request<SecondStep>) -> Stepped {
    let told = request.parse()?;
    let (proof, token) = (proof(told.code, told.recovery_code)?, &told.mfa_token);
    let account = sign_in::who_shows(&state.commands, token).await?;
    let account = account.map(|(_, user)| user.into_bytes());
    let account = account.as_ref().map(<[u8; 16]>::as_slice);
    open(&state, Door::Prove, &caller.0, account).await?;
    let who = Stranger::holding(&caller.0, token);
    once(&state, &who, &request, "auth.second_factor", async |origin| {
        let tried =
            sign_in::with_second_factor(&state.commands, &origin, token, &proof, keep).await;
        stepped(&state, &origin, account, tried, invalid_credentials).await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RefreshTokens")]
struct Refresh {
    refresh_token: String,
}

async fn refresh(caller: Caller, state: Data<State>, request: Request<Refresh>) -> Stepped {
    let token = request.parse()?.refresh_token;
    open(&state, Door::Token, &caller.0, None).await?;
    let who = Stranger::holding(&caller.0, &token);
    once(&state, &who, &request, "auth.refresh", async |origin| {
        let tried = sign_in::refresh(&state.commands, &origin, &token, keep).await;
        let over = || {
            let detail = "the session is over, or the token was used: sign in again";
            unauthorized("session.over", detail)
        };
        stepped(&state, &origin, None, tried, over).await
    })
    .await
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedOut")]
struct Ended {
    #[schemars(extend("const" = "signed_out"))]
    status: &'static str,
}

async fn logout(
    Leaver(person): Leaver,
    state: Data<State>,
    request: Request,
) -> Result<Told<About<Ended>>, Problem> {
    let Person { member, token } = person;
    once(&state, &InSession::of(&member), &request, "auth.logout", async |meta| {
        let Nothing {} = request.parse()?;
        let tell =
            |work: &mut Work<'_>| Answer::about(&Ended { status: "signed_out" }).kept_in(work);
        let ended = sign_in::sign_out(&state.commands, &meta, &member.principal, tell).await?;
        state.access.forget(&token);
        Ok(parts(ended))
    })
    .await
}

/// Whoever is about to show who they are may not try for ever.
async fn tries(state: &State, person: &Person) -> Result<(), Problem> {
    let user = person.member.principal.user;
    open(state, Door::Prove, &person.member.origin, Some(user.as_bytes())).await
}

/// Whether the caller knows their own password: asked for before what a thief of a token would do.
async fn own_password(state: &State, person: &Person, password: &str) -> Result<(), Problem> {
    let (tenant, user) = (person.member.principal.tenant, person.member.principal.user);
    let password = Password::tried(password);
    if accounts::is_password_of(&state.commands, tenant, user, &password).await? {
        return Ok(());
    }
    Err(commands::Refusal::from(user::Error::WrongPassword).into())
}
