//! Who calls, and what they may do: extractors that can't be built without the right, so that a
//! handler's signature is its permission.

mod step_up;

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use commands::Meta;
use commands::access::{Origin, Principal, Via, staff};
use domain::aggregate::Role;
use domain::api_key::Act;
use uuid::Uuid;

use crate::openapi::{Described, Operation, Schemas};
use crate::problem::Problem;
use crate::trace::RequestId;
use crate::{State, address};
pub(crate) use step_up::{Fresh, Proven};

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

/// The same, even where the platform has suspended the organisation.
#[derive(Clone, Debug)]
pub(crate) struct Leaver(pub(crate) Person);

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

/// Who answers for all of it: the owner.
#[derive(Clone, Debug)]
pub(crate) struct Owner(pub(crate) Writer);

/// Who works here and speaks for themselves: everybody but auditors, and staff who visit.
#[derive(Clone, Debug)]
pub(crate) struct Colleague(pub(crate) Writer);

/// Somebody of the platform's staff.
#[derive(Clone, Debug)]
pub(crate) struct Staff {
    pub(crate) id: Uuid,
    origin: Origin,
}

impl Staff {
    /// What they do to an organisation, they do there, in their own name.
    pub(crate) fn upon(&self, organization: Uuid) -> Writer {
        let principal = Principal::of_staff(organization, self.id);
        Writer(Member { principal, origin: self.origin.clone() })
    }
}

/// Who may change anything.
const WRITERS: &[Role] = &[Role::Owner, Role::Admin, Role::Supervisor, Role::Agent];
const AUDIT_READERS: &[Role] = &[Role::Owner, Role::Admin, Role::Auditor];
const ADMINISTRATORS: &[Role] = &[Role::Owner, Role::Admin];
const OWNERS: &[Role] = &[Role::Owner];

impl Member {
    pub(crate) fn tenant(&self) -> Uuid {
        self.principal.tenant
    }

    /// Who sees only conversations that are theirs or nobody's.
    pub(crate) fn only(&self) -> Option<Uuid> {
        self.principal.sees_own_only.then_some(self.principal.user)
    }

    /// Commands of this request run in the caller's name and belong to the request.
    pub(crate) fn meta(&self) -> Meta {
        self.principal.meta(&self.origin)
    }

    async fn known(request: &HttpRequest) -> Result<(Member, String), Problem> {
        let key = key(request).ok_or_else(missing_key)?;
        let state = state(request)?;
        let principal = state.access.check(&key).await?.ok_or_else(invalid_key)?;
        Ok((Member { principal, origin: origin(request, state.terms.proxies) }, key))
    }

    async fn of(request: HttpRequest) -> Result<Member, Problem> {
        Member::now(&request).await?.seen(&request).await
    }

    /// Who it is by now; an answer that goes on for long asks again.
    pub(crate) async fn now(request: &HttpRequest) -> Result<Member, Problem> {
        let (member, _) = Member::known(request).await?;
        if member.principal.suspended {
            return Err(suspended());
        }
        if member.principal.must_enrol {
            let detail = "the organisation requires a second factor: set yours up first";
            return Err(forbidden("auth.second_factor_required", detail));
        }
        member.within_scopes(request.method(), request.path())
    }

    /// Where staff who visit look, the organisation is told before they see anything.
    async fn seen(self, request: &HttpRequest) -> Result<Member, Problem> {
        if let Via::Visit(visit) = self.principal.via
            && request.method().is_safe()
        {
            let commands = &state(request)?.commands;
            staff::look(commands, &self.meta(), visit, request.path()).await?;
        }
        Ok(self)
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

fn missing_key() -> Problem {
    unauthorized("auth.missing_key", "send a key or token as `Authorization: Bearer <key>`")
}

fn invalid_key() -> Problem {
    let detail = "the key or token is none of ours, has expired, or was revoked";
    unauthorized("auth.invalid_key", detail)
}

/// What anybody of an organisation is told that the platform has suspended.
pub(crate) fn suspended() -> Problem {
    let detail = "the platform has suspended the organisation: its owner knows why, or can ask";
    forbidden("organization.suspended", detail)
}

fn forbidden(code: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

pub(crate) fn origin(request: &HttpRequest, proxies: usize) -> Origin {
    let user_agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    Origin {
        request_id: RequestId::of(request),
        address: address::of(request, proxies),
        user_agent: user_agent.map(|agent| agent.chars().take(MOST_USER_AGENT).collect()),
        idempotency: None,
        dry_run: None,
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
            let Leaver(person) = Leaver::extract(&request).await?;
            if person.member.principal.suspended {
                return Err(suspended());
            }
            Ok(person)
        })
    }
}

impl FromRequest for Leaver {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (member, token) = Member::known(&request).await?;
            match member.principal.via {
                Via::Session(_) => Ok(Leaver(Person { member, token })),
                Via::Key(_) | Via::Staff(_) | Via::Visit(_) => {
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
        Leaver::describe(operation, schemas);
        operation.refuses(403, &["organization.suspended"]);
    }
}

impl Described for Leaver {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Known::describe(operation, schemas);
        operation.permits("person", &Role::ALL);
        operation.refuses(403, &["auth.session_required"]);
    }
}

impl FromRequest for Colleague {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let writer = Writer::from_request(request, payload);
        Box::pin(async move {
            let writer = writer.await?;
            match writer.0.principal.via {
                Via::Visit(_) => {
                    let detail = "who visits an organisation is none of its members";
                    Err(forbidden("permission.visitor", detail))
                }
                _ => Ok(Colleague(writer)),
            }
        })
    }
}

impl FromRequest for Staff {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let key = key(&request).ok_or_else(missing_key)?;
            let state = state(&request)?;
            let id = state.access.staff(&key).await?.ok_or_else(invalid_key)?;
            Ok(Staff { id, origin: origin(&request, state.terms.proxies) })
        })
    }
}

impl Described for Colleague {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Writer::describe(operation, schemas);
        operation.permits("colleague", WRITERS);
        operation.refuses(403, &["permission.visitor"]);
    }
}

impl Described for Staff {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        operation.permits("staff", &[]);
        operation.refuses(401, &["auth.missing_key", "auth.invalid_key"]);
        operation.refuses(503, &["unavailable"]);
    }
}

impl Described for Member {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Known::describe(operation, schemas);
        operation.permits("member", &Role::ALL);
        operation.refuses(401, &["visit.over"]);
        operation.refuses(403, &["organization.suspended", "auth.second_factor_required"]);
        operation.refuses(403, &["permission.scope"]);
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

impl FromRequest for Owner {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = |member| Owner(Writer(member));
        among(request, OWNERS, "decide what only the owner does", caller)
    }
}

impl Described for Owner {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        Writer::describe(operation, schemas);
        operation.permits("owner", OWNERS);
    }
}
