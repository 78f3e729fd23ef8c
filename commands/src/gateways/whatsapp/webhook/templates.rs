//! What Meta tells about message templates: reviews, pauses, quality, categories.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::node::{Node, moment, text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub provider_template_id: String,
    pub name: Option<String>,
    pub language: Option<String>,
    pub category: Option<String>,
    pub event: TemplateEvent,
    /// The provider's JSON.
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateEvent {
    Approved,
    Rejected {
        /// A word like `INVALID_FORMAT`.
        reason: Option<String>,
        explanation: Option<String>,
        recommendation: Option<String>,
    },
    Pending,
    InAppeal,
    Flagged {
        /// When it will be disabled, in Meta's words.
        disable_date: Option<String>,
    },
    Paused {
        title: Option<String>,
        description: Option<String>,
    },
    Reinstated,
    Disabled {
        reason: Option<String>,
    },
    Locked,
    Unlocked,
    Archived,
    Unarchived,
    LimitExceeded,
    PendingDeletion,
    Deleted,
    QualityChanged {
        from: Option<String>,
        to: String,
    },
    CategoryChanged {
        from: Option<String>,
        to: String,
    },
    /// Meta holds another category for right, and will change it unless somebody objects.
    CategoryChangeAnnounced {
        from: Option<String>,
        to: String,
        at: Option<DateTime<Utc>>,
    },
    ComponentsChanged,
    /// A word that is newer than this program.
    Other(String),
}

/// `None` where the value isn't about a template, or about none that we could name.
pub(super) fn read(field: &str, value: &Node) -> Option<Template> {
    Some(Template {
        provider_template_id: value.text("message_template_id")?,
        name: value.text("message_template_name"),
        language: value.text("message_template_language"),
        category: value.text("message_template_category"),
        event: event(field, value.value)?,
        body: value.raw(),
    })
}

/// Goes by the form rather than the field: Meta's own samples carry one under the field of another.
fn event(field: &str, value: &Value) -> Option<TemplateEvent> {
    if let Some(to) = text(value, "new_quality_score") {
        return Some(TemplateEvent::QualityChanged {
            from: text(value, "previous_quality_score"),
            to,
        });
    }
    if let Some(to) = text(value, "correct_category") {
        return Some(TemplateEvent::CategoryChangeAnnounced {
            from: text(value, "new_category").or_else(|| text(value, "category")),
            to,
            at: moment(value, "category_update_timestamp"),
        });
    }
    if let Some(to) = text(value, "new_category") {
        return Some(TemplateEvent::CategoryChanged { from: text(value, "previous_category"), to });
    }
    match text(value, "event") {
        Some(word) => Some(named(&word, value)),
        None => (field == "message_template_components_update")
            .then_some(TemplateEvent::ComponentsChanged),
    }
}

fn named(word: &str, value: &Value) -> TemplateEvent {
    let part = |name: &str, key: &str| value.get(name).and_then(|part| text(part, key));
    let reason = || text(value, "reason").filter(|reason| reason != "NONE");
    match word {
        "APPROVED" => TemplateEvent::Approved,
        "REJECTED" => TemplateEvent::Rejected {
            reason: reason(),
            explanation: part("rejection_info", "reason"),
            recommendation: part("rejection_info", "recommendation"),
        },
        "PENDING" => TemplateEvent::Pending,
        "IN_APPEAL" => TemplateEvent::InAppeal,
        "FLAGGED" => TemplateEvent::Flagged { disable_date: part("disable_info", "disable_date") },
        "PAUSED" => TemplateEvent::Paused {
            title: part("other_info", "title"),
            description: part("other_info", "description"),
        },
        "REINSTATED" => TemplateEvent::Reinstated,
        "DISABLED" => TemplateEvent::Disabled { reason: reason() },
        "LOCKED" => TemplateEvent::Locked,
        "UNLOCKED" => TemplateEvent::Unlocked,
        "ARCHIVED" => TemplateEvent::Archived,
        "UNARCHIVED" => TemplateEvent::Unarchived,
        "LIMIT_EXCEEDED" => TemplateEvent::LimitExceeded,
        "PENDING_DELETION" => TemplateEvent::PendingDeletion,
        "DELETED" => TemplateEvent::Deleted,
        word => TemplateEvent::Other(word.to_owned()),
    }
}
