//! The demo's closing screen: where it listens, who may come in, and what to try first.

use super::Demo;
use crate::server::Outcome;

pub(crate) async fn show(demo: &Demo) -> Outcome<()> {
    let Demo { base_url, channel_id, keys, .. } = demo;
    let to = (demo.day + chrono::TimeDelta::days(1)).format("%FT%TZ");
    let from = demo.day.format("%FT%TZ");
    println!(
        "
Verbatim is running at {base_url}

  owner    {}
  agent    {}
  agent2   {}
  auditor  {}

Try:
  curl -H 'x-api-key: {}' '{base_url}/v1/inbox?limit=5'
  curl -H 'x-api-key: {}' '{base_url}/v1/contacts?q=wan'
  curl -H 'x-api-key: {}' '{base_url}/v1/analytics/volume?from={from}&to={to}&step=1h'
  curl -H 'x-api-key: {}' '{base_url}/v1/audit/events?limit=5'
  curl '{base_url}/webhooks/whatsapp/{channel_id}?hub.mode=subscribe&hub.challenge=42&hub.verify_token={}'

All of this is in demo.json in the data directory. Ctrl-C stops everything.
",
        keys.owner,
        keys.agent,
        keys.agent2,
        keys.auditor,
        keys.agent,
        keys.agent,
        keys.owner,
        keys.auditor,
        demo.verify_token,
    );
    Ok(())
}
