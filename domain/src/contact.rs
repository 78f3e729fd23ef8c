//! A contact: a person who writes to the organisation, known by a phone number, a business-scoped
//! user id, or both.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Register(Registered),
    Rename {
        name: Personal<String>,
        at: DateTime<Utc>,
        source: Source,
    },
    /// Add what else the person is known by; what is known already changes nothing.
    Identify(Identities),
    /// The person moved to another phone number.
    ChangeNumber {
        phone: Personal<String>,
        previous: Personal<String>,
        at: DateTime<Utc>,
    },
    /// The person's business-scoped id was replaced by another.
    ChangeUserId {
        user_id: Personal<String>,
        previous: Personal<String>,
        at: DateTime<Utc>,
    },
    /// `None` removes the attribute.
    SetAttributes(BTreeMap<String, Option<Personal<String>>>),
    Tag(String),
    Untag(String),
    Block,
    Unblock,
    /// The person turned out to be another contact; from now on that one stands for both.
    Merge {
        into: Uuid,
    },
    /// Take over what was known of a contact that is merged into this one.
    Absorb(Absorbed),
}

/// Where a fact about a contact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Api,
    Whatsapp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identities {
    /// Digits with country code, as WhatsApp's `wa_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<String>>,
    /// WhatsApp's business-scoped user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Personal<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<String>>,
    pub identities: Identities,
    /// When the name was true, by the clock of its source.
    pub at: DateTime<Utc>,
    pub source: Source,
}

/// What was known of a contact when it was merged into another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Absorbed {
    pub contact: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<String>>,
    /// When the name was last known to be true.
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub named_by_hand: bool,
    pub identities: Identities,
    /// When number and user id were told to be others; 1970 if never.
    pub phoned_at: DateTime<Utc>,
    pub user_id_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Personal<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Registered(Registered),
    Renamed {
        name: Personal<String>,
        at: DateTime<Utc>,
        source: Source,
    },
    Identified(Identities),
    NumberChanged {
        phone: Personal<String>,
        previous: Personal<String>,
        at: DateTime<Utc>,
    },
    UserIdChanged {
        user_id: Personal<String>,
        previous: Personal<String>,
        at: DateTime<Utc>,
    },
    AttributesSet {
        attributes: BTreeMap<String, Option<Personal<String>>>,
    },
    Tagged {
        tag: String,
    },
    Untagged {
        tag: String,
    },
    Blocked,
    Unblocked,
    Merged {
        into: Uuid,
    },
    /// Holds only what this contact did not know better.
    Absorbed(Absorbed),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the contact exists already")]
    AlreadyRegistered,
    #[error("there is no such contact")]
    NotRegistered,
    #[error("the contact was merged into {into}; use that one")]
    Merged { into: Uuid },
    #[error("a contact needs a phone number, a user id or a name")]
    Nameless,
    #[error("a tag has 1 to 50 characters")]
    InvalidTag,
    #[error("a contact has at most 50 tags")]
    TooManyTags,
    #[error(
        "an attribute's name has 1 to 50 characters, its value at most 1000; a contact has at most \
         100 attributes"
    )]
    InvalidAttribute,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Contact {
    pub registered: bool,
    pub blocked: bool,
    pub name: Option<String>,
    /// When the name was true, by the clock of its source.
    pub named_at: DateTime<Utc>,
    /// Whether somebody of the organisation gave the name. The provider's gives way to it.
    pub named_by_hand: bool,
    pub phone: Option<String>,
    /// When the phone number was told to be another, by the clock of its source.
    pub phoned_at: DateTime<Utc>,
    pub user_id: Option<String>,
    /// When the user id was told to be another, by the clock of its source.
    pub user_id_at: DateTime<Utc>,
    pub username: Option<String>,
    pub tags: BTreeSet<String>,
    pub attributes: BTreeMap<String, String>,
    pub merged_into: Option<Uuid>,
    pub absorbed: BTreeSet<Uuid>,
}

