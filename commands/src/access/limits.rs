//! How often anybody may try a door: by the address they come from, and by the account that they
//! want to enter. Tries from elsewhere don't keep somebody out where they came in before.

use std::net::IpAddr;
use std::time::Duration;

use event_store::Store;
use event_store::rate_limit::Limit;

use crate::Error;

/// What somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Register,
    /// By password.
    SignIn,
    /// By a mailed code or a second factor: short enough to be guessed, where tries from everywhere
    /// did not count together.
    Prove,
    /// Whatever makes us send a mail.
    Mail,
    /// A mailed token, or a token that fetches others.
    Token,
}

const fn limit(burst: i32, minutes: u64) -> Limit {
    Limit { burst, per: Duration::from_secs(60 * minutes) }
}

impl Door {
    fn name(self) -> &'static str {
        match self {
            Door::Register => "register",
            Door::SignIn => "sign in",
            Door::Prove => "prove",
            Door::Mail => "mail",
            Door::Token => "token",
        }
    }

    /// Many people may share an address.
    fn by_address(self) -> Limit {
        match self {
            Door::Register => limit(20, 60),
            Door::SignIn | Door::Prove => limit(100, 15),
            Door::Mail => limit(30, 60),
            Door::Token => limit(300, 15),
        }
    }

    /// From one neighbourhood.
    fn by_account(self) -> Limit {
        match self {
            Door::Register => limit(5, 60),
            Door::SignIn | Door::Prove => limit(10, 15),
            Door::Mail => limit(5, 60),
            Door::Token => limit(60, 15),
        }
    }

    /// From everywhere.
    fn by_account_alone(self) -> Limit {
        match self {
            Door::Register => limit(20, 60),
            Door::SignIn => limit(100, 15),
            Door::Prove => limit(10, 15),
            Door::Mail => limit(5, 60),
            Door::Token => limit(600, 15),
        }
    }
}

impl Door {
    /// Whether tries from elsewhere count where somebody came in before. Where an answer must not
    /// tell who is known, it makes no difference.
    fn heeds_where_they_came_in(self) -> bool {
        self == Door::SignIn
    }
}

/// For how long a neighbourhood is known from which somebody came in.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);

/// Tries of one code that was mailed.
const CODE: Limit = limit(5, 60);

/// Tells for how long the door stays shut, if it is.
pub async fn shut(
    store: &Store,
    door: Door,
    address: Option<IpAddr>,
    account: Option<&[u8]>,
) -> Result<Option<Duration>, Error> {
    let name = door.name().as_bytes();
    if let Some(address) = address {
        let network = network(address);
        let taken = store.take_token(&[name, b"address", &network], door.by_address()).await?;
        if !taken.allowed {
            return Ok(Some(taken.retry_after));
        }
    }
    let Some(account) = account else { return Ok(None) };
    let near = address.map(neighbourhood).unwrap_or_default();
    let taken = store.take_token(&[name, b"account", account, &near], door.by_account()).await?;
    if !taken.allowed {
        return Ok(Some(taken.retry_after));
    }
    if door.heeds_where_they_came_in() && store.is_marked(&known(account, &near)).await? {
        return Ok(None);
    }
    let alone = [name, b"account alone", account];
    let taken = store.take_token(&alone, door.by_account_alone()).await?;
    Ok((!taken.allowed).then_some(taken.retry_after))
}

/// Somebody came in: whoever else tries to, they are let try again from here.
pub async fn came_in(store: &Store, address: Option<IpAddr>, account: &[u8]) -> Result<(), Error> {
    let near = address.map(neighbourhood).unwrap_or_default();
    Ok(store.mark(&known(account, &near), KNOWN).await?)
}

fn known<'a>(account: &'a [u8], near: &'a [u8]) -> [&'a [u8]; 3] {
    [b"came in", account, near]
}

/// Whether a mailed code may be tried once more with this ticket.
pub(super) async fn may_try(store: &Store, ticket: &[u8]) -> Result<bool, Error> {
    Ok(store.take_token(&[b"code", ticket], CODE).await?.allowed)
}

/// Who has one address of IPv6 has 2^64 of them.
pub fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// Where somebody is taken to be the same person: 256 addresses of IPv4, or 2^64 of IPv6.
fn neighbourhood(address: IpAddr) -> Vec<u8> {
    let mut network = network(address);
    if address.to_canonical().is_ipv4() {
        network.pop();
    }
    network
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_count_together() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }

    #[test]
    fn somebody_stays_in_their_neighbourhood() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), of("::ffff:192.0.2.8"));
        assert_ne!(of("192.0.2.7"), of("192.0.3.7"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
