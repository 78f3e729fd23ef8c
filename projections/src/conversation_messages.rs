//! What was said in a conversation: one row for each message and note, with what became of it.
//! A row may begin with a receipt or a reaction whose message is still to come.

mod among;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::conversation::{Author, Event, Message, Outgoing, Receipt};
use domain::message::{Delivery, DeliveryError, Kind};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Recorded;
use crate::contacts::token;
use crate::facts::{Facts, Group, Measure};
use crate::finder::time;
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, column, sparse};

pub use among::{Among, find};

pub struct ConversationMessages;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
    pub message_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
    pub message_id: Uuid,
    /// Empty while the message itself has not come.
    pub kind: Option<String>,
    pub author: Option<String>,
    pub contact_id: Option<Uuid>,
    pub channel_id: Option<Uuid>,
    pub cycle: Option<u32>,
    /// By the provider's clock; of a note, when it was recorded.
    pub at: Option<DateTime<Utc>>,
    pub message_order: Option<String>,
    /// Token of the body.
    pub body: Option<String>,
    /// The newest edit of the body.
    pub edited: Option<Touch>,
    /// The newest reaction of each, by contact; the organisation's own under `business`.
    #[serde(with = "sparse")]
    pub reactions: BTreeMap<String, Touch>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub reply_to: Option<Uuid>,
    /// Other contents that came under the same provider id. The earliest is shown as the message.
    #[serde(with = "sparse")]
    pub conflicts: Vec<Version>,
    pub imported: bool,
    /// How far the message got; it never falls back.
    pub delivery: Option<String>,
    /// When each step was, by the provider's clock.
    #[serde(with = "sparse")]
    pub receipts: BTreeMap<String, DateTime<Utc>>,
    #[serde(with = "sparse")]
    pub errors: Vec<DeliveryError>,
    /// Of a message that left through us: when it was written, and by which member.
    pub queued_at: Option<DateTime<Utc>>,
    pub sender: Option<Uuid>,
    pub recorded_at: DateTime<Utc>,
}

/// A message as somebody is shown it: the columns that are read by the page. Short texts need no memory
/// of their own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Shown {
    pub conversation_id: Uuid,
    pub message_id: Uuid,
    pub kind: Option<SmolStr>,
    pub author: Option<SmolStr>,
    pub contact_id: Option<Uuid>,
    pub cycle: Option<u32>,
    #[serde(deserialize_with = "time::read_if_any")]
    pub at: Option<DateTime<Utc>>,
    pub message_order: Option<SmolStr>,
    pub body: Option<String>,
    pub edited: Option<Touch>,
    #[serde(deserialize_with = "sparse::deserialize")]
    pub reactions: BTreeMap<String, Touch>,
    #[serde(deserialize_with = "time::read_if_any")]
    pub revoked_at: Option<DateTime<Utc>>,
    pub reply_to: Option<Uuid>,
    #[serde(deserialize_with = "sparse::deserialize")]
    pub conflicts: Vec<Version>,
    pub imported: bool,
    pub delivery: Option<SmolStr>,
    #[serde(deserialize_with = "sparse::deserialize")]
    pub receipts: BTreeMap<String, DateTime<Utc>>,
    #[serde(deserialize_with = "sparse::deserialize")]
    pub errors: Vec<DeliveryError>,
    #[serde(deserialize_with = "time::read")]
    pub recorded_at: DateTime<Utc>,
}

/// One content of a message that came with several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub at: DateTime<Utc>,
    pub order: String,
    pub kind: String,
    pub author: String,
    pub contact_id: Uuid,
    pub cycle: u32,
    pub body: Option<String>,
    pub reply_to: Option<Uuid>,
    pub imported: bool,
}

/// What a later message did to this one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    pub at: DateTime<Utc>,
    pub order: String,
    pub body: Option<String>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("conversation_id", "uuid"),
        column("message_id", "uuid"),
        column("kind", "text"),
        column("author", "text"),
        column("contact_id", "uuid"),
        column("channel_id", "uuid"),
        column("cycle", "bigint"),
        column("at", "timestamptz"),
        column("message_order", "text"),
        column("body", "text"),
        column("edited", "jsonb"),
        column("reactions", "jsonb"),
        column("revoked_at", "timestamptz"),
        column("reply_to", "uuid"),
        column("conflicts", "jsonb"),
        column("imported", "boolean"),
        column("delivery", "text"),
        column("receipts", "jsonb"),
        column("errors", "jsonb"),
        column("queued_at", "timestamptz"),
        column("sender", "uuid"),
        column("recorded_at", "timestamptz"),
    ];
    const KEY: usize = 3;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, conversation_id, at desc, (coalesce(message_order, '')) desc, message_id desc)
         where kind is not null",
        "(tenant_id, queued_at, delivery) where queued_at is not null",
    ];
}

