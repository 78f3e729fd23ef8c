//! What became of templates when they were used: one row for each message that fills one in.

use chrono::{DateTime, Utc};
use domain::conversation::{Event, Outgoing};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Recorded;
use crate::conversation_messages::rank;
use crate::facts::{Facts, Group, Measure};
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, column};

pub struct TemplateUsage;

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
    pub channel_id: Uuid,
    pub name: String,
    pub language: String,
    pub author: String,
    pub sender: Option<Uuid>,
    pub used_at: DateTime<Utc>,
    /// How far the message got.
    pub delivery: String,
    /// The provider's code where it failed.
    pub failure: Option<i64>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("conversation_id", "uuid"),
        column("message_id", "uuid"),
        column("channel_id", "uuid"),
        column("name", "text"),
        column("language", "text"),
        column("author", "text"),
        column("sender", "uuid"),
        column("used_at", "timestamptz"),
        column("delivery", "text"),
        column("failure", "bigint"),
    ];
    const KEY: usize = 3;
    const INDEXES: &'static [&'static str] = &["(tenant_id, used_at)"];
}

impl ReadModel for TemplateUsage {
    const NAME: &'static str = "template_usage";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("conversation");
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Conversation(event) = &recorded.event else { return vec![] };
        let messages = match event {
            Event::MessageQueued(message) if message.template.is_none() => vec![],
            Event::MessageReceived(_) | Event::MessageEchoed(_) | Event::NoteAdded { .. } => vec![],
            event => event.messages(),
        };
        let key = |message_id| Key {
            tenant_id: recorded.stored.tenant_id,
            conversation_id: recorded.stream(),
            message_id,
        };
        messages.into_iter().map(key).collect()
    }

    /// Receipts and decisions about messages without a template make no row.
    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Conversation(event) = &recorded.event else { return row };
        let mut row = match (row, event) {
            (None, Event::MessageQueued(message)) => used(key, message, recorded.user())?,
            (row, _) => row?,
        };
        match event {
            Event::Dispatched(_) => row.advance("sent"),
            Event::Delivered(_) => row.advance("delivered"),
            Event::Read(_) => row.advance("read"),
            Event::Played(_) => row.advance("played"),
            Event::Failed(receipt) => {
                row.failure = receipt.errors.first().map(|error| error.code).or(row.failure);
                row.advance("failed");
            }
            Event::Unknown { .. } if rank(&row.delivery) == 0 => row.delivery = "unknown".into(),
            Event::MessageRetried { .. } => row.delivery = "queued".into(),
            Event::MessageDiscarded { .. } => row.delivery = "discarded".into(),
            Event::Merged { .. } => return None,
            _ => {}
        }
        Some(row)
    }
}

fn used(key: &Key, message: &Outgoing, sender: Option<Uuid>) -> Option<Row> {
    let template = message.template.clone()?;
    Some(Row {
        tenant_id: key.tenant_id,
        conversation_id: key.conversation_id,
        message_id: key.message_id,
        channel_id: message.channel,
        name: template.name,
        language: template.language,
        author: author(message.author).into(),
        sender: sender.filter(|_| !message.moved),
        used_at: message.at,
        delivery: "queued".into(),
        failure: None,
    })
}

impl Row {
    fn advance(&mut self, step: &str) {
        if rank(&self.delivery) < rank(step) {
            self.delivery = step.into();
        }
    }
}

impl Facts for TemplateUsage {
    const SHOWN: &'static str = "*";
    const MEASURES: &'static [Measure] = &[USED, SENT, DELIVERED, READ, FAILED];
    const GROUPS: &'static [Group] = &[TEMPLATE, FAILURE];
}

/// A template: its channel, name and language.
pub const TEMPLATE: Group =
    Group { name: "template", sql: "json_build_array(channel_id, name, language)::text" };
/// A template, and the provider's code of a failure.
pub const FAILURE: Group =
    Group { name: "failure", sql: "json_build_array(channel_id, name, language, failure)::text" };

pub const USED: Measure =
    Measure { agent: Some("sender"), ..Measure::new("template_usage.used", "used_at") };
pub const SENT: Measure = Measure {
    name: "template_usage.sent",
    when: Some("delivery in ('sent', 'delivered', 'read', 'played')"),
    ..USED
};
pub const DELIVERED: Measure = Measure {
    name: "template_usage.delivered",
    when: Some("delivery in ('delivered', 'read', 'played')"),
    ..USED
};
pub const READ: Measure =
    Measure { name: "template_usage.read", when: Some("delivery in ('read', 'played')"), ..USED };
pub const FAILED: Measure =
    Measure { name: "template_usage.failed", when: Some("delivery = 'failed'"), ..USED };
