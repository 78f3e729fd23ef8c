//! The demo's organisation: its people, their keys, and its line. Founding may be cut short at any
//! point: done again, it does what is left.

use commands::access::{self, Access};
use commands::{Commands, Meta, setup};
use domain::Actor;
use domain::aggregate::Role;
use domain::organization::{self, Organization};
use domain::user::User;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Demo;
use crate::server::Outcome;

/// `keep` is called with each key, for none can be told twice, and with the line's id.
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
    if demo.channel_id.is_nil() {
        connect(demo).await?;
        keep(demo)?;
    }
    Ok(())
}

/// Where a member's key is.
type Key = fn(&mut Demo) -> &mut String;

/// The owner connects the shop's line. Asked again after a crash, the server answers as it did.
async fn connect(demo: &mut Demo) -> Outcome<()> {
    let line = json!({
        "provider": "whatsapp",
        "name": "Shop line",
        "account_id": demo.account_id,
        "phone_number_id": demo.phone_number_id,
        "display_phone_number": demo.display_phone_number,
        "app_secret": demo.app_secret,
        "verify_token": demo.verify_token,
    });
    let post = reqwest::Client::new()
        .post(format!("{}/v1/channels", demo.base_url))
        .bearer_auth(&demo.keys.owner)
        .header("idempotency-key", "demo-connect")
        .json(&line);
    let answer = post.send().await?;
    if !answer.status().is_success() {
        return Err(format!("the line could not be connected: {}", answer.text().await?).into());
    }
    let connected: Value = answer.json().await?;
    let id = connected["data"]["id"].as_str().unwrap_or_default();
    demo.channel_id = id.parse()?;
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
