//! The statuses that tell what became of a message from the shop.

use serde_json::{Map, Value, json};

use super::beat::Fate;

/// What the shop pays for a message, in the words of Meta's bill.
#[derive(Clone, Copy)]
pub(super) struct Price {
    pub(super) category: &'static str,
    /// Why it is free, if it is.
    pub(super) free: Option<&'static str>,
}

impl Price {
    pub(super) const SERVICE: Price =
        Price { category: "service", free: Some("free_customer_service") };
    /// Who came by an advertisement is answered free of charge for three days.
    pub(super) const FROM_AD: Price =
        Price { category: "referral_conversion", free: Some("free_entry_point") };

    pub(super) fn of(category: &'static str) -> Price {
        if category == "service" { Price::SERVICE } else { Price { category, free: None } }
    }

    fn pricing(self) -> Value {
        json!({
            "billable": self.free.is_none(),
            "pricing_model": "PMP",
            "type": self.free.unwrap_or("regular"),
            "category": self.category,
        })
    }

    /// Meta still names the conversation where an advertisement opened it.
    fn conversation(self) -> Option<Value> {
        (self.category == Price::FROM_AD.category).then(
            || json!({"id": "7c1f0a5be2d94c3f8a6604d1e9b35a70", "origin": {"type": self.category}}),
        )
    }
}

/// A status, and how many seconds after the message it happened.
pub(super) type Step = (&'static str, i64);

/// The webhooks that follow a message, each with the statuses in it, in the order of arrival.
pub(super) fn webhooks(fate: Fate) -> &'static [&'static [Step]] {
    match fate {
        Fate::Read => &[&[("sent", 1)], &[("delivered", 3)], &[("read", 24)]],
        Fate::ReadAtOnce => &[&[("sent", 1)], &[("delivered", 9), ("read", 10)]],
        Fate::Seen => &[&[("sent", 1)], &[("read", 3)]],
        Fate::Delivered => &[&[("sent", 1)], &[("delivered", 5)]],
        Fate::Sent => &[&[("sent", 1)]],
        Fate::ReadFirst => &[&[("sent", 1)], &[("read", 15)], &[("delivered", 4)]],
        Fate::BeforeEcho => &[&[("sent", 0)], &[("delivered", 14)], &[("read", 31)]],
        Fate::Played => &[&[("sent", 1)], &[("delivered", 3)], &[("read", 20)], &[("played", 36)]],
        // WhatsApp takes a message first and then finds that nobody can receive it; a message
        // outside the customer service window it doesn't even take.
        Fate::Failed(131026) => &[&[("sent", 1)], &[("failed", 4)]],
        Fate::Failed(_) => &[&[("failed", 1)]],
    }
}

/// What stands beside a status. The price is told with `sent` and once more with what says that the
/// message arrived.
pub(super) fn extras(status: &str, fate: Fate, price: Price, system: Option<&str>) -> Value {
    let mut extras = Map::new();
    if let Some(name) = system {
        extras.insert("biz_opaque_callback_data".into(), json!(name));
    }
    let arrived = if fate == Fate::Seen { "read" } else { "delivered" };
    if status == "sent" || status == arrived {
        extras.insert("pricing".into(), price.pricing());
        extras.extend(price.conversation().map(|it| ("conversation".to_owned(), it)));
    }
    if let (Fate::Failed(code), "failed") = (fate, status) {
        extras.insert("errors".into(), json!([error(code)]));
    }
    Value::Object(extras)
}

fn error(code: u32) -> Value {
    let (title, details) = match code {
        131047 => (
            "Re-engagement message",
            "The customer last wrote more than 24 hours ago, so only a template can be sent.",
        ),
        _ => ("Message undeliverable", "Message Undeliverable."),
    };
    json!({
        "code": code,
        "title": title,
        "message": title,
        "error_data": {"details": details},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    })
}
