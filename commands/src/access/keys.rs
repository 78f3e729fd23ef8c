//! API keys: making them, what they may be given, tokens for them, and when they were used.

use chrono::TimeDelta;
use domain::aggregate::Role;
use domain::api_key::{self, ApiKey, Scopes};
use domain::secret::SecretRef;
use event_store::Store;
use event_store::tenant::TOLD;
use uuid::Uuid;

use super::kept::{self, Owner};
use super::token::{self, Kind};
use super::{Access, Origin, Principal, Via};
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct Asked {
    pub name: String,
    pub role: Role,
    pub scopes: Scopes,
    /// `None`: it never expires.
    pub days: Option<i64>,
}

/// Mints a key's secret. What is recorded in vain must be forgotten again.
pub async fn mint(store: &Store, tenant: Uuid, key: Uuid) -> Result<(SecretRef, String), Error> {
    kept::mint(store, Kind::ApiKey, Owner { tenant, id: key }, None).await
}

/// What may be shown of a key's secret, and recognises it: all before the part that opens.
pub fn prefix(secret: Uuid) -> String {
    token::shown(Kind::ApiKey, secret)
}

/// Makes a key that acts in its maker's name, and may do no more than they.
pub async fn create(
    work: &mut Work<'_>,
    id: Uuid,
    by: &Principal,
    asked: &Asked,
    secret: &SecretRef,
) -> Result<(), Error> {
    if !asked.role.is_within(by.role) || !asked.scopes.within(&by.scopes) {
        return Err(api_key::Error::TooWide.into());
    }
    within_life(work, by, asked.days).await?;
    let issue = api_key::Command::Issue {
        name: asked.name.clone(),
        user: by.user,
        role: asked.role,
        secret: secret.clone(),
        scopes: asked.scopes.clone(),
        days: asked.days,
    };
    work.execute::<ApiKey>(id, issue).await.map(drop)
}

/// Lets a key do something else, within what whoever says so may do.
pub async fn rescope(
    work: &mut Work<'_>,
    id: Uuid,
    by: &Principal,
    scopes: &Scopes,
) -> Result<(), Error> {
    if !scopes.within(&by.scopes) {
        return Err(api_key::Error::TooWide.into());
    }
    let rescope = api_key::Command::Rescope { scopes: scopes.clone() };
    work.execute::<ApiKey>(id, rescope).await.map(drop)
}

/// Lets a key live for so many days from now; `None`: for ever.
pub async fn set_expiry(
    work: &mut Work<'_>,
    id: Uuid,
    by: &Principal,
    days: Option<i64>,
) -> Result<(), Error> {
    within_life(work, by, days).await?;
    work.execute::<ApiKey>(id, api_key::Command::SetExpiry { days }).await.map(drop)
}

/// A key gives none, itself included, a longer life than it has.
async fn within_life(work: &mut Work<'_>, by: &Principal, days: Option<i64>) -> Result<(), Error> {
    let Via::Key(id) = by.via else { return Ok(()) };
    let now = work.commands().store().clock().now();
    let own = work.get::<ApiKey>(id).await?.grant.as_ref().and_then(|grant| grant.expires_at);
    let until = days.and_then(TimeDelta::try_days).and_then(|days| now.checked_add_signed(days));
    match own {
        Some(own) if until.is_none_or(|until| until > own) => Err(api_key::Error::TooWide.into()),
        _ => Ok(()),
    }
}

/// Gives a key another secret. Who gets to know it may do what the key may, and must have been
/// allowed to before.
pub async fn rotate(
    work: &mut Work<'_>,
    id: Uuid,
    by: &Principal,
    secret: &SecretRef,
    overlap: TimeDelta,
) -> Result<(), Error> {
    let grant = work.get::<ApiKey>(id).await?.grant.as_ref().ok_or(api_key::Error::NotIssued)?;
    if grant.user != by.user {
        return Err(api_key::Error::Anothers.into());
    }
    if !grant.role.is_within(by.role) || !grant.scopes.within(&by.scopes) {
        return Err(api_key::Error::TooWide.into());
    }
    let rotate = api_key::Command::Rotate { secret: secret.clone(), overlap };
    work.execute::<ApiKey>(id, rotate).await.map(drop)
}

