//! What was said in a conversation: one row for each message and note, with what became of it.
//! A row may begin with a receipt or a reaction whose message is still to come.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::conversation::{Event, Message, Receipt};
use domain::message::{Delivery, DeliveryError, Kind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::Finder;
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

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
    pub cycle: Option<u32>,
    /// By the provider's clock; of a note, when it was recorded.
    pub at: Option<DateTime<Utc>>,
    pub message_order: Option<String>,
    /// Token of the body.
    pub body: Option<String>,
    /// The newest edit of the body.
    pub edited: Option<Touch>,
    /// The newest reaction of each, by contact; the organisation's own under `business`.
    pub reactions: BTreeMap<String, Touch>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub reply_to: Option<Uuid>,
    /// Another message came under the same provider id with other content.
    pub conflict: bool,
    pub imported: bool,
    /// How far the message got; it never falls back.
    pub delivery: Option<String>,
    /// When each step was, by the provider's clock.
    pub receipts: BTreeMap<String, DateTime<Utc>>,
    pub errors: Vec<DeliveryError>,
    pub recorded_at: DateTime<Utc>,
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
        column("cycle", "bigint"),
        column("at", "timestamptz"),
        column("message_order", "text"),
        column("body", "text"),
        column("edited", "jsonb"),
        column("reactions", "jsonb"),
        column("revoked_at", "timestamptz"),
        column("reply_to", "uuid"),
        column("conflict", "boolean"),
        column("imported", "boolean"),
        column("delivery", "text"),
        column("receipts", "jsonb"),
        column("errors", "jsonb"),
        column("recorded_at", "timestamptz"),
    ];
    const KEY: usize = 3;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, conversation_id, at desc, (coalesce(message_order, '')) desc, message_id desc)
         where kind is not null",
    ];
}

impl ReadModel for ConversationMessages {
    const NAME: &'static str = "conversation_messages";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("conversation");
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Conversation(event) = &recorded.event else { return vec![] };
        let messages = match event {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => {
                let own = message.target.filter(|_| touches(message)).unwrap_or(message.message);
                [Some(own), message.conflicts_with]
            }
            Event::Dispatched(receipt)
            | Event::Delivered(receipt)
            | Event::Read(receipt)
            | Event::Played(receipt)
            | Event::Failed(receipt) => [Some(receipt.message), None],
            Event::NoteAdded { note, .. } => [Some(*note), None],
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. } => [None, None],
        };
        let key = |message_id| Key {
            tenant_id: recorded.stored.tenant_id,
            conversation_id: recorded.stream(),
            message_id,
        };
        messages.into_iter().flatten().map(key).collect()
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Conversation(event) = &recorded.event else { return row };
        let mut row = row.unwrap_or_else(|| blank(key, recorded.stored.recorded_at));
        match event {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => {
                row.take_in(message, recorded.stored.recorded_at);
            }
            Event::Dispatched(receipt) => row.advance(Delivery::Sent, receipt),
            Event::Delivered(receipt) => row.advance(Delivery::Delivered, receipt),
            Event::Read(receipt) => row.advance(Delivery::Read, receipt),
            Event::Played(receipt) => row.advance(Delivery::Played, receipt),
            Event::Failed(receipt) => row.advance(Delivery::Failed, receipt),
            Event::NoteAdded { cycle, body, .. } => {
                row.kind = Some("note".into());
                row.author = Some("human".into());
                row.cycle = Some(*cycle);
                row.at = Some(recorded.stored.recorded_at);
                row.body = token(body);
            }
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. } => {}
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
        cycle: None,
        at: None,
        message_order: None,
        body: None,
        edited: None,
        reactions: BTreeMap::new(),
        revoked_at: None,
        reply_to: None,
        conflict: false,
        imported: false,
        delivery: None,
        receipts: BTreeMap::new(),
        errors: vec![],
        recorded_at,
    }
}

/// Whether the message is only a change to another one.
fn touches(message: &Message) -> bool {
    matches!(message.kind, Kind::Reaction | Kind::Edit | Kind::Revoke)
}

/// How far a step is on the way. A message that was delivered has not failed.
fn rank(delivery: &str) -> u8 {
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
        if touches(message) && message.target == Some(self.message_id) {
            return self.touch(message);
        }
        if message.conflicts_with == Some(self.message_id) {
            self.conflict = true;
            return;
        }
        // The placeholder of an imported history never covers the real message.
        if message.kind == Kind::MediaPlaceholder && self.kind.is_some() {
            return;
        }
        self.kind = Some(message.kind.as_str().into());
        self.author = Some(author(message.author).into());
        self.contact_id = Some(message.contact);
        self.cycle = Some(message.cycle);
        self.at = Some(message.at);
        self.message_order = Some(message.order.clone());
        self.body = token(&message.body);
        self.reply_to = message.reply_to;
        self.conflict |= message.conflicts_with.is_some();
        self.imported = message.imported;
        self.recorded_at = recorded_at;
    }

    fn touch(&mut self, message: &Message) {
        let touch =
            Touch { at: message.at, order: message.order.clone(), body: token(&message.body) };
        let newer = |old: &Touch| (old.at, old.order.as_str()) < message.order();
        match message.kind {
            Kind::Revoke => {
                let first = self.revoked_at.map_or(message.at, |at| at.min(message.at));
                self.revoked_at = Some(first);
            }
            Kind::Reaction => {
                let by = match message.author {
                    domain::conversation::Author::Customer => message.contact.to_string(),
                    _ => "business".into(),
                };
                if self.reactions.get(&by).is_none_or(newer) {
                    self.reactions.insert(by, touch);
                }
            }
            _ if self.edited.as_ref().is_none_or(newer) => self.edited = Some(touch),
            _ => {}
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

/// The last row of a page. Messages of one moment stand in the order of their content's hash, as
/// the inbox chooses the newest, so that the order in which they arrived changes nothing.
pub type Cursor = (DateTime<Utc>, String, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Option<Cursor> {
        Some((self.at?, self.message_order.clone().unwrap_or_default(), self.message_id))
    }
}

/// What was said in a conversation, newest first.
pub async fn page(
    finder: &Finder<ConversationMessages>,
    conversation: Uuid,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.sql.push(" and kind is not null");
    find.when("conversation_id = {}", Some(conversation));
    if let Some((at, order, message)) = after {
        find.sql.push(" and (at, coalesce(message_order, ''), message_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(order).push(", ").push_bind(message).push(")");
    }
    let order = "at desc, coalesce(message_order, '') desc, message_id desc";
    find.fetch(order, limit).await
}
