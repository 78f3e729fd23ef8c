//! The demo's closing screen: the day in numbers, where the server listens, who may come in, and
//! what to try first.

mod table;

use chrono::TimeDelta;

use super::{Client, Demo};
use crate::server::Outcome;

pub(crate) async fn show(demo: &Demo, client: &Client) -> Outcome<()> {
    let Demo { base_url, channel_id, keys, login, .. } = demo;
    let from = demo.day.format("%FT%TZ");
    let to = (demo.day + TimeDelta::days(1)).format("%FT%TZ");
    let span = format!("from={from}&to={to}");
    let volume = format!("/v1/analytics/volume?{span}&step=1h");
    let overview = format!("/v1/analytics/overview?{span}");
    let hours = client.get(&keys.owner, &volume).await?;
    let day = client.get(&keys.owner, &overview).await?;
    println!(
        "
{}
{}
Verbatim is running at {base_url}

  owner    {}
  agent    {}
  agent2   {}
  auditor  {}

  The owner approves payouts, which no key does: signed in as {} by the password {}

Try:
  curl -H 'x-api-key: {}' '{base_url}/v1/inbox?limit=5'
  curl -H 'x-api-key: {}' '{base_url}/v1/contacts?q=wan'
  curl -H 'x-api-key: {}' '{base_url}{overview}'
  curl -H 'x-api-key: {}' '{base_url}/v1/audit/events?limit=5'
  curl '{base_url}/webhooks/whatsapp/{channel_id}?hub.mode=subscribe&hub.challenge=42&hub.verify_token={}'

All of this is in demo.json in the data directory. Ctrl-C stops everything.
",
        demo.day.format("The day of %-d %B %Y, as /v1/analytics tells it (UTC)"),
        table::of(&day["data"], &hours["data"]),
        keys.owner,
        keys.agent,
        keys.agent2,
        keys.auditor,
        login.email,
        login.password,
        keys.agent,
        keys.agent,
        keys.owner,
        keys.auditor,
        demo.verify_token,
    );
    Ok(())
}
