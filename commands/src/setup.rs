//! What must exist before anybody can call: an organisation, its people, and their channel.

use domain::aggregate::Role;
use domain::channel::{self, Channel, Connected, Provider, WhenClosed};
use domain::organization::{self, Organization};
use domain::secret::SecretRef;
use domain::user::{self, User};
use domain::{Actor, Personal};
use uuid::Uuid;

use crate::{Commands, Error, Meta};

/// A line as its provider knows it, and the secrets agreed on with the provider.
#[derive(Clone, Debug)]
pub struct NewChannel {
    pub name: String,
    pub account: String,
    pub line: String,
    pub display_phone_number: Option<String>,
    pub app_secret: String,
    pub verify_token: String,
    pub access_token: Option<String>,
    pub when_closed: WhenClosed,
}

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

pub async fn connect_channel(
    commands: &Commands,
    tenant: Uuid,
    new: NewChannel,
) -> Result<Uuid, Error> {
    let id = Uuid::now_v7();
    let app_secret = keep(commands, tenant, "app_secret", &new.app_secret).await?;
    let verify_token = keep(commands, tenant, "verify_token", &new.verify_token).await?;
    let access_token = match &new.access_token {
        Some(token) => Some(keep(commands, tenant, "access_token", token).await?),
        None => None,
    };
    let connect = || {
        channel::Command::Connect(Connected {
            provider: Provider::Whatsapp,
            name: new.name.clone(),
            account: new.account.clone(),
            line: new.line.clone(),
            display_phone_number: new.display_phone_number.clone(),
            app_secret: app_secret.clone(),
            verify_token: verify_token.clone(),
            access_token: access_token.clone(),
            when_closed: new.when_closed,
        })
    };
    commands.execute::<Channel>(id, connect, &Meta::new(tenant, Actor::System)).await?;
    Ok(id)
}

async fn keep(
    commands: &Commands,
    tenant: Uuid,
    kind: &str,
    secret: &str,
) -> Result<SecretRef, Error> {
    let id = Uuid::now_v7();
    let store = commands.store();
    let fingerprint = store.keep_secret(tenant, id, kind, secret.as_bytes()).await?;
    Ok(SecretRef { id, fingerprint })
}
