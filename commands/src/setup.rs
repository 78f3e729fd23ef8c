//! What must exist before anybody can call: an organisation and its people.

use domain::Actor;
use domain::aggregate::Role;
use domain::organization::{self, Organization};
use uuid::Uuid;

use crate::access::accounts::Newcomer;
use crate::{Commands, Error, Meta, Work, members};

/// Founds an organisation; its id is the tenant of all that follows.
pub async fn found_organization(commands: &Commands, name: &str) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    let found = || organization::Command::Found { name: name.to_owned() };
    commands.execute::<Organization>(id, found, &Meta::new(id, Actor::System)).await?;
    Ok(id)
}

pub async fn register_user(
    commands: &Commands,
    tenant: Uuid,
    name: &str,
    role: Role,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    hire(commands, tenant, id, name, role).await?;
    Ok(id)
}

/// Registers a user whose id is known already.
pub async fn hire(
    commands: &Commands,
    tenant: Uuid,
    id: Uuid,
    name: &str,
    role: Role,
) -> Result<(), Error> {
    let meta = Meta::new(tenant, Actor::System);
    let _turn = commands.turn(id).await;
    let enlisted = commands
        .transact(&meta, async |work: &mut Work| members::enlist(work, id, name, role).await)
        .await;
    enlisted.map(drop)
}

/// A user who signs in themselves.
pub async fn register_account(
    commands: &Commands,
    tenant: Uuid,
    newcomer: &Newcomer,
    role: Role,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    let password = newcomer.keep_password(commands, tenant, id).await?;
    let joined = commands
        .transact(&Meta::new(tenant, Actor::System), async |work: &mut Work| {
            newcomer.join(work, id, role, &password).await
        })
        .await;
    if joined.is_err() {
        commands.store().forget_secrets(tenant, &[password.id]).await?;
    }
    joined.map(|_| id)
}
