//! The message templates of the accounts: created, edited, listed, deleted, and judged by a review.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::error::Error;
use super::message::text;

mod fill;
mod form;

/// A template as the account's owner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub id: String,
    /// The WhatsApp Business Account that it belongs to.
    pub account_id: String,
    pub name: String,
    pub language: String,
    /// `UTILITY`, `MARKETING` or `AUTHENTICATION`.
    pub category: String,
    /// `PENDING`, `APPROVED`, `REJECTED`, `PAUSED`, `DISABLED`.
    pub status: String,
    pub rejected_reason: String,
    pub quality: String,
    pub parameter_format: String,
    pub components: Value,
    pub changed_at: DateTime<Utc>,
}

/// Why a review refuses a template, and what would help.
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) advice: Option<(&'static str, &'static str)>,
}

impl Template {
    pub(super) fn told(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "rejected_reason": self.rejected_reason,
            "quality_score": {"score": self.quality},
            "parameter_format": self.parameter_format,
            "components": self.components,
            "last_updated_time": self.changed_at.timestamp(),
        })
    }

    /// What the automatic review thinks of it.
    pub(super) fn judged(&self) -> Option<Refusal> {
        let texts = self.components.as_array().into_iter().flatten();
        let crowded = texts
            .filter_map(|component| component["text"].as_str())
            .any(|text| text.split("}}").skip(1).any(|rest| rest.trim_start().starts_with("{{")));
        crowded.then(|| Refusal {
            reason: "INVALID_FORMAT".to_owned(),
            advice: Some((
                "Two parameters stand next to each other without any text between them.",
                "Put words between the parameters.",
            )),
        })
    }
}

#[derive(Default)]
pub(super) struct Shelf {
    templates: Vec<Template>,
    /// Names that were deleted while approved: they stay taken for a month.
    deleted: HashSet<(String, String)>,
}

