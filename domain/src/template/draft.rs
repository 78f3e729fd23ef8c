//! What a template is made of, as somebody writes it and as events keep it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::component::Component;
use super::placeholder::ParameterFormat;

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TemplateCategory")]
pub enum Category {
    #[default]
    #[serde(alias = "UTILITY")]
    Utility,
    #[serde(alias = "MARKETING")]
    Marketing,
    #[serde(alias = "AUTHENTICATION")]
    Authentication,
}

impl Category {
    pub const ALL: [Category; 3] =
        [Category::Utility, Category::Marketing, Category::Authentication];

    pub fn as_str(self) -> &'static str {
        match self {
            Category::Utility => "utility",
            Category::Marketing => "marketing",
            Category::Authentication => "authentication",
        }
    }

    /// The category of that name, in whatever case.
    pub fn named(name: &str) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.as_str().eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "TemplateStatus")]
pub enum State {
    #[default]
    Draft,
    Pending,
    Approved,
    Rejected,
    Paused,
    Disabled,
    Removed,
}

impl State {
    pub const ALL: [State; 7] = [
        State::Draft,
        State::Pending,
        State::Approved,
        State::Rejected,
        State::Paused,
        State::Disabled,
        State::Removed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Pending => "pending",
            State::Approved => "approved",
            State::Rejected => "rejected",
            State::Paused => "paused",
            State::Disabled => "disabled",
            State::Removed => "removed",
        }
    }
}

/// All that Meta would be sent, and for which channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    pub channel: Uuid,
    pub name: String,
    pub language: String,
    pub category: Category,
    pub parameter_format: ParameterFormat,
    pub components: Vec<Component>,
    /// How long Meta tries to deliver; -1 is as long as it can.
    pub message_send_ttl_seconds: Option<i32>,
}

/// What changes; `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    pub category: Option<Category>,
    pub parameter_format: Option<ParameterFormat>,
    pub components: Option<Vec<Component>>,
    pub message_send_ttl_seconds: Option<Option<i32>>,
}

/// Which template an event is about, and what it is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub channel: Uuid,
    pub name: String,
    pub language: String,
    pub category: Category,
}

/// What a template says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub parameter_format: ParameterFormat,
    pub components: Vec<Component>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i32>,
}

impl Content {
    /// Whether two say the same to a customer. Examples are for reviewers, and come back from Meta
    /// as something else.
    pub fn agrees(&self, other: &Content) -> bool {
        let plain = |content: &Content| -> Vec<Component> {
            content.components.iter().map(Component::without_examples).collect()
        };
        self.parameter_format == other.parameter_format && plain(self) == plain(other)
    }
}

impl Draft {
    /// The language as WhatsApp's list writes it; webhooks also write `en-US`.
    pub fn language(told: &str) -> String {
        told.replace('-', "_")
    }

    pub fn identity(&self) -> Identity {
        Identity {
            channel: self.channel,
            name: self.name.clone(),
            language: self.language.clone(),
            category: self.category,
        }
    }

    pub fn content(&self) -> Content {
        Content {
            parameter_format: self.parameter_format,
            components: self.components.clone(),
            message_send_ttl_seconds: self.message_send_ttl_seconds,
        }
    }

    pub(super) fn of(template: &Identity, content: &Content) -> Draft {
        Draft {
            channel: template.channel,
            name: template.name.clone(),
            language: template.language.clone(),
            category: template.category,
            parameter_format: content.parameter_format,
            components: content.components.clone(),
            message_send_ttl_seconds: content.message_send_ttl_seconds,
        }
    }

    pub(super) fn revised(&self, revision: Revision) -> Draft {
        let ttl = revision.message_send_ttl_seconds.unwrap_or(self.message_send_ttl_seconds);
        Draft {
            category: revision.category.unwrap_or(self.category),
            parameter_format: revision.parameter_format.unwrap_or(self.parameter_format),
            components: revision.components.unwrap_or_else(|| self.components.clone()),
            message_send_ttl_seconds: ttl,
            ..self.clone()
        }
    }
}
