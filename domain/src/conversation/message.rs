//! A message of a conversation, and what the provider tells about its way.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::State;
use crate::Personal;
use crate::message::{Content, DeliveryError, Kind, Pricing, Referral};

/// One message as the provider carried it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub message: Uuid,
    pub channel: Uuid,
    /// Who wrote it, or for what the organisation wrote, to whom.
    pub contact: Uuid,
    /// The round of the conversation; the aggregate sets it.
    #[serde(default)]
    pub cycle: u32,
    pub kind: Kind,
    /// The provider's time.
    pub at: DateTime<Utc>,
    /// A hash of line, provider id and content: orders messages of the same moment the same way,
    /// whichever came first and wherever.
    pub order: String,
    pub body: Personal<Body>,
    pub provider_id: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Uuid>,
    /// The message that a reaction, edit or revoke is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Uuid>,
    /// Another content came under the same provider id before; both are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
    /// Came with a conversation that was merged into this one: it was counted there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Part of a history that the provider handed over: nothing new, so it opens nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// The line that the provider named, where it is not the channel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    pub author: Author,
}

impl Message {
    /// Whether somebody should look at it, as opposed to a touch on another message.
    pub fn is_news(&self) -> bool {
        !self.imported && !self.is_touch()
    }

    /// The message that this one only changes.
    pub fn touched(&self) -> Option<Uuid> {
        self.target.filter(|_| self.is_touch())
    }

    fn is_touch(&self) -> bool {
        matches!(self.kind, Kind::Reaction | Kind::Edit | Kind::Revoke)
    }

    /// What the newest of several is decided by, whichever came first.
    pub fn order(&self) -> (DateTime<Utc>, &str) {
        (self.at, &self.order)
    }
}

/// A message that somebody wants to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub message: Uuid,
    pub kind: Kind,
    pub order: String,
    pub body: Personal<Body>,
    pub reply_to: Option<Uuid>,
    /// The message that a reaction is about.
    pub target: Option<Uuid>,
    pub author: Author,
}

/// A message of ours, from when it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    pub message: Uuid,
    pub channel: Uuid,
    pub contact: Uuid,
    pub cycle: u32,
    pub kind: Kind,
    pub at: DateTime<Utc>,
    /// Orders messages of the same moment.
    pub order: String,
    pub body: Personal<Body>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Uuid>,
    /// The template that it fills in: counted by, so it stands outside the encrypted body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    pub author: Author,
    /// Where the conversation stood before.
    pub from: State,
}

impl Outgoing {
    pub(super) fn new(
        draft: Draft,
        channel: Uuid,
        contact: Uuid,
        cycle: u32,
        at: DateTime<Utc>,
        from: State,
    ) -> Self {
        let Draft { message, kind, order, body, reply_to, target, author } = draft;
        let moved = false;
        let template = body.clear().and_then(|body| TemplateName::of(&body.content));
        Outgoing {
            message,
            channel,
            contact,
            cycle,
            kind,
            at,
            order,
            body,
            reply_to,
            target,
            template,
            moved,
            author,
            from,
        }
    }

    /// Whether it says something, as opposed to touching another message.
    pub fn is_news(&self) -> bool {
        self.kind != Kind::Reaction
    }

    /// The message that this one only changes.
    pub fn touched(&self) -> Option<Uuid> {
        self.target.filter(|_| !self.is_news())
    }
}

/// A template as the provider knows it on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateName {
    pub name: String,
    pub language: String,
}

impl TemplateName {
    fn of(content: &Content) -> Option<Self> {
        match content {
            Content::Template { name, language, .. } => {
                Some(TemplateName { name: name.clone()?, language: language.clone()? })
            }
            _ => None,
        }
    }
}

/// What was said, and what it hangs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<crate::message::Context>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MessageAuthor")]
pub enum Author {
    Customer,
    Human,
    Bot,
    Automation,
    Campaign,
}

/// What the provider told about a message's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub message: Uuid,
    pub channel: Uuid,
    pub contact: Uuid,
    /// The provider's time.
    pub at: DateTime<Utc>,
    /// Missing where the provider refused the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DeliveryError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Came with a conversation that was merged into this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// The provider's JSON, whole.
    pub raw: Personal<String>,
}
