//! The peer's views: what an inbox shows of a conversation, and what was said in it.

use chrono::{DateTime, Utc};
use cqrs_es::{EventEnvelope, View};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::conversation::{Conversation, Customer, Event};

/// With the columns that Verbatim's inbox has.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Inbox {
    conversation_id: String,
    contact: Option<Customer>,
    status: String,
    assignee_id: Option<Uuid>,
    cycle: u32,
    unread_count: u32,
    message_count: u32,
    last_message_at: Option<DateTime<Utc>>,
    last_message_kind: Option<String>,
    last_message_author: Option<String>,
    preview: Option<String>,
    opened_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    version: usize,
}

impl View<Conversation> for Inbox {
    fn update(&mut self, event: &EventEnvelope<Conversation>) {
        self.version = event.sequence;
        match &event.payload {
            Event::Opened { from, at } => {
                self.conversation_id.clone_from(&event.aggregate_id);
                self.contact = Some(from.clone());
                self.status = "open".to_owned();
                self.cycle = 1;
                self.opened_at = Some(*at);
            }
            Event::MessageReceived(message) => {
                self.unread_count += 1;
                self.message_count += 1;
                if self.last_message_at.is_none_or(|newest| newest <= message.at) {
                    self.last_message_at = Some(message.at);
                    self.last_message_kind = Some("text".to_owned());
                    self.last_message_author = Some("customer".to_owned());
                    self.preview = Some(message.body.clone());
                }
            }
            Event::NoteAdded { .. } => {}
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Messages {
    pub(crate) messages: Vec<Message>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    id: Uuid,
    kind: String,
    author: String,
    at: DateTime<Utc>,
    body: String,
}

impl View<Conversation> for Messages {
    fn update(&mut self, event: &EventEnvelope<Conversation>) {
        let (id, kind, author, at, body) = match &event.payload {
            Event::Opened { .. } => return,
            Event::MessageReceived(message) => {
                (message.message, "text", "customer", message.at, &message.body)
            }
            Event::NoteAdded { note, at, body } => (*note, "note", "human", *at, body),
        };
        let (kind, author, body) = (kind.to_owned(), author.to_owned(), body.clone());
        self.messages.push(Message { id, kind, author, at, body });
    }
}
