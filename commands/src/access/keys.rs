//! API keys: issuing them, and when they were used.

use domain::aggregate::Role;
use domain::api_key::{self, ApiKey, Scopes};
use event_store::tenant::TOLD;
use uuid::Uuid;

use super::kept::{self, Owner};
use super::token::Kind;
use crate::{Commands, Error, Meta};

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
    let owner = Owner { tenant: meta.tenant, id };
    let (secret, text) = kept::mint(commands.store(), Kind::ApiKey, owner, None).await?;
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
