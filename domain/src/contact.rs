//! A contact: a person who writes to the organisation, known by a phone number, a business-scoped
//! user id, or both.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Personal;
use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Register(Registered),
    Rename { name: Personal<String>, at: DateTime<Utc>, source: Source },
    /// Add what else the person is known by; what is known already changes nothing.
    Identify(Identities),
    /// The person moved to another phone number.
    ChangeNumber { phone: Personal<String>, previous: Personal<String>, at: DateTime<Utc> },
    /// The person's business-scoped id was replaced by another.
    ChangeUserId { user_id: Personal<String>, previous: Personal<String>, at: DateTime<Utc> },
    /// `None` removes the attribute.
    SetAttributes(BTreeMap<String, Option<Personal<String>>>),
    Tag(String),
    Untag(String),
    Block,
    Unblock,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Registered(Registered),
    Renamed { name: Personal<String>, at: DateTime<Utc>, source: Source },
    Identified(Identities),
    NumberChanged { phone: Personal<String>, previous: Personal<String>, at: DateTime<Utc> },
    UserIdChanged { user_id: Personal<String>, previous: Personal<String>, at: DateTime<Utc> },
    AttributesSet { attributes: BTreeMap<String, Option<Personal<String>>> },
    Tagged { tag: String },
    Untagged { tag: String },
    Blocked,
    Unblocked,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the contact exists already")]
    AlreadyRegistered,
    #[error("there is no such contact")]
    NotRegistered,
    #[error("a contact needs a phone number, a user id or a name")]
    Nameless,
    #[error("a tag has 1 to 50 characters")]
    InvalidTag,
    #[error("a contact has at most 50 tags")]
    TooManyTags,
    #[error("an attribute's name has 1 to 50 characters; a contact has at most 100 attributes")]
    InvalidAttribute,
}

#[derive(Clone, Debug, Default)]
pub struct Contact {
    pub registered: bool,
    pub blocked: bool,
    pub name: Option<String>,
    /// When the name was true, by the clock of its source.
    pub named_at: DateTime<Utc>,
    pub phone: Option<String>,
    /// When the phone number was told, by the clock of its source.
    pub phoned_at: DateTime<Utc>,
    pub user_id: Option<String>,
    pub username: Option<String>,
    pub tags: BTreeSet<String>,
    pub attributes: BTreeMap<String, String>,
}

impl Aggregate for Contact {
    const TYPE: &'static str = "contact";
    const OPENS_PERSONAL: bool = true;
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        match command {
            Command::Register(_) if self.registered => Err(Error::AlreadyRegistered),
            Command::Register(contact) => register(contact),
            _ if !self.registered => Err(Error::NotRegistered),
            Command::Rename { name, at, source } => Ok(self.rename(name, at, source)),
            Command::Identify(identities) => Ok(self.identify(identities)),
            Command::ChangeNumber { phone, previous, at } => {
                let known = at <= self.phoned_at || self.phone.as_ref() == phone.clear();
                Ok(unless(known, Event::NumberChanged { phone, previous, at }))
            }
            Command::ChangeUserId { user_id, previous, at } => {
                let known = self.user_id.as_ref() == user_id.clear();
                Ok(unless(known, Event::UserIdChanged { user_id, previous, at }))
            }
            Command::SetAttributes(attributes) => self.set_attributes(attributes),
            Command::Tag(tag) => self.tag(tag),
            Command::Untag(tag) => Ok(unless(!self.tags.contains(&tag), Event::Untagged { tag })),
            Command::Block => Ok(unless(self.blocked, Event::Blocked)),
            Command::Unblock => Ok(unless(!self.blocked, Event::Unblocked)),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Registered(contact) => {
                self.registered = true;
                self.name = contact.name.as_ref().and_then(|name| name.clear().cloned());
                self.named_at = contact.at;
                self.learn(&contact.identities);
            }
            Event::Renamed { name, at, .. } => {
                self.name = name.clear().cloned();
                self.named_at = *at;
            }
            Event::Identified(identities) => self.learn(identities),
            Event::NumberChanged { phone, at, .. } => {
                self.phone = phone.clear().cloned();
                self.phoned_at = *at;
            }
            Event::UserIdChanged { user_id, .. } => self.user_id = user_id.clear().cloned(),
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
    /// The newest name wins, and of two told for the same moment the greater, so that the order in
    /// which they arrive changes nothing.
    fn rename(&self, name: Personal<String>, at: DateTime<Utc>, source: Source) -> Vec<Event> {
        let known = self.name.as_ref();
        let stale = known.is_some() && (at, name.clear()) < (self.named_at, known);
        unless(stale || known == name.clear(), Event::Renamed { name, at, source })
    }

    fn identify(&self, told: Identities) -> Vec<Event> {
        let news = |told: Option<Personal<String>>, known: &Option<String>| {
            told.filter(|_| known.is_none())
        };
        let new = Identities {
            phone: news(told.phone, &self.phone),
            user_id: news(told.user_id, &self.user_id),
            username: news(told.username, &self.username),
        };
        unless(new == Identities::default(), Event::Identified(new))
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
        if attributes.keys().any(bad_name) || self.attributes.len() + attributes.len() > 100 {
            return Err(Error::InvalidAttribute);
        }
        Ok(unless(attributes.is_empty(), Event::AttributesSet { attributes }))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

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
        assert_eq!(
            decide_after::<Contact>(&[], Command::Register(nobody)),
            Err(Error::Nameless)
        );
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
        let set = |value: &str| {
            BTreeMap::from([("city".to_owned(), Some(personal(value)))])
        };
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
