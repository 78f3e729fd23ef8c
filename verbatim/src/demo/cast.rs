//! The demo's organisation: its people, their keys, and its line.

use chrono::{DateTime, Utc};
use commands::setup::{self, NewChannel};
use commands::{Commands, Meta, access};
use domain::Actor;
use domain::aggregate::Role;
use domain::channel::WhenClosed;
use uuid::Uuid;

use super::{Demo, Members};
use crate::server::Outcome;

pub(crate) async fn found(
    commands: &Commands,
    base_url: &str,
    day: DateTime<Utc>,
) -> Outcome<Demo> {
    let organization = setup::found_organization(commands, "Baraka Home & Garden").await?;
    let new = NewChannel {
        name: "Shop line".into(),
        account: "109785432100001".into(),
        line: "104455667788990".into(),
        display_phone_number: Some("15550100200".into()),
        app_secret: random_hex(),
        verify_token: random_hex(),
        access_token: None,
        when_closed: WhenClosed::Reopen,
    };
    let channel = setup::connect_channel(commands, organization, new.clone()).await?;
    let owner = hire(commands, organization, "Wanjiru Baraka", Role::Owner).await?;
    let agent = hire(commands, organization, "Tomás Abreu", Role::Agent).await?;
    let agent2 = hire(commands, organization, "Nomsa Dlamini", Role::Agent).await?;
    let auditor = hire(commands, organization, "Ingrid Solheim", Role::Auditor).await?;
    Ok(Demo {
        base_url: base_url.to_owned(),
        organization_id: organization,
        channel_id: channel,
        app_secret: new.app_secret,
        verify_token: new.verify_token,
        account_id: new.account,
        phone_number_id: new.line,
        display_phone_number: new.display_phone_number.unwrap_or_default(),
        users: Members { owner: owner.0, agent: agent.0, agent2: agent2.0, auditor: auditor.0 },
        keys: Members { owner: owner.1, agent: agent.1, agent2: agent2.1, auditor: auditor.1 },
        day,
        played: false,
    })
}

/// Registers a member and issues a key in their name.
async fn hire(
    commands: &Commands,
    organization: Uuid,
    name: &str,
    role: Role,
) -> Outcome<(Uuid, String)> {
    let user = setup::register_user(commands, organization, name, role).await?;
    let meta = Meta::new(organization, Actor::System);
    Ok((user, access::issue(commands, &meta, user, role, "demo").await?))
}

fn random_hex() -> String {
    // Two version 4 UUIDs carry 244 random bits.
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
