//! The demo's organisation: its people, their keys, and its line. Founding may be cut short at any
//! point: done again, it does what is left.

use commands::access::{self, Access};
use commands::{Commands, Error, Meta};
use domain::aggregate::Role;
use domain::channel::{self, Channel, Connected, Provider, WhenClosed};
use domain::organization::{self, Organization};
use domain::secret::SecretRef;
use domain::user::{self, User};
use domain::{Actor, Personal};
use uuid::Uuid;

use super::Demo;
use crate::server::Outcome;

/// `keep` is called with each key, for none can be told twice.
pub(crate) async fn found(
    commands: &Commands,
    demo: &mut Demo,
    keep: impl Fn(&Demo) -> Outcome<()>,
) -> Outcome<()> {
    let organization = demo.organization_id;
    let (known, _) = commands.load::<Organization>(organization, organization).await?;
    if known.name.is_none() {
        let name = "Baraka Home & Garden";
        let found = || organization::Command::Found { name: name.into() };
        let meta = Meta::new(organization, Actor::System);
        commands.execute::<Organization>(organization, found, &meta).await?;
    }
    connect(commands, demo).await?;
    let users = demo.users.clone();
    for (id, name, role, key) in [
        (users.owner, "Wanjiru Baraka", Role::Owner, (|demo| &mut demo.keys.owner) as Key),
        (users.agent, "Tomás Abreu", Role::Agent, |demo| &mut demo.keys.agent),
        (users.agent2, "Nomsa Dlamini", Role::Agent, |demo| &mut demo.keys.agent2),
        (users.auditor, "Ingrid Solheim", Role::Auditor, |demo| &mut demo.keys.auditor),
    ] {
        hire(commands, organization, id, name, role).await?;
        // A key that was issued but not kept is of no use to anybody.
        if Access::new(commands.clone()).check(key(demo)).await?.is_none() {
            let meta = Meta::new(organization, Actor::System);
            *key(demo) = access::issue(commands, &meta, id, role, "demo").await?;
            keep(demo)?;
        }
    }
    Ok(())
}

/// Where a member's key is.
type Key = fn(&mut Demo) -> &mut String;

async fn connect(commands: &Commands, demo: &Demo) -> Outcome<()> {
    let (organization, channel) = (demo.organization_id, demo.channel_id);
    let (known, _) = commands.load::<Channel>(organization, channel).await?;
    if known.connected.is_some() {
        return Ok(());
    }
    let app_secret = secret(commands, organization, "app_secret", &demo.app_secret).await?;
    let verify_token = secret(commands, organization, "verify_token", &demo.verify_token).await?;
    let connect = || {
        channel::Command::Connect(Connected {
            provider: Provider::Whatsapp,
            name: "Shop line".into(),
            account: demo.account_id.clone(),
            line: demo.phone_number_id.clone(),
            display_phone_number: Some(demo.display_phone_number.clone()),
            app_secret: app_secret.clone(),
            verify_token: verify_token.clone(),
            access_token: None,
            when_closed: WhenClosed::Reopen,
        })
    };
    let meta = Meta::new(organization, Actor::System);
    commands.execute::<Channel>(channel, connect, &meta).await?;
    Ok(())
}

async fn secret(
    commands: &Commands,
    tenant: Uuid,
    kind: &str,
    secret: &str,
) -> Result<SecretRef, Error> {
    let id = Uuid::now_v7();
    let fingerprint = commands.store().keep_secret(tenant, id, kind, secret.as_bytes()).await?;
    Ok(SecretRef { id, fingerprint })
}

async fn hire(
    commands: &Commands,
    organization: Uuid,
    id: Uuid,
    name: &str,
    role: Role,
) -> Outcome<()> {
    let (known, _) = commands.load::<User>(organization, id).await?;
    if known.role.is_none() {
        let register =
            || user::Command::Register { name: Personal::identity(id, name.to_owned()), role };
        let meta = Meta::new(organization, Actor::System);
        commands.execute::<User>(id, register, &meta).await?;
    }
    Ok(())
}
