//! Who may come in: signing in and staying signed in, keys for programs, and telling who holds
//! what opens.

pub mod accounts;
pub(crate) mod challenges;
pub mod invitations;
mod kept;
pub mod keys;
pub mod letters;
pub mod limits;
pub mod password;
pub mod second_factor;
pub mod sign_in;
pub mod staff;
pub mod step_up;
pub(crate) mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::aggregate::Role;
use domain::api_key::{ApiKey, Scopes};
use domain::organization::Organization;
use domain::session::Session;
use domain::user::User;
use domain::{Actor, Personal};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::turns::Turns;
use crate::{Commands, DryRun, Error, IdempotencyKey, Meta};
use kept::Owner;
pub use keys::issue;
pub use token::Kind;

/// How long a check is trusted: what was revoked is refused after this at the latest.
pub const TRUSTED: Duration = Duration::from_secs(4);
const CACHED: usize = 10_000;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: Uuid,
    pub user: Uuid,
    /// What the user may, or the key where that is less.
    pub role: Role,
    pub scopes: Scopes,
    pub via: Via,
    /// The organisation requires a second factor, and they have none yet.
    pub must_enrol: bool,
    /// The platform has suspended the organisation; staff who visit it get in all the same.
    pub suspended: bool,
    /// They see only conversations that are theirs or nobody's.
    pub sees_own_only: bool,
    /// What the organisation's plan says, if it says something.
    pub requests_per_minute: Option<u32>,
}

/// By what somebody calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Key(Uuid),
    Session(Uuid),
    /// The platform's staff, from outside.
    Staff(Uuid),
    /// Of the platform's staff; the user is theirs, and none of the organisation's.
    Visit(Uuid),
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Key(_) => "key",
            Via::Session(_) => "session",
            Via::Staff(_) => "staff",
            Via::Visit(_) => "visit",
        }
    }

    pub fn id(self) -> Uuid {
        let (Via::Key(id) | Via::Session(id) | Via::Staff(id) | Via::Visit(id)) = self;
        id
    }
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    pub request_id: Uuid,
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    /// Of a command that nobody gives who is signed in; see [`Meta`].
    pub idempotency: Option<IdempotencyKey>,
    pub dry_run: Option<DryRun>,
}

impl Origin {
    /// Commands in a user's name that belong to this request.
    pub fn meta(&self, tenant: Uuid, user: Uuid) -> Meta {
        let mut meta = Meta::new(tenant, Actor::User(user));
        meta.correlation_id = self.request_id;
        meta.idempotency.clone_from(&self.idempotency);
        meta.dry_run.clone_from(&self.dry_run);
        let personal = |value: String| {
            serde_json::to_value(Personal::network(user, value)).unwrap_or_default()
        };
        let told = [
            ("ip", self.address.map(|address| address.to_string())),
            ("user_agent", self.user_agent.clone()),
        ];
        let entries =
            told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), personal(value?))));
        meta.metadata = Value::Object(entries.collect::<Map<_, _>>());
        meta
    }
}

impl Principal {
    /// Somebody of the platform's staff, who acts upon an organisation from above.
    pub fn of_staff(organization: Uuid, staff: Uuid) -> Principal {
        let (known, via) = (Organization::default(), Via::Staff(staff));
        principal(&known, organization, staff, Role::Admin, via)
    }

    /// Commands of theirs that belong to a request.
    pub fn meta(&self, origin: &Origin) -> Meta {
        let mut meta = origin.meta(self.tenant, self.user);
        let via = format!("{}:{}", self.via.as_str(), self.via.id());
        if let Via::Visit(_) | Via::Staff(_) = self.via {
            meta.actor = Actor::Staff(self.user);
        }
        meta.sees_own_only = self.sees_own_only.then_some(self.user);
        if let Value::Object(members) = &mut meta.metadata {
            members.insert("via".to_owned(), Value::String(via));
        }
        meta
    }
}

/// What a check found, and when.
type Checked = (Option<Principal>, Instant);

/// Checks keys and tokens, remembering what it found for a moment.
#[derive(Clone)]
pub struct Access {
    commands: Commands,
    checked: Arc<Cache<[u8; 32], Checked>>,
    /// Of many who show the same at once, one looks it up.
    checking: Turns<[u8; 32]>,
}

impl Access {
    pub fn new(commands: Commands) -> Self {
        let checked = Arc::new(Cache::new(CACHED));
        Access { commands, checked, checking: Turns::default() }
    }

