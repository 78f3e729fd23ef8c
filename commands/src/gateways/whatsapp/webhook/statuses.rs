//! What became of messages that we sent.

use chrono::{DateTime, Utc};
use domain::message::{ConversationOrigin, Delivery, DeliveryError, Pricing};
use serde_json::Value;

use super::node::{Node, flag, moment, name, text};
use super::{Change, Malformed, Party, Update, content, updates};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The message's.
    pub provider_id: String,
    pub status: Delivery,
    pub at: DateTime<Utc>,
    /// The person it reached; in a group one status comes for each.
    pub recipient: Party,
    pub group: Option<String>,
    pub errors: Vec<DeliveryError>,
    pub pricing: Option<Pricing>,
    pub conversation: Option<ConversationOrigin>,
    /// What we gave along when we sent it.
    pub callback_data: Option<String>,
    pub raw: String,
}

pub(super) fn status(change: &Change, item: &Node) -> Result<Update, Malformed> {
    if change.field == "calls" || item.text("type").as_deref() == Some("call") {
        return updates::call_status(change, item);
    }
    let provider_id = item.id("id")?;
    let word = item.id("status")?;
    let at = item.time("timestamp")?;
    let Some(status) = delivery(&word) else {
        return Ok(Update::Unsupported { field: change.field.clone(), body: item.raw() });
    };
    let in_group = item.text("recipient_type").as_deref() == Some("group");
    Ok(Update::Status(Status {
        provider_id,
        status,
        at,
        recipient: recipient(item.value, in_group).joined(&change.contacts),
        group: item.text("recipient_id").filter(|_| in_group),
        errors: content::errors(item.value),
        pricing: item.get("pricing").map(pricing),
        conversation: item.get("conversation").map(conversation),
        callback_data: item.text("biz_opaque_callback_data"),
        raw: item.raw(),
    }))
}

pub(super) fn delivery(word: &str) -> Option<Delivery> {
    match word.to_ascii_lowercase().as_str() {
        "sent" => Some(Delivery::Sent),
        "delivered" => Some(Delivery::Delivered),
        "read" => Some(Delivery::Read),
        "played" => Some(Delivery::Played),
        "failed" => Some(Delivery::Failed),
        _ => None,
    }
}

pub(super) fn recipient(item: &Value, in_group: bool) -> Party {
    let role = if in_group { "recipient_participant" } else { "recipient" };
    Party { wa_id: name(item, &format!("{role}_id")), ..Party::named(item, role) }
}

fn pricing(part: &Value) -> Pricing {
    Pricing {
        billable: flag(part, "billable"),
        pricing_model: text(part, "pricing_model"),
        category: text(part, "category"),
        kind: text(part, "type"),
    }
}

fn conversation(part: &Value) -> ConversationOrigin {
    ConversationOrigin {
        id: text(part, "id"),
        origin_type: part.get("origin").and_then(|origin| text(origin, "type")),
        expires_at: moment(part, "expiration_timestamp"),
    }
}
