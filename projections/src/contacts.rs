//! Who writes to the organisation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::Personal;
use domain::contact::{Event, Identities, Source as Told};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Contacts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub contact_id: Uuid,
}

/// Names, numbers and attributes are tokens of personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub contact_id: Uuid,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    pub username: Option<String>,
    pub tags: BTreeSet<String>,
    pub attributes: BTreeMap<String, String>,
    /// `active`, `blocked` or `merged`.
    pub status: String,
    /// The contact that stands for this one since it was merged.
    pub merged_into: Option<Uuid>,
    pub source: String,
    pub version: i64,
    pub registered_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("contact_id", "uuid"),
        column("name", "text"),
        column("phone", "text"),
        column("user_id", "text"),
        column("username", "text"),
        column("tags", "jsonb"),
        column("attributes", "jsonb"),
        column("status", "text"),
        column("merged_into", "uuid"),
        column("source", "text"),
        column("version", "bigint"),
        column("registered_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] =
        &["(tenant_id, registered_at desc, contact_id desc)", "using gin (tags)"];
}

impl ReadModel for Contacts {
    const NAME: &'static str = "contacts";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("contact");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Contact(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, contact_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Contact(event) = &recorded.event else { return row };
        let mut row = match (row, event) {
            (None, Event::Registered(contact)) => registered(key, contact.source, recorded),
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Registered(contact) => {
                row.name = contact.name.as_ref().and_then(token);
                row.learn(&contact.identities);
            }
            Event::Renamed { name, .. } => row.name = token(name),
            Event::Identified(identities) => row.learn(identities),
            Event::NumberChanged { phone, .. } => row.phone = token(phone),
            Event::UserIdChanged { user_id, .. } => row.user_id = token(user_id),
            Event::AttributesSet { attributes } => {
                for (name, value) in attributes {
                    match value.as_ref().and_then(token) {
                        Some(value) => row.attributes.insert(name.clone(), value),
                        None => row.attributes.remove(name),
                    };
                }
            }
            Event::Tagged { tag } => {
                row.tags.insert(tag.clone());
            }
            Event::Untagged { tag } => {
                row.tags.remove(tag);
            }
            Event::Blocked => row.status = "blocked".into(),
            Event::Unblocked => row.status = "active".into(),
            Event::Merged { into } => {
                row.status = "merged".into();
                row.merged_into = Some(*into);
            }
            Event::Absorbed(other) => {
                row.name = other.name.as_ref().and_then(token).or(row.name);
                row.learn(&other.identities);
                row.tags.extend(other.tags.iter().cloned());
                let told = |(name, value): (&String, _)| Some((name.clone(), token(value)?));
                row.attributes.extend(other.attributes.iter().filter_map(told));
            }
        }
        Some(row)
    }
}

fn registered(key: &Key, source: Told, event: &Recorded) -> Row {
    Row {
        tenant_id: key.tenant_id,
        contact_id: key.contact_id,
        name: None,
        phone: None,
        user_id: None,
        username: None,
        tags: BTreeSet::new(),
        attributes: BTreeMap::new(),
        status: "active".into(),
        merged_into: None,
        source: match source {
            Told::Api => "api".into(),
            Told::Whatsapp => "whatsapp".into(),
        },
        version: 0,
        registered_at: event.stored.recorded_at,
    }
}

impl Row {
    fn learn(&mut self, told: &Identities) {
        let told_token = |told: &Option<Personal<String>>| told.as_ref().and_then(token);
        self.phone = told_token(&told.phone).or(self.phone.take());
        self.user_id = told_token(&told.user_id).or(self.user_id.take());
        self.username = told_token(&told.username).or(self.username.take());
    }
}

/// The last row of a page: when the contact was registered, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.registered_at, self.contact_id)
    }
}

/// Contacts, the newest first; only those with this tag, and of these ids, where told.
pub async fn page(
    finder: &Finder<Contacts>,
    tag: Option<String>,
    ids: Option<Vec<Uuid>>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.sql.push(" and merged_into is null");
    find.when("tags ? {}", tag).when("contact_id = any({})", ids);
    if let Some((at, contact)) = after {
        find.sql.push(" and (registered_at, contact_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(contact).push(")");
    }
    find.fetch("registered_at desc, contact_id desc", limit).await
}

/// One contact.
pub async fn find(finder: &Finder<Contacts>, contact: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("contact_id = {}", Some(contact));
    find.fetch_one().await
}

/// A contact as lists of other things show it. Names and numbers are tokens of personal data.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    pub contact_id: Uuid,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub user_id: Option<String>,
    merged_into: Option<Uuid>,
}

/// The contacts of these ids, as far as there are any. For one that was merged stands the one that
/// it was merged into.
pub async fn of_ids(
    finder: &Finder<Contacts>,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, Person>, Error> {
    let mut contacts = people(finder, ids).await?;
    // Each merge may have been followed by another; in the end somebody stands for all.
    loop {
        let merged: Vec<Uuid> = contacts.values().filter_map(|row| row.merged_into).collect();
        if merged.is_empty() {
            return Ok(contacts);
        }
        let others = people(finder, merged).await?;
        for row in contacts.values_mut() {
            if let Some(other) = row.merged_into.and_then(|into| others.get(&into)) {
                *row = other.clone();
            } else {
                row.merged_into = None;
            }
        }
    }
}

async fn people(
    finder: &Finder<Contacts>,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, Person>, Error> {
    let mut find = finder.select_as::<Person>();
    find.when("contact_id = any({})", Some(ids));
    let people: Vec<Person> = find.fetch_all().await?;
    Ok(people.into_iter().map(|person| (person.contact_id, person)).collect())
}

/// The token under which a personal value stands in a column.
pub(crate) fn token<T>(personal: &Personal<T>) -> Option<String> {
    match personal {
        Personal::Encrypted(token) => Some(token.clone()),
        // Only a log that was written without encryption, as by another program, has clear ones;
        // they never reach a column.
        Personal::Clear(_) | Personal::Erased => None,
    }
}