    /// Who holds this key or token; `None` if it is none of ours, or good no longer.
    pub async fn check(&self, text: &str) -> Result<Option<Principal>, Error> {
        let hash: [u8; 32] = Sha256::digest(text).into();
        if let Some(found) = self.found(&hash) {
            return Ok(found);
        }
        let _turn = self.checking.turn_soon(hash).await?;
        if let Some(found) = self.found(&hash) {
            return Ok(found);
        }
        // What is revoked while it is looked up is trusted no longer for that.
        let asked = Instant::now();
        let principal = self.look_up(text).await?;
        // Who is about to set up a second factor is let in the moment it is there.
        if principal.as_ref().is_none_or(|principal| !principal.must_enrol) {
            self.checked.insert(hash, (principal.clone(), asked));
        }
        Ok(principal)
    }

    /// Who holds this key or token, if a check has just found that.
    pub fn remembered(&self, text: &str) -> Option<Principal> {
        self.found(&Sha256::digest(text).into()).flatten()
    }

    fn found(&self, hash: &[u8; 32]) -> Option<Option<Principal>> {
        let (principal, since) = self.checked.get(hash)?;
        (since.elapsed() < TRUSTED).then_some(principal)
    }

    /// Looks again the next time: this process knows that something has changed.
    pub fn forget(&self, text: &str) {
        let hash: [u8; 32] = Sha256::digest(text).into();
        self.checked.remove(&hash);
    }

    async fn look_up(&self, text: &str) -> Result<Option<Principal>, Error> {
        let Some((kind, owner, secret)) = kept::recognise(self.commands.store(), text).await?
        else {
            return Ok(None);
        };
        match kind {
            Kind::ApiKey | Kind::KeyToken => self.by_key(owner, secret).await,
            Kind::Access => self.by_session(owner).await,
            Kind::Visit => self.by_visit(owner).await,
            _ => Ok(None),
        }
    }

    /// By a key's own secret, or by one of its tokens'.
    async fn by_key(&self, owner: Owner, secret: Uuid) -> Result<Option<Principal>, Error> {
        let Owner { tenant, id } = owner;
        let now = self.commands.store().clock().now();
        let (key, _) = self.commands.load::<ApiKey>(tenant, id).await?;
        let Some(grant) = key.grant else { return Ok(None) };
        let Some(scopes) = grant.opens(secret, now) else { return Ok(None) };
        let (user, _) = self.commands.load::<User>(tenant, grant.user).await?;
        let Some(role) = user.active_role().and_then(|role| role.lesser(grant.role)) else {
            return Ok(None);
        };
        keys::note_use(&self.commands, tenant, id).await?;
        let organization = self.organization(tenant).await?;
        let via = Via::Key(id);
        let principal = principal(&organization, tenant, grant.user, role, via);
        Ok(Some(Principal { scopes, ..principal }))
    }

    async fn by_session(&self, owner: Owner) -> Result<Option<Principal>, Error> {
        let Owner { tenant, id } = owner;
        let now = self.commands.store().clock().now();
        let (session, _) = self.commands.load::<Session>(tenant, id).await?;
        let Some(standing) = session.open(now) else { return Ok(None) };
        let (user, _) = self.commands.load::<User>(tenant, standing.user).await?;
        let Some(role) = user.active_role().filter(|_| user.keeps(id, standing.generation)) else {
            return Ok(None);
        };
        let organization = self.organization(tenant).await?;
        let must_enrol = organization.requires_second_factor && !user.has_second_factor();
        let via = Via::Session(id);
        let principal = principal(&organization, tenant, standing.user, role, via);
        Ok(Some(Principal { must_enrol, ..principal }))
    }

    /// Staff may do what an admin may, but for what needs a session.
    async fn by_visit(&self, owner: Owner) -> Result<Option<Principal>, Error> {
        let Some(visitor) = staff::by_visit(&self.commands, owner).await? else { return Ok(None) };
        let organization = self.organization(owner.tenant).await?;
        let via = Via::Visit(owner.id);
        let principal = principal(&organization, owner.tenant, visitor, Role::Admin, via);
        Ok(Some(Principal { suspended: false, ..principal }))
    }

    async fn organization(&self, tenant: Uuid) -> Result<Organization, Error> {
        Ok(self.commands.load::<Organization>(tenant, tenant).await?.0)
    }

    /// Which member of the platform's staff has this key. Asked each time: they call seldom.
    pub async fn staff(&self, text: &str) -> Result<Option<Uuid>, Error> {
        staff::by_key(&self.commands, text).await
    }
}

fn principal(
    organization: &Organization,
    tenant: Uuid,
    user: Uuid,
    role: Role,
    via: Via,
) -> Principal {
    Principal {
        tenant,
        user,
        role,
        scopes: Scopes::default(),
        via,
        must_enrol: false,
        suspended: organization.suspended.is_some(),
        sees_own_only: organization.agents_see_own_only && role == Role::Agent,
        requests_per_minute: organization.limits.requests_per_minute,
    }
}

/// Bytes that nobody can guess.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Failed(event_store::keys::KeyError::Random(error).into()))?;
    Ok(bytes)
}
