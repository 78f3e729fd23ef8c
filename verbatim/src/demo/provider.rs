//! What the providers tell on the day that is played, at its times: receipts of messages, and
//! verdicts on templates.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use simulators::whatsapp::{self, Line, Person};

use super::story::{Fate, Verdict};

/// A status of one of our messages.
pub(super) fn receipt(
    line: &Line,
    phone: &str,
    wamid: &str,
    message: &str,
    at: DateTime<Utc>,
    step: &str,
    fate: Fate,
) -> Vec<u8> {
    let person = Person {
        name: Cow::Borrowed(""),
        username: None,
        wa_id: Some(Cow::Owned(phone.to_owned())),
        user_id: None,
    };
    let mut extras = json!({"biz_opaque_callback_data": message});
    if let ("failed", Fate::Failed { code, title, details }) = (step, fate) {
        extras["errors"] = json!([{
            "code": code, "title": title, "message": title, "error_data": {"details": details},
        }]);
    }
    let status = whatsapp::status(&person, wamid, at, step, extras);
    let value = whatsapp::statuses(line, &[], vec![status]);
    whatsapp::bytes(whatsapp::envelope(line, "messages", value))
}

/// What the reviewers say of a template, as we know it.
pub(super) fn verdict(line: &Line, template: &Value, at: DateTime<Utc>, said: Verdict) -> Vec<u8> {
    let id = template["provider_template_id"].as_str().unwrap_or_default();
    let category = template["category"].as_str().unwrap_or_default().to_uppercase();
    let mut value = json!({
        "message_template_id": id.parse::<u64>().unwrap_or_default(),
        "message_template_name": template["name"],
        "message_template_language": template["language"],
        "message_template_category": category,
        "event": "APPROVED",
        "reason": "NONE",
    });
    if let Verdict::Rejected { reason, why, instead } = said {
        value["event"] = json!("REJECTED");
        value["reason"] = json!(reason);
        value["rejection_info"] = json!({"reason": why, "recommendation": instead});
    }
    let mut told = whatsapp::entry(line, "message_template_status_update", value);
    told["time"] = json!(at.timestamp());
    whatsapp::bytes(whatsapp::envelope_of(vec![told]))
}
