//! The platform's staff: keys of their own, and visits to organisations.

use domain::organization::Organization;
use domain::staff::{self, Staff};
use domain::visit::{self, Visit};
use domain::{Actor, Personal, organization};
use uuid::Uuid;

use super::kept::{self, Owner};
use super::token::Kind;
use crate::{Commands, Error, Meta, Outcome, Refusal, Work};

/// Staff belong to no organisation: their streams are under the nil id.
pub const PLATFORM: Uuid = Uuid::nil();

/// Adds a member of the staff; the text returned is the only place where their key is told.
pub async fn add(commands: &Commands, name: &str) -> Result<(Uuid, String), Error> {
    let id = Uuid::now_v7();
    let owner = Owner { tenant: PLATFORM, id };
    let (key, text) = kept::mint(commands.store(), Kind::Staff, owner, None).await?;
    let meta = Meta::new(PLATFORM, Actor::System);
    let add =
        || staff::Command::Add { name: Personal::identity(id, name.to_owned()), key: key.clone() };
    let added = commands.execute::<Staff>(id, add, &meta).await;
    if added.is_err() {
        commands.store().forget_secrets(PLATFORM, &[key.id]).await?;
    }
    added?;
    Ok((id, text))
}

/// Takes somebody's key and visits away.
pub async fn remove(commands: &Commands, id: Uuid) -> Result<(), Error> {
    let meta = Meta::new(PLATFORM, Actor::System);
    commands.execute::<Staff>(id, || staff::Command::Remove, &meta).await.map(drop)
}

/// Which member of the staff has this key.
pub(super) async fn by_key(commands: &Commands, text: &str) -> Result<Option<Uuid>, Error> {
    let recognised = kept::recognise(commands.store(), text).await?;
    let Some((Kind::Staff, owner, secret)) = recognised else { return Ok(None) };
    let staff = standing(commands, owner.id).await?;
    Ok(staff
        .filter(|staff| staff.key.as_ref().is_some_and(|key| key.id == secret))
        .map(|_| owner.id))
}

/// Whose visit this is, while it lasts.
pub(super) async fn by_visit(commands: &Commands, owner: Owner) -> Result<Option<Uuid>, Error> {
    let (visit, _) = commands.load::<Visit>(owner.tenant, owner.id).await?;
    let Some(visitor) = visit.visitor(commands.store().clock().now()) else { return Ok(None) };
    Ok(standing(commands, visitor).await?.map(|_| visitor))
}

async fn standing(commands: &Commands, id: Uuid) -> Result<Option<Staff>, Error> {
    let (staff, _) = commands.load::<Staff>(PLATFORM, id).await?;
    Ok(Some(staff).filter(Staff::is_active))
}

/// A visit that has begun.
pub struct Entered {
    pub visit: Uuid,
    pub token: String,
}

/// Enters an organisation, for a reason that it reads.
pub async fn enter<T>(
    commands: &Commands,
    meta: &Meta,
    staff: Uuid,
    reason: &str,
    tell: impl Fn(&mut Work<'_>, &Entered) -> T,
) -> Result<Outcome<T>, Error> {
    let (visit, tenant) = (Uuid::now_v7(), meta.tenant);
    let time = visit::TIME.to_std().ok();
    let owner = Owner { tenant, id: visit };
    let (secret, token) = kept::mint(commands.store(), Kind::Visit, owner, time).await?;
    let entered = Entered { visit, token };
    let begun = commands
        .transact(meta, async |work: &mut Work| {
            if work.get::<Organization>(tenant).await?.name.is_none() {
                return Err(Refusal::from(organization::Error::NotFound).into());
            }
            let (reason, token) = (reason.to_owned(), secret.clone());
            let begin = visit::Command::Begin { staff, reason, token };
            work.execute::<Visit>(visit, begin).await?;
            Ok(tell(work, &entered))
        })
        .await;
    if begun.is_err() {
        commands.store().forget_secrets(tenant, &[secret.id]).await?;
    }
    begun
}

/// Tells the organisation where its visitor looks.
pub async fn look(commands: &Commands, meta: &Meta, visit: Uuid, path: &str) -> Result<(), Error> {
    let look = || visit::Command::Look { path: path.to_owned() };
    commands.execute::<Visit>(visit, look, meta).await.map(drop)
}
