//! On what terms clients are served: what an installation may set.

use std::time::Duration;

use event_store::rate_limit::Limit;

/// The defaults suit tests: no limits, nobody in front, nobody elsewhere.
#[derive(Clone, Debug)]
pub struct Terms {
    pub limits: Limits,
    /// How many proxies stand in front; the outermost that is ours told the client's address.
    pub proxies: usize,
    /// Where pages come from that may call us from a browser; `*` for anywhere.
    pub origins: Vec<String>,
    /// How long a client may take to send a request.
    pub patience: Duration,
}

/// How often each may ask. `None` is as often as they like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// An address, whoever calls from it.
    pub address: Option<Limit>,
    pub key: Option<Limit>,
    pub organization: Option<Limit>,
    /// Mails that an organisation sends to invite somebody.
    pub invitations: Option<Limit>,
}

impl Default for Terms {
    fn default() -> Self {
        let patience = Duration::from_secs(30);
        Terms { limits: Limits::default(), proxies: 0, origins: vec![], patience }
    }
}

/// So many in a minute, all at once if need be; 0 for as many as they like.
pub fn per_minute(times: u32) -> Option<Limit> {
    within(times, 60)
}

/// The same in an hour.
pub fn per_hour(times: u32) -> Option<Limit> {
    within(times, 60 * 60)
}

fn within(times: u32, seconds: u64) -> Option<Limit> {
    let burst = i32::try_from(times).unwrap_or(i32::MAX);
    (burst > 0).then_some(Limit { burst, per: Duration::from_secs(seconds) })
}
