//! Who calls, and what they may do: extractors that can't be built without the right, so that a
//! handler's signature is its permission.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use commands::Meta;
use commands::access::{Origin, Principal, Via};
use domain::aggregate::Role;
use domain::api_key::Act;
use uuid::Uuid;

use crate::openapi::{Described, Operation, Schemas};
use crate::problem::Problem;
use crate::trace::RequestId;
use crate::{State, address};

const MOST_USER_AGENT: usize = 512;

/// Anybody at all.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Origin);

/// Somebody whom we know, even while they may do nothing else than mend what keeps them out.
#[derive(Clone, Debug)]
pub(crate) struct Known(pub(crate) Member);

/// Somebody who signed in themselves, and may do as little as [`Known`].
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) member: Member,
    /// With what they call.
    pub(crate) token: String,
}

/// Anybody of the organisation.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) principal: Principal,
    pub(crate) origin: Origin,
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

/// Who may change anything.
const WRITERS: &[Role] = &[Role::Owner, Role::Admin, Role::Supervisor, Role::Agent];
const AUDIT_READERS: &[Role] = &[Role::Owner, Role::Admin, Role::Auditor];
const ADMINISTRATORS: &[Role] = &[Role::Owner, Role::Admin];

impl Member {
    pub(crate) fn tenant(&self) -> Uuid {
        self.principal.tenant
    }

    /// Commands of this request run in the caller's name and belong to the request.
    pub(crate) fn meta(&self) -> Meta {
        self.principal.meta(&self.origin)
    }

    async fn known(request: &HttpRequest) -> Result<(Member, String), Problem> {
        let key = key(request).ok_or_else(|| {
            let detail = "send a key or token as `Authorization: Bearer <key>`";
            unauthorized("auth.missing_key", detail)
        })?;
        let state = state(request)?;
        let principal = state.access.check(&key).await?.ok_or_else(|| {
            let detail = "the key or token is none of ours, has expired, or was revoked";
            unauthorized("auth.invalid_key", detail)
        })?;
        Ok((Member { principal, origin: origin(request, state.terms.proxies) }, key))
    }

    async fn of(request: HttpRequest) -> Result<Member, Problem> {
        let (member, _) = Member::known(&request).await?;
        if member.principal.must_enrol {
            let detail = "the organisation requires a second factor: set yours up first";
            return Err(forbidden("auth.second_factor_required", detail));
        }
        member.within_scopes(request.method(), request.path())
    }

    /// A key is for what its scopes say: reading or writing, and of which noun.
    fn within_scopes(self, method: &Method, path: &str) -> Result<Member, Problem> {
        let Some(rest) = path.strip_prefix("/v1/") else { return Ok(self) };
        let noun = rest.split('/').next().unwrap_or_default().replace('-', "_");
        let act = if method.is_safe() { Act::Read } else { Act::Write };
        if self.principal.scopes.allow(&noun, act) {
            return Ok(self);
        }
        let act = act.as_str();
        let detail = format!("the key has neither the scope {act} nor {noun}:{act}");
        Err(forbidden("permission.scope", detail))
    }

    fn permitted(self, roles: &[Role], to: &str) -> Result<Member, Problem> {
        let role = self.principal.role;
        if roles.contains(&role) {
            return Ok(self);
        }
        let detail = format!("the role {} may not {to}", role.as_str());
        Err(forbidden("permission.denied", detail))
    }
}

pub(crate) fn unauthorized(code: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn forbidden(code: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

fn origin(request: &HttpRequest, proxies: usize) -> Origin {
    let user_agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Origin {
        request_id: RequestId::of(request),
        address: address::of(request, proxies),
        user_agent: user_agent.map(|agent| agent.chars().take(MOST_USER_AGENT).collect()),
    }
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

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let proxies = state(request).map(|state| state.terms.proxies);
        ready(proxies.map(|proxies| Caller(origin(request, proxies))))
    }
}

impl FromRequest for Known {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Known(Member::known(&request).await?.0)) })
    }
}

impl FromRequest for Person {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (member, token) = Member::known(&request).await?;
            match member.principal.via {
                Via::Session(_) => Ok(Person { member, token }),
                Via::Key(_) => {
                    let detail = "a key can't do this: sign in, and send the access token";
                    Err(forbidden("auth.session_required", detail))
                }
            }
        })
    }
}

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
        among(request, WRITERS, "change anything", Writer)
    }
}

impl FromRequest for AuditReader {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        among(request, AUDIT_READERS, "read the audit", AuditReader)
    }
}

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = |member| Administrator(Writer(member));
        among(request, ADMINISTRATORS, "set up the organisation", caller)
    }
}

impl Described for Caller {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl Described for Known {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.permits("known", &Role::ALL);
        operation.refuses(401, &["auth.missing_key", "auth.invalid_key"]);
        operation.refuses(503, &["unavailable"]);
    }
}

impl Described for Person {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Known::describe(operation, schemas);
        operation.permits("person", &Role::ALL);
        operation.refuses(403, &["auth.session_required"]);
    }
}

impl Described for Member {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Known::describe(operation, schemas);
        operation.permits("member", &Role::ALL);
        operation.refuses(403, &["auth.second_factor_required", "permission.scope"]);
    }
}

impl Described for Writer {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Member::describe(operation, schemas);
        operation.permits("writer", WRITERS);
        operation.refuses(403, &["permission.denied"]);
    }
}

impl Described for AuditReader {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Member::describe(operation, schemas);
        operation.permits("audit_reader", AUDIT_READERS);
        operation.refuses(403, &["permission.denied"]);
    }
}

impl Described for Administrator {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Writer::describe(operation, schemas);
        operation.permits("administrator", ADMINISTRATORS);
    }
}
