//! A channel: one line (a WhatsApp number) on which customers write to the organisation, and what
//! the provider tells about the line and the account behind it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Connect(Connected),
    /// Record what the provider told.
    Notice(Notice),
}

/// Which service carries the messages of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Whatsapp,
}

/// What happens when a customer writes into a closed conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenClosed {
    #[default]
    Reopen,
    NewConversation,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connected {
    pub provider: Provider,
    pub name: String,
    /// The WhatsApp Business account.
    pub account: String,
    /// The provider's id of the line.
    pub line: String,
    pub display_phone_number: Option<String>,
    pub app_secret: SecretRef,
    pub verify_token: SecretRef,
    /// With which we call the provider; without it nothing can be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<SecretRef>,
    #[serde(default)]
    pub when_closed: WhenClosed,
}

/// One thing that the provider told about the channel. `body` is the provider's JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub about: About,
    /// The webhook field it came in.
    pub field: String,
    /// What happened, in the provider's word (`APPROVED`, `quality_update`).
    pub event: String,
    /// The line that the provider named, where it is not the channel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// The contact it concerns, where it is about a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    pub body: Personal<String>,
}

/// What a notice is about; each is an event type of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    Account,
    Automation,
    Call,
    ContactSync,
    Group,
    LineError,
    PhoneNumber,
    Preference,
    Template { template: String, name: String, language: String },
    Unsupported,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Connected(Connected),
    AccountUpdated(Notice),
    /// The provider saw by itself that a conversation led to a lead or a purchase.
    AutomationReported(Notice),
    CallUpdated(Notice),
    ContactSynced(Notice),
    GroupUpdated(Notice),
    LineFailed(Notice),
    PhoneNumberUpdated(Notice),
    PreferenceChanged(Notice),
    TemplateUpdated(Notice),
    /// The provider sent what its documentation does not know.
    Unsupported(Notice),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the channel is connected already")]
    AlreadyConnected,
    #[error("there is no such channel")]
    NotConnected,
    #[error("a channel needs a name of 1 to 200 characters")]
    InvalidName,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Channel {
    pub connected: Option<Connected>,
}

impl Aggregate for Channel {
    const TYPE: &'static str = "channel";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        match command {
            Command::Connect(_) if self.connected.is_some() => Err(Error::AlreadyConnected),
            Command::Connect(connected) if connected.name.trim().is_empty() => {
                Err(Error::InvalidName)
            }
            Command::Connect(connected) if connected.name.chars().count() > 200 => {
                Err(Error::InvalidName)
            }
            Command::Connect(connected) => Ok(vec![Event::Connected(connected)]),
            Command::Notice(_) if self.connected.is_none() => Err(Error::NotConnected),
            Command::Notice(notice) => Ok(vec![noticed(notice)]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::Connected(connected) = event {
            self.connected = Some(connected.clone());
        }
    }
}

fn noticed(notice: Notice) -> Event {
    match notice.about {
        About::Account => Event::AccountUpdated(notice),
        About::Automation => Event::AutomationReported(notice),
        About::Call => Event::CallUpdated(notice),
        About::ContactSync => Event::ContactSynced(notice),
        About::Group => Event::GroupUpdated(notice),
        About::LineError => Event::LineFailed(notice),
        About::PhoneNumber => Event::PhoneNumberUpdated(notice),
        About::Preference => Event::PreferenceChanged(notice),
        About::Template { .. } => Event::TemplateUpdated(notice),
        About::Unsupported => Event::Unsupported(notice),
    }
}
