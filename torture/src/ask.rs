//! What clients ask for: each thing has a number, from which its key and its unique text follow, so
//! that it can be asked again at any time and recognised wherever it turns up.

use std::fmt;

use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simulators::whatsapp::{self, Line};

use crate::stage::customer;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Note,
    Message,
    Ticket,
    Payout,
    Approval,
    /// A customer's message, told by a signed webhook.
    Webhook,
}

/// One thing that a client wants done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// The conversation or payout that it is about; of a webhook, which customer writes.
    pub(crate) about: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Note => "note",
            Kind::Message => "message",
            Kind::Ticket => "ticket",
            Kind::Payout => "payout",
            Kind::Approval => "approval",
            Kind::Webhook => "webhook",
        })
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.number)
    }
}

impl Ask {
    /// The text that only this has: by it the thing is found again. An approval is found at its
    /// payout.
    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Approval => format!("approval of {}", self.about),
            _ => self.to_string(),
        }
    }

    pub(crate) fn key(&self) -> String {
        self.to_string().replace(' ', "-")
    }

    /// Whether a key says that it is the same again. Providers send none.
    pub(crate) fn has_key(&self) -> bool {
        self.kind != Kind::Webhook
    }

    pub(crate) fn path(&self) -> String {
        match self.kind {
            Kind::Note => format!("/v1/conversations/{}/notes", self.about),
            Kind::Message => format!("/v1/conversations/{}/messages", self.about),
            Kind::Ticket => "/v1/tickets".to_owned(),
            Kind::Payout => "/v1/payouts".to_owned(),
            Kind::Approval => format!("/v1/payouts/{}/approve", self.about),
            Kind::Webhook => String::new(),
        }
    }

    pub(crate) fn body(&self) -> Value {
        let name = self.name();
        match self.kind {
            Kind::Note => json!({"body": name}),
            Kind::Message => json!({"type": "text", "text": {"body": name}}),
            Kind::Ticket => json!({"subject": name, "conversation_id": self.about}),
            Kind::Payout => json!({
                "amount": 500 + self.number, "currency": "RWF", "provider": "MTN_MOMO_RWA",
                "recipient": {"phone": format!("+250788{:06}", self.number % 1_000_000)},
                "reason": name,
            }),
            Kind::Approval | Kind::Webhook => Value::Null,
        }
    }

    /// The bytes in which Meta tells what the customer wrote: the same at each delivery.
    pub(crate) fn told_by(&self, line: &Line) -> Vec<u8> {
        let who = customer(self.about.parse().unwrap_or_default());
        let seconds = i64::try_from(self.number).unwrap_or_default();
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_600) + TimeDelta::seconds(seconds);
        let (id, content) = (format!("wamid.{}", self.key()), json!({"body": self.name()}));
        let said = whatsapp::message(line, &who, &id, at, "text", content, Value::Null);
        whatsapp::bytes(whatsapp::envelope(line, "messages", said))
    }

    /// The member of the answer that names what was made.
    pub(crate) fn id_in<'a>(&self, data: &'a Value) -> Option<&'a str> {
        let member = match self.kind {
            Kind::Note => "note_id",
            Kind::Message => "message_id",
            _ => "id",
        };
        data[member].as_str()
    }
}