impl Aggregate for Contact {
    const TYPE: &'static str = "contact";
    const OPENS_PERSONAL: bool = true;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        if let Some(into) = self.merged_into {
            return Err(Error::Merged { into });
        }
        match command {
            Command::Register(_) if self.registered => Err(Error::AlreadyRegistered),
            Command::Register(contact) => register(contact),
            _ if !self.registered => Err(Error::NotRegistered),
            Command::Rename { name, at, source } => Ok(self.rename(name, at, source)),
            Command::Identify(identities) => Ok(self.identify(identities)),
            Command::ChangeNumber { phone, previous, at } => {
                Ok(unless(at <= self.phoned_at, Event::NumberChanged { phone, previous, at }))
            }
            Command::ChangeUserId { user_id, previous, at } => {
                Ok(unless(at <= self.user_id_at, Event::UserIdChanged { user_id, previous, at }))
            }
            Command::SetAttributes(attributes) => self.set_attributes(attributes),
            Command::Tag(tag) => self.tag(tag),
            Command::Untag(tag) => Ok(unless(!self.tags.contains(&tag), Event::Untagged { tag })),
            Command::Block => Ok(unless(self.blocked, Event::Blocked)),
            Command::Unblock => Ok(unless(!self.blocked, Event::Unblocked)),
            Command::Merge { into } => Ok(vec![Event::Merged { into }]),
            Command::Absorb(other) => {
                let known = self.absorbed.contains(&other.contact);
                Ok(unless(known, Event::Absorbed(self.absorb(other))))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered(contact) => {
                self.registered = true;
                self.name = contact.name.as_ref().and_then(|name| name.clear().cloned());
                self.named_at = contact.at;
                self.named_by_hand = contact.source == Source::Api;
                self.learn(&contact.identities);
            }
            Event::Renamed { name, at, source } => {
                self.name = name.clear().cloned();
                self.named_at = *at;
                self.named_by_hand = *source == Source::Api;
            }
            Event::Identified(identities) => self.learn(identities),
            Event::NumberChanged { phone, at, .. } => {
                self.phone = phone.clear().cloned();
                self.phoned_at = *at;
            }
            Event::UserIdChanged { user_id, at, .. } => {
                self.user_id = user_id.clear().cloned();
                self.user_id_at = *at;
            }
            Event::AttributesSet { attributes } => {
                for (name, value) in attributes {
                    match value.as_ref().map(|value| value.clear().cloned().unwrap_or_default()) {
                        Some(value) => self.attributes.insert(name.clone(), value),
                        None => self.attributes.remove(name),
                    };
                }
            }
            Event::Tagged { tag } => {
                self.tags.insert(tag.clone());
            }
            Event::Untagged { tag } => {
                self.tags.remove(tag);
            }
            Event::Blocked => self.blocked = true,
            Event::Unblocked => self.blocked = false,
            Event::Merged { into } => self.merged_into = Some(*into),
            Event::Absorbed(other) => {
                self.absorbed.insert(other.contact);
                if let Some(name) = &other.name {
                    self.name = name.clear().cloned();
                    self.named_at = other.at;
                    self.named_by_hand = other.named_by_hand;
                }
                self.learn(&other.identities);
                self.phoned_at = self.phoned_at.max(other.phoned_at);
                self.user_id_at = self.user_id_at.max(other.user_id_at);
                self.tags.extend(other.tags.iter().cloned());
                let value = |value: &Personal<String>| value.clear().cloned().unwrap_or_default();
                let told = other.attributes.iter().map(|(name, told)| (name.clone(), value(told)));
                self.attributes.extend(told);
            }
        }
    }
}

fn unless(already: bool, event: Event) -> Vec<Event> {
    if already { vec![] } else { vec![event] }
}

fn register(contact: Registered) -> Result<Vec<Event>, Error> {
    let Identities { phone, user_id, .. } = &contact.identities;
    if contact.name.is_none() && phone.is_none() && user_id.is_none() {
        return Err(Error::Nameless);
    }
    Ok(vec![Event::Registered(contact)])
}

