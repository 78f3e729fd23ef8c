//! Refused attempts on their way to the audit: counted in memory as requests are answered, and told
//! to the log once a minute. What may be told in a minute is bounded, whatever comes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::attempts::{Attempts, Command, Event};
use domain::{Actor, Personal};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use crate::access::limits::network;
use crate::access::staff::PLATFORM;
use crate::{Commands, Error, Meta, Work};

/// How often the log is told.
pub const EVERY: Duration = Duration::from_secs(60);
/// Of so many people and addresses each attempt is told; what comes from more is told together.
const MOST_PEOPLE: usize = 10_000;
pub const MOST_ADDRESSES: usize = 50;
/// The same of one person's networks.
pub const MOST_NETWORKS: usize = 10;

/// What was refused since the log was told last. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<Mutex<Gathered>>);

/// By network; under none what is told together.
type ByNetwork<T> = HashMap<Option<Vec<u8>>, T>;

#[derive(Debug, Default)]
struct Gathered {
    people: HashMap<Who, ByNetwork<Tried>>,
    strangers: ByNetwork<Strange>,
}

/// Upon whose account, and whether by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    tenant: Uuid,
    actor: Actor,
    user: Uuid,
}

#[derive(Debug)]
struct Tried {
    meta: Meta,
    address: Option<IpAddr>,
    /// By operation and code.
    what: HashMap<(String, String), Tally>,
}

#[derive(Debug)]
struct Strange {
    address: Option<IpAddr>,
    codes: HashMap<String, Tally>,
}

#[derive(Clone, Copy, Debug)]
struct Tally {
    count: u32,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Tally {
    fn once(now: DateTime<Utc>) -> Tally {
        Tally { count: 1, since: now, until: now }
    }

    fn and(self, other: Tally) -> Tally {
        Tally {
            count: self.count.saturating_add(other.count),
            since: self.since.min(other.since),
            until: self.until.max(other.until),
        }
    }
}

impl Refused {
    /// Something was refused to a user, or to somebody who said to be them.
    pub fn note(
        &self,
        meta: &Meta,
        user: Uuid,
        address: Option<IpAddr>,
        (operation, code): (&str, &str),
        now: DateTime<Utc>,
    ) {
        let who = Who { tenant: meta.tenant, actor: meta.actor.clone(), user };
        let what = HashMap::from([((operation.to_owned(), code.to_owned()), Tally::once(now))]);
        self.gathered(|gathered| {
            gathered.add_person(who, Tried { meta: meta.clone(), address, what });
        });
    }

    /// Something was refused to somebody whom nobody knows.
    pub fn note_stranger(&self, address: Option<IpAddr>, code: &str, now: DateTime<Utc>) {
        let codes = HashMap::from([(code.to_owned(), Tally::once(now))]);
        self.gathered(|gathered| gathered.add_stranger(Strange { address, codes }));
    }

