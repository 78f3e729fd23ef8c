//! The demo's organisation: its people, their keys, its line and its till. Founding may be cut short
//! at any point: done again, it does what is left.

use commands::access::password::Password;
use commands::access::{self, Access, accounts};
use commands::{Commands, Meta, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::user::{Email, User};
use serde_json::json;
use uuid::Uuid;

use super::{Client, Demo, Login};
use crate::server::Outcome;

/// `keep` is called with each key, for none can be told twice, and with the channels' ids.
pub(crate) async fn found(
    commands: &Commands,
    client: &Client,
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
    if commands.load::<User>(organization, users.owner).await?.0.password.is_none() {
        let Login { email, password } = &demo.login;
        let (email, password) = (Email::parse(email)?, Password::new(password)?);
        let meta = Meta::new(organization, Actor::System);
        accounts::let_sign_in(commands, &meta, users.owner, &email, &password).await?;
    }
    if demo.channel_id.is_nil() || demo.till_id.is_nil() {
        connect(client, demo).await?;
        keep(demo)?;
    }
    Ok(())
}

/// Where a member's key is.
type Key = fn(&mut Demo) -> &mut String;

/// The owner connects the shop's line and its till. Asked again after a crash, the server answers as
/// it did.
async fn connect(client: &Client, demo: &mut Demo) -> Outcome<()> {
    let line = json!({
        "provider": "whatsapp",
        "name": "Shop line",
        "account_id": demo.account_id,
        "phone_number_id": demo.phone_number_id,
        "display_phone_number": demo.display_phone_number,
        "app_secret": demo.app_secret,
        "verify_token": demo.verify_token,
        "access_token": demo.access_token,
    });
    let till = json!({"provider": "pawapay", "name": "Till", "api_token": demo.api_token});
    for (channel, key, id) in [
        (line, "demo-connect", &mut demo.channel_id),
        (till, "demo-connect-till", &mut demo.till_id),
    ] {
        let connected = client.post(&demo.keys.owner, "/v1/channels", &channel, key).await?;
        *id = connected["data"]["id"].as_str().unwrap_or_default().parse()?;
    }
    Ok(())
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
        setup::hire(commands, organization, id, name, role).await?;
    }
    Ok(())
}