impl ReadModel for ConversationMessages {
    const NAME: &'static str = "conversation_messages";
    const VERSION: u32 = 3;
    const SOURCE: Source = Source::Stream("conversation");
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Conversation(event) = &recorded.event else { return vec![] };
        let key = |message_id| Key {
            tenant_id: recorded.stored.tenant_id,
            conversation_id: recorded.stream(),
            message_id,
        };
        event.messages().into_iter().map(key).collect()
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Conversation(event) = &recorded.event else { return row };
        let mut row = row.unwrap_or_else(|| blank(key, recorded.stored.recorded_at));
        match event {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => {
                row.take_in(message, recorded.stored.recorded_at);
            }
            Event::MessageQueued(message) => row.queue(message, recorded),
            Event::Unknown { .. } => row.stand("unknown"),
            Event::MessageRetried { .. } => row.delivery = Some("queued".into()),
            Event::MessageDiscarded { .. } => row.delivery = Some("discarded".into()),
            Event::Dispatched(receipt) => row.advance(Delivery::Sent, receipt),
            Event::Delivered(receipt) => row.advance(Delivery::Delivered, receipt),
            Event::Read(receipt) => row.advance(Delivery::Read, receipt),
            Event::Played(receipt) => row.advance(Delivery::Played, receipt),
            Event::Failed(receipt) => row.advance(Delivery::Failed, receipt),
            Event::Merged { .. } => return None,
            Event::NoteAdded { cycle, at, body, .. } => {
                row.kind = Some("note".into());
                row.author = Some("human".into());
                row.cycle = Some(*cycle);
                row.at = Some(*at);
                row.body = token(body);
            }
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. }
            | Event::ContactReplaced { .. } => {}
        }
        Some(row)
    }
}

fn blank(key: &Key, recorded_at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        conversation_id: key.conversation_id,
        message_id: key.message_id,
        kind: None,
        author: None,
        contact_id: None,
        channel_id: None,
        cycle: None,
        at: None,
        message_order: None,
        body: None,
        edited: None,
        reactions: BTreeMap::new(),
        revoked_at: None,
        reply_to: None,
        conflicts: vec![],
        imported: false,
        delivery: None,
        receipts: BTreeMap::new(),
        errors: vec![],
        queued_at: None,
        sender: None,
        recorded_at,
    }
}

/// How far a step is on the way. A message that was delivered has not failed.
pub(crate) fn rank(delivery: &str) -> u8 {
    match delivery {
        "sent" => 1,
        "failed" => 2,
        "delivered" => 3,
        "read" => 4,
        "played" => 5,
        _ => 0,
    }
}

impl Row {
    fn take_in(&mut self, message: &Message, recorded_at: DateTime<Utc>) {
        if message.touched().is_some() {
            let by = match message.author {
                Author::Customer => message.contact.to_string(),
                _ => "business".into(),
            };
            let touch =
                Touch { at: message.at, order: message.order.clone(), body: token(&message.body) };
            return self.touch(message.kind, by, touch);
        }
        self.channel_id = Some(message.channel);
        let placeholder = Kind::MediaPlaceholder.as_str();
        let mut versions: Vec<Version> = self.shown().into_iter().collect();
        versions.append(&mut self.conflicts);
        versions.push(Version {
            at: message.at,
            order: message.order.clone(),
            kind: message.kind.as_str().into(),
            author: author(message.author).into(),
            contact_id: message.contact,
            cycle: message.cycle,
            body: token(&message.body),
            reply_to: message.reply_to,
            imported: message.imported,
        });
        // The placeholder of an imported history makes room for the real message.
        if versions.iter().any(|version| version.kind != placeholder) {
            versions.retain(|version| version.kind != placeholder);
        }
        versions.sort_by(|a, b| (a.at, &a.order).cmp(&(b.at, &b.order)));
        versions.dedup_by(|a, b| (a.at, &a.order) == (b.at, &b.order));
        self.show(versions.remove(0));
        self.conflicts = versions;
        self.recorded_at = recorded_at;
    }

    /// The version that the row shows, once there is one.
    fn shown(&self) -> Option<Version> {
        Some(Version {
            at: self.at?,
            order: self.message_order.clone()?,
            kind: self.kind.clone()?,
            author: self.author.clone()?,
            contact_id: self.contact_id?,
            cycle: self.cycle?,
            body: self.body.clone(),
            reply_to: self.reply_to,
            imported: self.imported,
        })
    }

    fn show(&mut self, version: Version) {
        self.at = Some(version.at);
        self.message_order = Some(version.order);
        self.kind = Some(version.kind);
        self.author = Some(version.author);
        self.contact_id = Some(version.contact_id);
        self.cycle = Some(version.cycle);
        self.body = version.body;
        self.reply_to = version.reply_to;
        self.imported = version.imported;
    }

    /// A message of ours, before the provider has heard of it.
    fn queue(&mut self, message: &Outgoing, recorded: &Recorded) {
        let (at, order, body) = (message.at, message.order.clone(), token(&message.body));
        if message.touched().is_some() {
            return self.touch(message.kind, "business".into(), Touch { at, order, body });
        }
        self.show(Version {
            at,
            order,
            kind: message.kind.as_str().into(),
            author: author(message.author).into(),
            contact_id: message.contact,
            cycle: message.cycle,
            body,
            reply_to: message.reply_to,
            imported: false,
        });
        self.channel_id = Some(message.channel);
        self.queued_at = Some(message.at);
        // Who merged two conversations did not write what was said in them.
        self.sender = recorded.user().filter(|_| !message.moved);
        self.recorded_at = recorded.stored.recorded_at;
        self.stand("queued");
    }

