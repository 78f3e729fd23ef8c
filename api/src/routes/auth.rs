//! Registering, signing in, and staying signed in.

mod email;
mod me;
mod password;
mod second_factor;

use actix_web::body::BoxBody;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, Responder};
use commands::access::Origin;
use commands::access::accounts::{self, Newcomer};
use commands::access::limits::{self, Door};
use commands::access::password::Password;
use commands::access::second_factor::Proof;
use commands::access::sign_in::{self, SignIn, SignedIn};
use domain::user::{self, Email};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::{Caller, Person, unauthorized};
use crate::body::{Nothing, Request};
use crate::envelope::{Plain, Under, Written, plain, written};
use crate::openapi::{Api, Described, Operation, Schemas};
use crate::position::Position;
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/register", register)
        .is("auth.register", "Founds an organisation and registers its owner, who is signed in")
        .refuses(409, &["user.email_taken"])
        .refuses(422, &["user.invalid_email", "user.invalid_password", "user.invalid_name"])
        .refuses(422, &["organization.invalid_name"]);
    api.post("/v1/auth/login", login)
        .is("auth.login", "Signs in with a password")
        .says("The answer is the same whatever is wrong.")
        .refuses(401, &["auth.invalid_credentials"])
        .refuses(422, &["user.invalid_email"]);
    api.post("/v1/auth/login/second-factor", second_step)
        .is("auth.second_factor", "Shows the second factor, where signing in asked for it")
        .refuses(401, &["auth.invalid_credentials"]);
    api.post("/v1/auth/refresh", refresh)
        .is("auth.refresh", "Fetches another pair of tokens")
        .says("A refresh token is good once. One that comes again ends the session.")
        .refuses(401, &["session.over"]);
    api.post("/v1/auth/logout", logout)
        .is("auth.logout", "Ends the session")
        .refuses(404, &["session.not_found"]);
    email::routes(api);
    me::routes(api);
    password::routes(api);
    second_factor::routes(api);
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

impl From<SignedIn> for Step {
    fn from(signed_in: SignedIn) -> Step {
        Step::SignedIn(signed_in.into())
    }
}

impl From<SignedIn> for Tokens {
    fn from(signed_in: SignedIn) -> Tokens {
        Tokens {
            access_token: signed_in.access,
            token_type: "Bearer",
            expires_in: sign_in::ACCESS.as_secs(),
            refresh_token: signed_in.refresh,
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

/// Where signing in has come to; it has a position in the log once it is done.
enum Stepped {
    Done(Written<Step>),
    Asked(Plain<Step>),
}

impl Responder for Stepped {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Stepped::Done(answer) => answer.respond_to(request),
            Stepped::Asked(answer) => answer.respond_to(request),
        }
    }
}

impl Described for Stepped {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Plain::<Step>::describe(operation, schemas);
        operation.may_tell("Log-Position");
        operation.refuses(409, &["contended"]);
        operation.refuses(503, &["unavailable"]);
    }
}

/// Tells how signing in went; `denied` of whom it didn't let in.
fn stepped(
    state: &State,
    step: SignIn,
    denied: impl FnOnce() -> Problem,
) -> Result<Stepped, Problem> {
    match step {
        SignIn::Done(signed_in) => {
            let position = Position::here(state, signed_in.position);
            Ok(Stepped::Done(written(position, Step::SignedIn(signed_in.into()))))
        }
        SignIn::SecondFactor { token } => Ok(Stepped::Asked(plain(Step::SecondFactorRequired {
            mfa_token: token,
            expires_in: sign_in::second_step_time().as_secs(),
        }))),
        SignIn::Denied(_) => Err(denied()),
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
) -> Result<Under<201, Written<Step>>, Problem> {
    let told = request.parse()?;
    let (email, password) = (parsed(&told.email)?, chosen(&told.password)?);
    let account = Some(email.as_str().as_bytes());
    open(&state, Door::Register, &caller.0, account).await?;
    let owner = Newcomer { name: told.name, email, password };
    let registered =
        accounts::register(&state.commands, &caller.0, &told.organization, &owner).await;
    let signed_in = registered?;
    let position = Position::here(&state, signed_in.position);
    Ok(Under(written(position, Step::SignedIn(signed_in.into()))))
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

async fn login(
    caller: Caller,
    state: Data<State>,
    request: Request<Login>,
) -> Result<Stepped, Problem> {
    let told = request.parse()?;
    let (email, password) = (parsed(&told.email)?, Password::tried(&told.password));
    open(&state, Door::SignIn, &caller.0, Some(email.as_str().as_bytes())).await?;
    let step = sign_in::with_password(&state.commands, &caller.0, &email, &password).await?;
    stepped(&state, step, invalid_credentials)
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

async fn second_step(
    caller: Caller,
    state: Data<State>,
    request: Request<SecondStep>,
) -> Result<Stepped, Problem> {
    let told = request.parse()?;
    let proof = proof(told.code, told.recovery_code)?;
    let account = sign_in::who_shows(&state.commands, &told.mfa_token).await?;
    let account = account.map(|(_, user)| user.into_bytes());
    open(&state, Door::SignIn, &caller.0, account.as_ref().map(<[u8; 16]>::as_slice)).await?;
    let token = &told.mfa_token;
    let step = sign_in::with_second_factor(&state.commands, &caller.0, token, &proof).await?;
    stepped(&state, step, invalid_credentials)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RefreshTokens")]
struct Refresh {
    refresh_token: String,
}

async fn refresh(
    caller: Caller,
    state: Data<State>,
    request: Request<Refresh>,
) -> Result<Stepped, Problem> {
    let told = request.parse()?;
    open(&state, Door::Token, &caller.0, None).await?;
    let step = sign_in::refresh(&state.commands, &caller.0, &told.refresh_token).await?;
    stepped(&state, step, || {
        let detail = "the session is over, or the token was used: sign in again";
        unauthorized("session.over", detail)
    })
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignedOut")]
struct Ended {
    #[schemars(extend("const" = "signed_out"))]
    status: &'static str,
}

async fn logout(
    person: Person,
    state: Data<State>,
    request: Request,
) -> Result<Written<Ended>, Problem> {
    let Nothing {} = request.parse()?;
    let Person { member, token } = person;
    let position = sign_in::sign_out(&state.commands, &member.meta(), &member.principal).await?;
    state.access.forget(&token);
    Ok(written(Position::here(&state, position), Ended { status: "signed_out" }))
}

/// Whether the caller knows their own password: asked for before what a thief of a token would do.
async fn own_password(state: &State, person: &Person, password: &str) -> Result<(), Problem> {
    let principal = &person.member.principal;
    let account = Some(principal.user.as_bytes().as_slice());
    open(state, Door::SignIn, &person.member.origin, account).await?;
    let (tenant, user) = (principal.tenant, principal.user);
    let password = Password::tried(password);
    if accounts::is_password_of(&state.commands, tenant, user, &password).await? {
        return Ok(());
    }
    Err(commands::Refusal::from(user::Error::WrongPassword).into())
}
