//! Exchanging a key for a token, as OAuth's client credentials have it (RFC 6749, section 4.4): the
//! key's id is the client's, the key is its secret.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Query};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use commands::access::keys::Exchanged;
use commands::access::limits::Door;
use commands::{Error, Refusal, Work};
use domain::api_key::{self, Scope, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{came_in, open, parts};
use crate::State;
use crate::asker::Stranger;
use crate::auth::{Caller, unauthorized};
use crate::body::Request;
use crate::command::{Bare, Told};
use crate::idempotent::{Answer, once};
use crate::openapi::{Api, Described, Operation, Schemas};
use crate::problem::Problem;

pub(super) fn routes(api: &mut Api) {
    api.post("/v1/auth/token", exchange)
        .is("auth.token", "Exchanges an API key for a token that is good for 15 minutes at most")
        .says(
            "OAuth 2.0 client credentials: the key's id is the client's id, the key is its \
             secret, sent as HTTP Basic or in the form. The token does what the key may, or as \
             much of it as `scope` asks for, and no longer than the key does. What is refused \
             says why in `error`, too, as RFC 6749 has it.",
        )
        .refuses(400, &["auth.unsupported_grant_type", "auth.invalid_scope"])
        .refuses(401, &["auth.invalid_client"]);
}

/// The form; whatever else is in it says nothing.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "TokenRequest")]
struct Form {
    #[schemars(extend("const" = "client_credentials"))]
    grant_type: String,
    /// The key's id, where it isn't sent as HTTP Basic.
    client_id: Option<String>,
    /// The key.
    client_secret: Option<String>,
    /// Fewer scopes than the key has, with spaces between.
    #[schemars(example = &"contacts:read inbox:read")]
    scope: Option<String>,
}

/// A form, and with whom it comes.
pub(crate) struct Asked {
    request: Request,
    form: Form,
    id: String,
    secret: String,
    by_header: bool,
}

impl FromRequest for Asked {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (body, request) = (Request::from_request(request, payload), request.clone());
        Box::pin(async move {
            let body: Request = body.await?;
            if request.content_type() != "application/x-www-form-urlencoded" {
                return Err(malformed("send a form: application/x-www-form-urlencoded").into());
            }
            let text =
                std::str::from_utf8(&body.bytes).map_err(|_| malformed("this is no text"))?;
            let form = Query::<Form>::from_query(text).map_err(|error| match error {
                actix_web::error::QueryPayloadError::Deserialize(error) => {
                    malformed(&error.to_string())
                }
                _ => malformed("this can't be read"),
            })?;
            let form = form.into_inner();
            let basic = basic(&request);
            Ok(Asked::of(body, form, basic)?)
        })
    }
}

impl Asked {
    /// One way of the two.
    fn of(
        request: Request,
        mut form: Form,
        basic: Option<(String, String)>,
    ) -> Result<Asked, Problem> {
        let by_header = basic.is_some();
        let by_form = form.client_id.take().zip(form.client_secret.take());
        let (id, secret) = match (basic, by_form) {
            (Some(told), None) | (None, Some(told)) => told,
            (None, None) => return Err(malformed("send client_id and client_secret")),
            (Some(_), Some(_)) => return Err(malformed("say who you are in one way of the two")),
        };
        Ok(Asked { request, form, id, secret, by_header })
    }

    pub(crate) fn scopes(&self) -> Result<Option<Scopes>, Problem> {
        let Some(told) = &self.form.scope else { return Ok(None) };
        let scopes: Result<Vec<Scope>, _> = told.split_whitespace().map(str::parse).collect();
        let scopes = scopes.map_err(|error| unscoped(error.to_string()))?;
        Ok(Scopes::of(scopes))
    }

    fn unknown(&self) -> Problem {
        let detail = "this is no key, or it has expired or was revoked";
        unauthorized("auth.invalid_client", detail)
            .with("error", "invalid_client")
            .shown_by_basic(self.by_header)
    }
}

fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, told) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    let told = String::from_utf8(STANDARD.decode(told.trim()).ok()?).ok()?;
    let (id, secret) = told.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn malformed(detail: &str) -> Problem {
    Problem::bad_request("request.malformed", detail).with("error", "invalid_request")
}

fn unscoped(detail: String) -> Problem {
    Problem::bad_request("auth.invalid_scope", detail).with("error", "invalid_scope")
}

/// As OAuth has it, without our envelope.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyToken")]
struct Issued {
    access_token: String,
    #[schemars(extend("const" = "Bearer"))]
    token_type: &'static str,
    /// In seconds: 900, or fewer where the key ends sooner.
    expires_in: i64,
    #[schemars(example = &"contacts:read inbox:read")]
    scope: String,
}

impl Described for Asked {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        let form = "application/x-www-form-urlencoded";
        operation.takes(form, schemas.taken::<Form>(), true);
        operation.refuses(400, &["request.malformed"]);
        operation.refuses(408, &["request.timeout"]);
        operation.refuses(413, &["request.too_large"]);
    }
}

async fn exchange(
    caller: Caller,
    state: Data<State>,
    asked: Asked,
) -> Result<Told<Bare<Issued>>, Problem> {
    if asked.form.grant_type != "client_credentials" {
        let detail = "client_credentials is the only grant_type";
        let problem = Problem::bad_request("auth.unsupported_grant_type", detail);
        return Err(problem.with("error", "unsupported_grant_type"));
    }
    let scopes = asked.scopes()?;
    let account = Some(asked.id.as_bytes());
    open(&state, Door::Token, &caller.0, account).await?;
    // The secret need not be in the body.
    let says = format!("{}:{}", asked.id, asked.secret);
    let who = Stranger::holding(&caller.0, &says);
    once(&state, &who, &asked.request, "auth.token", async |origin| {
        let client = asked.id.parse().map_err(|_| asked.unknown())?;
        match state.access.exchange(&origin, client, &asked.secret, scopes, keep).await {
            Ok(Some(exchanged)) => {
                came_in(&state, &origin, account).await;
                Ok(parts(exchanged))
            }
            Ok(None) => Err(asked.unknown()),
            Err(Error::Refused(Refusal::ApiKey(api_key::Error::TooWide))) => {
                Err(unscoped("the key has not all of these scopes".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    })
    .await
}

fn keep(work: &mut Work<'_>, exchanged: &Exchanged) -> Answer<Bare<Issued>> {
    Answer::bare(&Issued {
        access_token: exchanged.token.clone(),
        token_type: "Bearer",
        expires_in: exchanged.expires_in.num_seconds(),
        scope: exchanged.scopes.to_string(),
    })
    .kept_in(work)
}
