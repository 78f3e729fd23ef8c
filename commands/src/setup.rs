//! What must exist before anybody can call: an organisation and its people.

use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::user::{self, User};
use domain::{Actor, Personal};
use uuid::Uuid;

use crate::{Commands, Error, Meta};

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
    let register =
        || user::Command::Register { name: Personal::identity(id, name.to_owned()), role };
    commands.execute::<User>(id, register, &Meta::new(tenant, Actor::System)).await?;
    Ok(id)
}