impl Shelf {
    pub(super) fn all(&self) -> Vec<Template> {
        self.templates.clone()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.id == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Template> {
        self.templates.iter_mut().find(|template| template.id == id)
    }

    pub(super) fn create(
        &mut self,
        account_id: &str,
        id: String,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<&Template, Error> {
        let name = text(body, "name", 512)?;
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            return Err(Error::parameter(
                "Param name must hold lowercase letters, digits and underscores only",
            ));
        }
        let language = text(body, "language", 15)?;
        let category = category(&body["category"])?;
        let format = body["parameter_format"].as_str().unwrap_or("POSITIONAL").to_uppercase();
        let components = form::check(&body["components"], &category, &format)?;
        let key = (account_id.to_owned(), name.to_owned());
        if self.deleted.contains(&key) {
            let message = "New content can't be added while the name is being deleted";
            return Err(Error::parameter(message).subcode(2_388_023));
        }
        if self.in_language(account_id, name, language).is_some() {
            let message = "There is already content in this language for this template";
            return Err(Error::parameter(message).subcode(2_388_024));
        }
        self.templates.push(Template {
            id,
            account_id: account_id.to_owned(),
            name: name.to_owned(),
            language: language.to_owned(),
            category,
            status: "PENDING".to_owned(),
            rejected_reason: "NONE".to_owned(),
            quality: "UNKNOWN".to_owned(),
            parameter_format: format,
            components,
            changed_at: now,
        });
        self.templates.last().ok_or_else(|| Error::of(131_000))
    }

    pub(super) fn edit(
        &mut self,
        id: &str,
        body: &Value,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let template = self.get_mut(id).ok_or_else(|| Error::no_object("post", id))?;
        if !matches!(template.status.as_str(), "APPROVED" | "REJECTED" | "PAUSED") {
            let message = format!("A template that is {} can't be edited", template.status);
            return Err(Error::parameter(message));
        }
        let mut after = template.clone();
        if !body["category"].is_null() {
            after.category = category(&body["category"])?;
            if template.status == "APPROVED" && after.category != template.category {
                return Err(Error::parameter("The category of an approved template is final"));
            }
        }
        if !body["components"].is_null() {
            after.components =
                form::check(&body["components"], &after.category, &after.parameter_format)?;
        }
        if body["category"].is_null() && body["components"].is_null() {
            return Err(Error::required("components"));
        }
        "PENDING".clone_into(&mut after.status);
        "NONE".clone_into(&mut after.rejected_reason);
        after.changed_at = now;
        *template = after;
        Ok(json!({"success": true}))
    }

    /// A name with all its languages, or with `hsm_id` only one of them.
    pub(super) fn delete(
        &mut self,
        account_id: &str,
        query: &HashMap<String, String>,
    ) -> Result<Value, Error> {
        let name = query.get("name").ok_or_else(|| Error::required("name"))?;
        let id = query.get("hsm_id");
        let goes = |template: &Template| {
            template.account_id == account_id
                && template.name == *name
                && id.is_none_or(|id| template.id == *id)
        };
        let going: Vec<&Template> = self.templates.iter().filter(|it| goes(it)).collect();
        if going.is_empty() {
            return Err(Error::parameter("Message template can't be found").subcode(2_593_002));
        }
        if id.is_none() && going.iter().any(|template| template.status == "APPROVED") {
            self.deleted.insert((account_id.to_owned(), name.clone()));
        }
        self.templates.retain(|template| !goes(template));
        Ok(json!({"success": true}))
    }

    /// A page, and the cursor of the next one where there is one.
    pub(super) fn list(
        &self,
        account_id: &str,
        query: &HashMap<String, String>,
    ) -> Result<(Value, Option<String>), Error> {
        let is = |name: &str, value: &str| {
            query.get(name).is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        let listed: Vec<&Template> = self
            .templates
            .iter()
            .filter(|it| it.account_id == account_id)
            .filter(|it| query.get("name").is_none_or(|name| it.name.contains(name.as_str())))
            .filter(|it| is("language", &it.language) && is("status", &it.status))
            .filter(|it| is("category", &it.category))
            .collect();
        let from = match query.get("after") {
            None => 0,
            Some(id) => {
                1 + listed
                    .iter()
                    .position(|it| it.id == *id)
                    .ok_or_else(|| Error::parameter("Param after is not a cursor of this list"))?
            }
        };
        let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
        let page: Vec<&Template> = listed.iter().skip(from).take(limit).copied().collect();
        let mut answer = json!({"data": page.iter().map(|it| it.told()).collect::<Vec<_>>()});
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            return Ok((answer, None));
        };
        answer["paging"] = json!({"cursors": {"before": first.id, "after": last.id}});
        let more = from + page.len() < listed.len();
        Ok((answer, more.then(|| last.id.clone())))
    }

    /// The template that a message wants to use, if it may and fills it rightly.
    pub(super) fn used_by(&self, account_id: &str, content: &Value) -> Result<&Template, Error> {
        let name = content["name"].as_str().unwrap_or_default();
        let language = content["language"]["code"].as_str().unwrap_or_default();
        let template = self.in_language(account_id, name, language);
        let Some(template) =
            template.filter(|it| !matches!(it.status.as_str(), "PENDING" | "REJECTED"))
        else {
            let details = format!("template name ({name}) does not exist in {language}");
            return Err(Error::because(132_001, details));
        };
        match template.status.as_str() {
            "PAUSED" => Err(Error::of(132_015)),
            "DISABLED" => Err(Error::of(132_016)),
            _ => fill::check(template, &content["components"]).map(|()| template),
        }
    }

    fn in_language(&self, account_id: &str, name: &str, language: &str) -> Option<&Template> {
        self.templates
            .iter()
            .find(|it| it.account_id == account_id && it.name == name && it.language == language)
    }
}

fn category(value: &Value) -> Result<String, Error> {
    let category = value.as_str().ok_or_else(|| Error::required("category"))?.to_uppercase();
    if !matches!(category.as_str(), "AUTHENTICATION" | "MARKETING" | "UTILITY") {
        return Err(Error::parameter(
            "Param category must be one of {UTILITY, MARKETING, AUTHENTICATION}",
        ));
    }
    Ok(category)
}

/// The parameters in a text, each once, in the order in which they stand.
pub(super) fn parameters(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for part in text.split("{{").skip(1) {
        if let Some((name, _)) = part.split_once("}}")
            && !found.contains(&name.trim())
        {
            found.push(name.trim());
        }
    }
    found
}