    fn gathered<T>(&self, change: impl FnOnce(&mut Gathered) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Gathered {
    fn add_person(&mut self, who: Who, tried: Tried) {
        if !self.people.contains_key(&who) && self.people.len() >= MOST_PEOPLE {
            let codes = tried.what.into_iter().map(|((_, code), tally)| (code, tally)).collect();
            return self.add_stranger(Strange { address: None, codes });
        }
        let networks = self.people.entry(who).or_default();
        let network = place(networks, tried.address, MOST_NETWORKS);
        let (mut meta, address) = (tried.meta, tried.address.filter(|_| network.is_some()));
        if let (None, Some(origin)) = (&network, meta.metadata.as_object_mut()) {
            // They came from more than one.
            origin.retain(|name, _| name != "ip" && name != "user_agent");
        }
        let none = || Tried { meta, address, what: HashMap::new() };
        add(&mut networks.entry(network).or_insert_with(none).what, tried.what);
    }

    fn add_stranger(&mut self, strange: Strange) {
        let network = place(&self.strangers, strange.address, MOST_ADDRESSES);
        let address = strange.address.filter(|_| network.is_some());
        let none = || Strange { address, codes: HashMap::new() };
        add(&mut self.strangers.entry(network).or_insert_with(none).codes, strange.codes);
    }
}

/// Where what came from an address belongs: with its network, unless there are enough of others.
fn place<T>(known: &ByNetwork<T>, address: Option<IpAddr>, most: usize) -> Option<Vec<u8>> {
    let networks = known.keys().filter(|network| network.is_some()).count();
    address.map(network).filter(|it| networks < most || known.contains_key(&Some(it.clone())))
}

fn add<K: Eq + std::hash::Hash>(to: &mut HashMap<K, Tally>, more: HashMap<K, Tally>) {
    for (key, tally) in more {
        to.entry(key).and_modify(|known| *known = known.and(tally)).or_insert(tally);
    }
}

/// Tells the log once a minute, and a last time when `stop` says so.
pub async fn run(commands: Commands, mut stop: watch::Receiver<bool>) {
    loop {
        let stopped = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(EVERY) => false,
        };
        if let Err(error) = tell(&commands).await {
            tracing::warn!(%error, "The log could not be told of refused attempts");
        }
        if stopped {
            return;
        }
    }
}

/// Tells the log what was refused since it was told last, and how many events that were. What could
/// not be told stays for the next time.
pub async fn tell(commands: &Commands) -> Result<usize, Error> {
    let mut gathered = commands.refused().gathered(std::mem::take);
    let told = tell_all(commands, &mut gathered).await;
    commands.refused().gathered(|now| {
        for (who, networks) in gathered.people {
            networks.into_values().for_each(|tried| now.add_person(who.clone(), tried));
        }
        gathered.strangers.into_values().for_each(|strange| now.add_stranger(strange));
    });
    told
}

async fn tell_all(commands: &Commands, gathered: &mut Gathered) -> Result<usize, Error> {
    let mut told = 0;
    let people: Vec<Who> = gathered.people.keys().cloned().collect();
    for who in people {
        let Some(networks) = gathered.people.get_mut(&who) else { continue };
        let known: Vec<Option<Vec<u8>>> = networks.keys().cloned().collect();
        for network in known {
            let Some(tried) = networks.get(&network) else { continue };
            told += record(commands, &tried.meta, &of_person(&who, tried)).await?;
            networks.remove(&network);
        }
        gathered.people.remove(&who);
    }
    if !gathered.strangers.is_empty() {
        let subject = subject_of(commands.store().clock().now());
        let events: Vec<Event> =
            gathered.strangers.values().map(|strange| of_stranger(subject, strange)).collect();
        told += record(commands, &Meta::new(PLATFORM, Actor::System), &events).await?;
        gathered.strangers.clear();
    }
    Ok(told)
}

/// In a stream of its own, which nobody else writes to.
async fn record(commands: &Commands, meta: &Meta, events: &[Event]) -> Result<usize, Error> {
    let (id, command_id) = (Uuid::now_v7(), Uuid::now_v7());
    let meta = Meta { command_id, ..meta.clone() };
    let outcome = commands
        .transact(&meta, async |work: &mut Work| {
            for event in events {
                work.execute::<Attempts>(id, Command::Note(event.clone())).await?;
            }
            Ok(())
        })
        .await?;
    Ok(outcome.events)
}

fn of_person(who: &Who, tried: &Tried) -> Vec<Event> {
    let address = tried.address.map(|address| Personal::network(who.user, address.to_string()));
    let event = |((operation, code), tally): (&(String, String), &Tally)| Event::Refused {
        user: who.user,
        operation: operation.clone(),
        code: code.clone(),
        count: tally.count,
        address: address.clone(),
        since: tally.since,
        until: tally.until,
    };
    tried.what.iter().map(event).collect()
}

fn of_stranger(subject: Uuid, strange: &Strange) -> Event {
    let all = strange.codes.values().copied().reduce(Tally::and);
    let (since, until) = all.map(|all| (all.since, all.until)).unwrap_or_default();
    Event::StrangerRefused {
        address: strange.address.map(|address| Personal::network(subject, address.to_string())),
        codes: strange.codes.iter().map(|(code, tally)| (code.clone(), tally.count)).collect(),
        since,
        until,
    }
}

/// Strangers' addresses of one day are under one key, so that they can be forgotten together, and
/// no more keys are made than there are days.
fn subject_of(now: DateTime<Utc>) -> Uuid {
    let day = now.date_naive().to_string();
    let hash = Sha256::new_with_prefix(b"verbatim/strangers/1").chain_update(day).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn strangers_from_more_addresses_than_fit_are_told_together() {
        let (refused, now) = (Refused::default(), Utc::now());
        for address in 0..1000u32 {
            refused.note_stranger(Some(Ipv4Addr::from(address).into()), "auth.invalid_key", now);
        }
        let gathered = refused.gathered(std::mem::take);
        assert_eq!(gathered.strangers.len(), MOST_ADDRESSES + 1);
        let others = gathered.strangers[&None].codes["auth.invalid_key"].count;
        assert_eq!(others as usize, 1000 - MOST_ADDRESSES);
    }

    #[test]
    fn what_could_not_be_told_is_counted_on() {
        let (refused, now) = (Refused::default(), Utc::now());
        refused.note_stranger(None, "auth.invalid_key", now);
        let before = refused.gathered(std::mem::take);
        refused.note_stranger(None, "auth.invalid_key", now);
        refused.gathered(|gathered| {
            before.strangers.into_values().for_each(|strange| gathered.add_stranger(strange));
            assert_eq!(gathered.strangers[&None].codes["auth.invalid_key"].count, 2);
        });
    }
}
