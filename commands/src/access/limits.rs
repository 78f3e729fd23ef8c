//! How often anybody may try a door: by the address they come from, and by the account that they
//! want to enter.

use std::net::IpAddr;
use std::time::Duration;

use event_store::Store;
use event_store::rate_limit::Limit;

use crate::Error;

/// What somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Register,
    /// By password, by a mailed code, or by the second factor.
    SignIn,
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
            Door::Mail => "mail",
            Door::Token => "token",
        }
    }

    /// Many people may share an address.
    fn by_address(self) -> Limit {
        match self {
            Door::Register => limit(20, 60),
            Door::SignIn => limit(100, 15),
            Door::Mail => limit(30, 60),
            Door::Token => limit(300, 15),
        }
    }

    fn by_account(self) -> Limit {
        match self {
            Door::Register => limit(5, 60),
            Door::SignIn => limit(10, 15),
            Door::Mail => limit(5, 60),
            Door::Token => limit(60, 15),
        }
    }
}

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
    let taken = store.take_token(&[name, b"account", account], door.by_account()).await?;
    Ok((!taken.allowed).then_some(taken.retry_after))
}

/// Whether a mailed code may be tried once more.
pub(super) async fn may_try(store: &Store, code: uuid::Uuid) -> Result<bool, Error> {
    Ok(store.take_token(&[b"code", code.as_bytes()], CODE).await?.allowed)
}

/// Who has one address of IPv6 has 2^64 of them.
pub fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
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
}