    fn touch(&mut self, kind: Kind, by: String, touch: Touch) {
        let newer = |old: &Touch| (old.at, &old.order) < (touch.at, &touch.order);
        match kind {
            Kind::Revoke => {
                let first = self.revoked_at.map_or(touch.at, |at| at.min(touch.at));
                self.revoked_at = Some(first);
            }
            Kind::Reaction if self.reactions.get(&by).is_none_or(newer) => {
                self.reactions.insert(by, touch);
            }
            Kind::Edit if self.edited.as_ref().is_none_or(newer) => self.edited = Some(touch),
            _ => {}
        }
    }

    /// Where a message of ours stands as long as the provider has told nothing.
    fn stand(&mut self, standing: &str) {
        if self.delivery.as_deref().map_or(0, rank) == 0 {
            self.delivery = Some(standing.into());
        }
    }

    fn advance(&mut self, step: Delivery, receipt: &Receipt) {
        let step = step.as_str();
        let known = self.receipts.entry(step.into()).or_insert(receipt.at);
        *known = receipt.at.min(*known);
        if self.delivery.as_deref().map_or(0, rank) < rank(step) {
            self.delivery = Some(step.into());
        }
        for error in &receipt.errors {
            if !self.errors.contains(error) {
                self.errors.push(error.clone());
            }
        }
        self.errors.sort_by(|a, b| (a.code, &a.title).cmp(&(b.code, &b.title)));
    }
}

impl Facts for ConversationMessages {
    const SHOWN: &'static str = "tenant_id, conversation_id, message_id, kind, author, contact_id,
        channel_id, cycle, delivery, coalesce(errors, '[]') as errors, queued_at, sender";
    const MEASURES: &'static [Measure] =
        &[WRITTEN, WAITING, SENT, DELIVERED, READ, FAILED, UNKNOWN, DISCARDED];
    const GROUPS: &'static [Group] = &[AUTHOR, FAILURE, SENDER];
}

/// Who wrote a message.
pub const AUTHOR: Group = Group { name: "author", sql: "author" };
/// The provider's code of why a message failed, and its words.
pub const FAILURE: Group = Group {
    name: "failure",
    sql: "json_build_array(errors -> 0 -> 'code', errors -> 0 -> 'title')::text",
};
pub const SENDER: Group = Group { name: "sender", sql: "sender::text" };

/// Messages that left through us or should; each counts when it was written, whatever became of
/// it since, so that the steps of its way are parts of the same whole.
pub const WRITTEN: Measure =
    Measure { agent: Some("sender"), ..Measure::new("messages.written", "queued_at") };
pub const WAITING: Measure =
    Measure { name: "messages.waiting", when: Some("delivery = 'queued'"), ..WRITTEN };
/// The provider took them; those that got further are among them.
pub const SENT: Measure = Measure {
    name: "messages.sent",
    when: Some("delivery in ('sent', 'delivered', 'read', 'played')"),
    ..WRITTEN
};
pub const DELIVERED: Measure = Measure {
    name: "messages.delivered",
    when: Some("delivery in ('delivered', 'read', 'played')"),
    ..WRITTEN
};
pub const READ: Measure =
    Measure { name: "messages.read", when: Some("delivery in ('read', 'played')"), ..WRITTEN };
pub const FAILED: Measure =
    Measure { name: "messages.failed", when: Some("delivery = 'failed'"), ..WRITTEN };
pub const UNKNOWN: Measure =
    Measure { name: "messages.unknown", when: Some("delivery = 'unknown'"), ..WRITTEN };
pub const DISCARDED: Measure =
    Measure { name: "messages.discarded", when: Some("delivery = 'discarded'"), ..WRITTEN };

/// The last row of a page. Messages of one moment stand in the order of their content's hash, as
/// the inbox chooses the newest, so that the order in which they arrived changes nothing.
pub type Cursor = (DateTime<Utc>, String, Uuid);

/// What a receipt, a reaction or the like takes.
const PART: usize = 512;

impl Shown {
    /// Its personal values.
    pub fn tokens(&self) -> impl Iterator<Item = &String> {
        let touches = self.edited.iter().chain(self.reactions.values()).map(|touch| &touch.body);
        let conflicts = self.conflicts.iter().map(|version| &version.body);
        [&self.body].into_iter().chain(touches).chain(conflicts).flatten()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let tokens: usize = self.tokens().map(String::len).sum();
        let parts = self.receipts.len() + self.reactions.len() + self.conflicts.len();
        size_of::<Shown>() + tokens + (parts + self.errors.len()) * PART
    }

    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Option<Cursor> {
        Some((
            self.at?,
            self.message_order.as_deref().unwrap_or_default().to_owned(),
            self.message_id,
        ))
    }
}