/// A token that stands for a key for a while.
#[derive(Clone, Debug)]
pub struct Exchanged {
    pub token: String,
    pub scopes: Scopes,
    /// Sooner than usual where the key ends sooner.
    pub expires_in: TimeDelta,
}

impl Access {
    /// Exchanges a key for a token that may do no more, and less where `scopes` says so. `None` if
    /// it is no key, not the one that `client` names, or good no longer.
    pub async fn exchange<T>(
        &self,
        origin: &Origin,
        client: Uuid,
        text: &str,
        scopes: Option<Scopes>,
        tell: impl Fn(&mut Work<'_>, &Exchanged) -> T,
    ) -> Result<Option<Outcome<T>>, Error> {
        let store = self.commands.store();
        let recognised = kept::recognise(store, text).await?;
        let Some((Kind::ApiKey, owner, by)) = recognised else { return Ok(None) };
        if owner.id != client {
            return Ok(None);
        }
        let Some(principal) = self.by_key(owner, by).await? else { return Ok(None) };
        let scopes = scopes.unwrap_or(principal.scopes.clone());
        let time = api_key::TOKEN.to_std().ok();
        let (secret, token) = kept::mint(store, Kind::KeyToken, owner, time).await?;
        let now = store.clock().now();
        let _turn = self.commands.turn(client).await;
        let exchanged = self
            .commands
            .transact(&principal.meta(origin), async |work: &mut Work| {
                let (secret, scopes) = (secret.clone(), scopes.clone());
                let issue = api_key::Command::IssueToken { secret: secret.clone(), by, scopes };
                work.execute::<ApiKey>(client, issue).await?;
                let grant = work.get::<ApiKey>(client).await?.grant.as_ref();
                let issued = grant.and_then(|grant| grant.tokens.get(&secret.id));
                let issued = issued.ok_or(api_key::Error::NotUsable)?;
                let (token, expires_in) = (token.clone(), issued.until - now);
                let told = Exchanged { token, scopes: issued.scopes.clone(), expires_in };
                Ok(tell(work, &told))
            })
            .await;
        if exchanged.is_err() {
            store.forget_secrets(owner.tenant, &[secret.id]).await?;
        }
        match exchanged {
            // Revoked meanwhile.
            Err(Error::Refused(Refusal::ApiKey(api_key::Error::NotUsable))) => Ok(None),
            exchanged => exchanged.map(Some),
        }
    }
}

/// Forgets secrets that open nothing any more.
pub async fn forget(commands: &Commands, meta: &Meta, secrets: &[Uuid]) -> Result<(), Error> {
    Ok(commands.store().forget_secrets(meta.tenant, secrets).await?)
}

/// Issues a key that may do all that its user may; the text returned is the only place where its
/// secret is told.
pub async fn issue(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    role: Role,
    name: &str,
) -> Result<String, Error> {
    let id = Uuid::now_v7();
    let (secret, text) = mint(commands.store(), meta.tenant, id).await?;
    let meta = Meta { command_id: Uuid::now_v7(), ..meta.clone() };
    let command = || api_key::Command::Issue {
        name: name.to_owned(),
        user,
        role,
        secret: secret.clone(),
        scopes: Scopes::default(),
        days: None,
    };
    commands.execute::<ApiKey>(id, command, &meta).await?;
    Ok(text)
}

/// To the minute: whoever wants each call looks into what it did.
pub(super) async fn note_use(commands: &Commands, tenant: Uuid, key: Uuid) -> Result<(), Error> {
    sqlx::query(&format!(
        "insert into key_uses as u (tenant_id, key_id, used_at)
         select t.id, $2, clock_timestamp() from {TOLD}
         on conflict (key_id) do update set used_at = clock_timestamp()
          where u.used_at < clock_timestamp() - interval '1 minute'"
    ))
    .bind(tenant)
    .bind(key)
    .execute(commands.store().pool())
    .await
    .map_err(event_store::Error::from)?;
    Ok(())
}