impl Contact {
    /// A name given by hand goes before the provider's; of one kind the newest wins, and of two
    /// told for the same moment the greater: so the order in which they arrive changes nothing.
    fn rename(&self, name: Personal<String>, at: DateTime<Utc>, source: Source) -> Vec<Event> {
        let known = self.name.as_ref();
        let told = (source == Source::Api, at, name.clear());
        let stale = known.is_some() && told < (self.named_by_hand, self.named_at, known);
        unless(stale || known == name.clear(), Event::Renamed { name, at, source })
    }

    fn identify(&self, told: Identities) -> Vec<Event> {
        let new = self.news(told, DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        unless(new == Identities::default(), Event::Identified(new))
    }

    /// What of this is shown from now on, if the number and the id were told as changes at those
    /// times. The latest change wins; a person told under two numbers without a change is shown
    /// under the greater: so the order of arrival changes nothing.
    fn news(
        &self,
        told: Identities,
        phoned_at: DateTime<Utc>,
        user_id_at: DateTime<Utc>,
    ) -> Identities {
        let better = |told: Option<Personal<String>>, at, known: &Option<String>, known_at| {
            told.filter(|told| known.is_none() || (at, told.clear()) > (known_at, known.as_ref()))
        };
        let never = DateTime::UNIX_EPOCH;
        Identities {
            phone: better(told.phone, phoned_at, &self.phone, self.phoned_at),
            user_id: better(told.user_id, user_id_at, &self.user_id, self.user_id_at),
            username: better(told.username, never, &self.username, never),
        }
    }

    fn absorb(&self, other: Absorbed) -> Absorbed {
        let named = (self.named_by_hand, self.named_at, self.name.as_ref());
        let newer = |name: &Personal<String>| {
            self.name.is_none() || (other.named_by_hand, other.at, name.clear()) > named
        };
        let unknown = |(name, _): &(String, Personal<String>)| !self.attributes.contains_key(name);
        Absorbed {
            name: other.name.filter(newer),
            identities: self.news(other.identities, other.phoned_at, other.user_id_at),
            tags: other.tags.difference(&self.tags).cloned().collect(),
            attributes: other.attributes.into_iter().filter(unknown).collect(),
            ..other
        }
    }

    fn learn(&mut self, told: &Identities) {
        let value = |told: &Option<Personal<String>>| told.as_ref()?.clear().cloned();
        self.phone = value(&told.phone).or(self.phone.take());
        self.user_id = value(&told.user_id).or(self.user_id.take());
        self.username = value(&told.username).or(self.username.take());
    }

    fn tag(&self, tag: String) -> Result<Vec<Event>, Error> {
        if tag.trim().is_empty() || tag.chars().count() > 50 {
            return Err(Error::InvalidTag);
        }
        if self.tags.contains(&tag) {
            return Ok(vec![]);
        }
        if self.tags.len() >= 50 {
            return Err(Error::TooManyTags);
        }
        Ok(vec![Event::Tagged { tag }])
    }

    fn set_attributes(
        &self,
        mut attributes: BTreeMap<String, Option<Personal<String>>>,
    ) -> Result<Vec<Event>, Error> {
        attributes.retain(|name, value| {
            self.attributes.get(name) != value.as_ref().and_then(Personal::clear)
        });
        let bad_name = |name: &String| name.trim().is_empty() || name.chars().count() > 50;
        let long = |value: &Option<Personal<String>>| {
            value.as_ref().and_then(Personal::clear).is_some_and(|text| text.chars().count() > 1000)
        };
        let kept = self.attributes.keys().filter(|name| !attributes.contains_key(*name)).count();
        let set = attributes.values().flatten().count();
        if attributes.keys().any(bad_name) || attributes.values().any(long) || kept + set > 100 {
            return Err(Error::InvalidAttribute);
        }
        Ok(unless(attributes.is_empty(), Event::AttributesSet { attributes }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    #[test]
    fn the_newest_name_wins_whatever_the_order_of_arrival() {
        let history = [registered("Ana", 10)];
        assert_eq!(decide_after::<Contact>(&history, rename("Anna", 5)), Ok(vec![]));
        assert_eq!(
            decide_after::<Contact>(&history, rename("Anna", 20)),
            Ok(vec![Event::Renamed { name: personal("Anna"), at: at(20), source: Source::Api }])
        );
    }

    #[test]
    fn of_two_names_for_the_same_moment_the_greater_wins() {
        assert_eq!(decide_after::<Contact>(&[registered("Bo", 10)], rename("Al", 10)), Ok(vec![]));
        assert!(
            decide_after::<Contact>(&[registered("Al", 10)], rename("Bo", 10))
                .is_ok_and(|events| events.len() == 1)
        );
    }

    #[test]
    fn a_contact_without_name_or_number_is_refused() {
        let nobody = Registered {
            name: None,
            identities: Identities::default(),
            at: at(0),
            source: Source::Api,
        };
        assert_eq!(decide_after::<Contact>(&[], Command::Register(nobody)), Err(Error::Nameless));
    }

    #[test]
    fn tagging_twice_tags_once() {
        let history = [registered("Ana", 1), Event::Tagged { tag: "vip".into() }];
        assert_eq!(decide_after::<Contact>(&history, Command::Tag("vip".into())), Ok(vec![]));
        assert_eq!(
            decide_after::<Contact>(&history, Command::Tag(" ".into())),
            Err(Error::InvalidTag)
        );
    }

    #[test]
    fn an_attribute_that_stays_the_same_is_no_news() {
        let set = |value: &str| BTreeMap::from([("city".to_owned(), Some(personal(value)))]);
        let history = [registered("Ana", 1), Event::AttributesSet { attributes: set("Lagos") }];
        assert_eq!(
            decide_after::<Contact>(&history, Command::SetAttributes(set("Lagos"))),
            Ok(vec![])
        );
        assert_eq!(
            decide_after::<Contact>(&history, Command::SetAttributes(set("Accra"))),
            Ok(vec![Event::AttributesSet { attributes: set("Accra") }])
        );
    }

    #[test]
    fn a_merged_contact_leaves_everything_to_the_other() {
        let other = Uuid::from_u128(9);
        let history = [registered("Ana", 1), Event::Merged { into: other }];
        assert_eq!(
            decide_after::<Contact>(&history, Command::Block),
            Err(Error::Merged { into: other })
        );
    }

    #[test]
    fn absorbing_takes_over_only_what_was_not_known_better() {
        let other = |name: &str, seconds| Absorbed {
            contact: Uuid::from_u128(9),
            name: Some(personal(name)),
            at: at(seconds),
            named_by_hand: true,
            identities: Identities { phone: Some(personal("1555")), ..Identities::default() },
            phoned_at: at(0),
            user_id_at: at(0),
            tags: BTreeSet::from(["vip".to_owned()]),
            attributes: BTreeMap::new(),
        };
        let history = [registered("Ana", 10), Event::Tagged { tag: "vip".into() }];
        assert_eq!(
            decide_after::<Contact>(&history, Command::Absorb(other("Anna", 5))),
            Ok(vec![Event::Absorbed(Absorbed {
                name: None,
                tags: BTreeSet::new(),
                ..other("Anna", 5)
            })])
        );
        assert_eq!(
            decide_after::<Contact>(&history[..1], Command::Absorb(other("Anna", 15))),
            Ok(vec![Event::Absorbed(other("Anna", 15))])
        );
    }

    fn registered(name: &str, seconds: i64) -> Event {
        Event::Registered(Registered {
            name: Some(personal(name)),
            identities: Identities::default(),
            at: at(seconds),
            source: Source::Api,
        })
    }

    fn rename(name: &str, seconds: i64) -> Command {
        Command::Rename { name: personal(name), at: at(seconds), source: Source::Api }
    }

    fn personal(value: &str) -> Personal<String> {
        Personal::identity(Uuid::from_u128(5), value.to_owned())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
    }
}
