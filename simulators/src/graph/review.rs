//! What Meta says of templates, and the webhooks that say it.

use std::sync::Arc;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Review;
use super::state::State;
use super::templates::{Refusal, Template};
use crate::lock;

impl State {
    /// Looks at a new or edited template after a while, if the review is automatic.
    pub(super) fn review(self: &Arc<Self>, template_id: &str) {
        let Review::After(pause) = self.settings.review else { return };
        let (state, id) = (Arc::clone(self), template_id.to_owned());
        self.post.spawn(async move {
            sleep(pause).await;
            state.judge(&id);
        });
    }

    fn judge(&self, id: &str) {
        let Some(template) = lock(&self.books).shelf.get(id).cloned() else { return };
        if template.status != "PENDING" {
            return;
        }
        match template.judged() {
            None => drop(self.told(id, "APPROVED", "NONE", None)),
            Some(Refusal { reason, advice }) => {
                self.change(id, |template| {
                    "REJECTED".clone_into(&mut template.status);
                    template.rejected_reason.clone_from(&reason);
                    let mut value = status(template, &reason);
                    if let Some((why, instead)) = advice {
                        value["rejection_info"] = json!({"reason": why, "recommendation": instead});
                    }
                    ("message_template_status_update", value)
                });
            }
        }
    }

    pub(super) fn told(&self, id: &str, event: &str, reason: &str, title: Option<&str>) -> bool {
        self.change(id, |template| {
            event.clone_into(&mut template.status);
            reason.clone_into(&mut template.rejected_reason);
            let mut value = status(template, reason);
            if let Some(title) = title {
                value["other_info"] = json!({
                    "title": title,
                    "description": "Customers gave this template bad marks.",
                });
            }
            ("message_template_status_update", value)
        })
    }

    pub(super) fn recategorised(&self, id: &str, category: &str) -> bool {
        self.change(id, |template| {
            let before = std::mem::replace(&mut template.category, category.to_owned());
            let mut value = named(template);
            value["previous_category"] = json!(before);
            value["new_category"] = json!(category);
            ("template_category_update", value)
        })
    }

    pub(super) fn rated(&self, id: &str, score: &str) -> bool {
        self.change(id, |template| {
            let before = std::mem::replace(&mut template.quality, score.to_owned());
            let mut value = named(template);
            value["previous_quality_score"] = json!(before);
            value["new_quality_score"] = json!(score);
            ("message_template_quality_update", value)
        })
    }

    /// Changes a template and tells its owner.
    fn change(&self, id: &str, to: impl FnOnce(&mut Template) -> (&'static str, Value)) -> bool {
        let (field, value, account) = {
            let mut books = lock(&self.books);
            let Some(template) = books.shelf.get_mut(id) else { return false };
            let (field, value) = to(template);
            template.changed_at = Utc::now();
            let business = template.account_id.clone();
            (field, value, books.of_business(&business))
        };
        if let Some(account) = account {
            self.tell(&account.line.phone_number_id, field, value);
        }
        true
    }
}

fn named(template: &Template) -> Value {
    json!({
        "message_template_id": template.id.parse::<u64>().unwrap_or_default(),
        "message_template_name": template.name,
        "message_template_language": template.language,
    })
}

fn status(template: &Template, reason: &str) -> Value {
    let mut value = named(template);
    value["event"] = json!(template.status);
    value["reason"] = json!(reason);
    value["message_template_category"] = json!(template.category);
    value
}
