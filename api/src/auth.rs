//! Who calls, and what they may do: extractors that can't be built without the right, so that a
//! handler's signature is its permission.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use commands::Meta;
use commands::access::Principal;
use domain::aggregate::Role;
use domain::{Actor, Personal};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::problem::Problem;
use crate::trace::RequestId;
use crate::{State, address};

const MOST_USER_AGENT: usize = 512;

/// Anybody of the organisation.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) principal: Principal,
    pub(crate) request_id: Uuid,
    ip: Option<String>,
    user_agent: Option<String>,
}

/// Who may change things: everybody but auditors.
#[derive(Clone, Debug)]
pub(crate) struct Writer(pub(crate) Member);

/// Who may read what everybody did: owner, admin, auditor.
#[derive(Clone, Debug)]
pub(crate) struct AuditReader(pub(crate) Member);

/// Who may say how the organisation is set up: owner, admin.
#[derive(Clone, Debug)]
pub(crate) struct Administrator(pub(crate) Writer);

impl Member {
    pub(crate) fn tenant(&self) -> Uuid {
        self.principal.tenant
    }

    /// Commands of this request run in the caller's name and belong to the request.
    pub(crate) fn meta(&self) -> Meta {
        let user = self.principal.user;
        let mut meta = Meta::new(self.principal.tenant, Actor::User(user));
        meta.correlation_id = self.request_id;
        let told = [("ip", &self.ip), ("user_agent", &self.user_agent)];
        let personal = |value: &String| {
            serde_json::to_value(Personal::network(user, value.clone())).unwrap_or_default()
        };
        let entries = told
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), personal(value.as_ref()?))));
        meta.metadata = Value::Object(entries.collect::<Map<_, _>>());
        meta
    }

    async fn of(request: HttpRequest) -> Result<Member, Problem> {
        let key = key(&request).ok_or_else(|| {
            unauthorized("auth.missing_key", "send a key as `Authorization: Bearer <key>`")
        })?;
        let state = state(&request)?;
        let principal = state.access.check(&key).await?.ok_or_else(|| {
            unauthorized("auth.invalid_key", "the key is none of ours, or was revoked")
        })?;
        let user_agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Member {
            principal,
            request_id: RequestId::of(&request),
            ip: address::of(&request, state.terms.proxies).map(|ip| ip.to_string()),
            user_agent: user_agent.map(|agent| agent.chars().take(MOST_USER_AGENT).collect()),
        })
    }

    fn permitted(self, roles: &[Role], to: &str) -> Result<Member, Problem> {
        let role = self.principal.role;
        if roles.contains(&role) {
            return Ok(self);
        }
        let detail = format!("the role {} may not {to}", role.as_str());
        Err(Problem::new(StatusCode::FORBIDDEN, "permission.denied", detail))
    }
}

fn unauthorized(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn state(request: &HttpRequest) -> Result<Data<State>, Problem> {
    let state = request.app_data::<Data<State>>().cloned();
    state.ok_or_else(|| Problem::unavailable("unavailable", "the server is starting"))
}

pub(crate) fn key(request: &HttpRequest) -> Option<String> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let bearer = header(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key)
    });
    let key = bearer.or_else(|| header("x-api-key"))?.trim();
    (!key.is_empty()).then(|| key.to_owned())
}

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl FromRequest for Member {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(Member::of(request.clone()))
    }
}

/// The caller, if of one of these roles.
fn among<T: 'static>(
    request: &HttpRequest,
    roles: &'static [Role],
    to: &'static str,
    caller: fn(Member) -> T,
) -> Extracted<T> {
    let member = Member::of(request.clone());
    Box::pin(async move { Ok(caller(member.await?.permitted(roles, to)?)) })
}

impl FromRequest for Writer {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const ROLES: &[Role] = &[Role::Owner, Role::Admin, Role::Supervisor, Role::Agent];
        among(request, ROLES, "change anything", Writer)
    }
}

impl FromRequest for AuditReader {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const ROLES: &[Role] = &[Role::Owner, Role::Admin, Role::Auditor];
        among(request, ROLES, "read the audit", AuditReader)
    }
}

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        const ROLES: &[Role] = &[Role::Owner, Role::Admin];
        among(request, ROLES, "set up the organisation", |member| Administrator(Writer(member)))
    }
}
