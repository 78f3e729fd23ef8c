//! A channel: the organisation's way to one provider. Either a line (a WhatsApp number) on which
//! customers write, with what the provider tells about it, or an account at PawaPay that pays out.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::secret::SecretRef;

#[derive(Debug)]
pub enum Command {
    Connect(Connected),
    ConnectPawapay(Account),
    Rename {
        name: String,
    },
    ChooseWhenClosed(WhenClosed),
    ReplaceSecret {
        which: SecretKind,
        secret: SecretRef,
    },
    /// Check the provider's callbacks with this key, or with none.
    TrustCallbackKey(Option<String>),
    /// Neither send nor take in anything, until it is connected again.
    Disconnect,
    Reconnect,
    /// Record what the provider told.
    Notice(Notice),
}

/// Which service a channel leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ChannelProvider")]
pub enum Provider {
    Whatsapp,
    Pawapay,
}

impl Provider {
    pub const ALL: [Provider; 2] = [Provider::Whatsapp, Provider::Pawapay];

    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Whatsapp => "whatsapp",
            Provider::Pawapay => "pawapay",
        }
    }
}

/// What a channel's secrets are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// With which WhatsApp signs what it tells us.
    AppSecret,
    /// By which WhatsApp's first visit is recognised.
    VerifyToken,
    /// With which we call WhatsApp.
    AccessToken,
    /// With which we call PawaPay.
    ApiToken,
}

impl SecretKind {
    pub fn as_str(self) -> &'static str {
        match self {
            SecretKind::AppSecret => "app_secret",
            SecretKind::VerifyToken => "verify_token",
            SecretKind::AccessToken => "access_token",
            SecretKind::ApiToken => "api_token",
        }
    }

    fn provider(self) -> Provider {
        match self {
            SecretKind::AppSecret | SecretKind::VerifyToken | SecretKind::AccessToken => {
                Provider::Whatsapp
            }
            SecretKind::ApiToken => Provider::Pawapay,
        }
    }
}

/// What happens when a customer writes into a closed conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl Connected {
    pub fn secrets(&self) -> Vec<(SecretKind, &SecretRef)> {
        let kept = [
            (SecretKind::AppSecret, &self.app_secret),
            (SecretKind::VerifyToken, &self.verify_token),
        ];
        let token = self.access_token.as_ref().map(|token| (SecretKind::AccessToken, token));
        kept.into_iter().chain(token).collect()
    }
}

/// An account at PawaPay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub api_token: SecretRef,
    /// The public key of PawaPay with which signed callbacks are checked, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_key: Option<String>,
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
    PawapayConnected(Account),
    Renamed {
        name: String,
    },
    WhenClosedChosen {
        when_closed: WhenClosed,
    },
    SecretReplaced {
        which: SecretKind,
        secret: SecretRef,
    },
    CallbackKeyChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback_key: Option<String>,
    },
    Disconnected {},
    Reconnected {},
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
    #[error("the channel is disconnected; reconnect it first")]
    Disconnected,
    #[error("a channel of {} has no such thing", .provider.as_str())]
    OtherProvider { provider: Provider },
    #[error("a channel needs a name of 1 to 200 characters")]
    InvalidName,
    #[error("the id of a WhatsApp Business account is 1 to 32 digits")]
    InvalidAccount,
    #[error("the id of a phone number at Meta is 1 to 32 digits; it is not the number itself")]
    InvalidLine,
    #[error("a phone number to show is 5 to 20 digits, with its country code")]
    InvalidDisplayNumber,
    /// Told by whoever can read keys.
    #[error(
        "a public key is in PEM, on the curve P-256 or P-384, or of RSA with 2048 bits or more"
    )]
    InvalidCallbackKey,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Channel {
    /// The line as it is now, where the channel is one.
    pub connected: Option<Connected>,
    /// The account as it is now, where the channel is one.
    pub account: Option<Account>,
    pub disconnected: bool,
}

impl Aggregate for Channel {
    const TYPE: &'static str = "channel";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        let Some(provider) = self.provider() else {
            return match command {
                Command::Connect(line) => connect(line),
                Command::ConnectPawapay(account) => {
                    check_name(&account.name)?;
                    Ok(vec![Event::PawapayConnected(account)])
                }
                _ => Err(Error::NotConnected),
            };
        };
        match command {
            Command::Connect(_) | Command::ConnectPawapay(_) => Err(Error::AlreadyConnected),
            Command::Rename { name } => {
                check_name(&name)?;
                Ok(news(self.name() != Some(&name), Event::Renamed { name }))
            }
            Command::ReplaceSecret { which, secret } if which.provider() == provider => {
                let known = self
                    .secrets()
                    .into_iter()
                    .any(|(kind, kept)| kind == which && kept.fingerprint == secret.fingerprint);
                Ok(news(!known, Event::SecretReplaced { which, secret }))
            }
            Command::Disconnect => Ok(news(!self.disconnected, Event::Disconnected {})),
            Command::Reconnect => Ok(news(self.disconnected, Event::Reconnected {})),
            particular => match (particular, &self.connected, &self.account) {
                (Command::ChooseWhenClosed(when_closed), Some(line), _) => {
                    let other = line.when_closed != when_closed;
                    Ok(news(other, Event::WhenClosedChosen { when_closed }))
                }
                (Command::Notice(notice), Some(_), _) => Ok(vec![noticed(notice)]),
                (Command::TrustCallbackKey(callback_key), _, Some(account)) => {
                    let other = account.callback_key != callback_key;
                    Ok(news(other, Event::CallbackKeyChanged { callback_key }))
                }
                _ => Err(Error::OtherProvider { provider }),
            },
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Connected(line) => self.connected = Some(line.clone()),
            Event::PawapayConnected(account) => self.account = Some(account.clone()),
            Event::Renamed { name } => {
                let line = self.connected.as_mut().map(|line| &mut line.name);
                let account = self.account.as_mut().map(|account| &mut account.name);
                line.into_iter().chain(account).for_each(|known| known.clone_from(name));
            }
            Event::WhenClosedChosen { when_closed } => {
                if let Some(line) = &mut self.connected {
                    line.when_closed = *when_closed;
                }
            }
            Event::SecretReplaced { which, secret } => self.replace(*which, secret),
            Event::CallbackKeyChanged { callback_key } => {
                if let Some(account) = &mut self.account {
                    account.callback_key.clone_from(callback_key);
                }
            }
            Event::Disconnected {} => self.disconnected = true,
            Event::Reconnected {} => self.disconnected = false,
            Event::AccountUpdated(_)
            | Event::AutomationReported(_)
            | Event::CallUpdated(_)
            | Event::ContactSynced(_)
            | Event::GroupUpdated(_)
            | Event::LineFailed(_)
            | Event::PhoneNumberUpdated(_)
            | Event::PreferenceChanged(_)
            | Event::TemplateUpdated(_)
            | Event::Unsupported(_) => {}
        }
    }
}

impl Channel {
    /// `None` before it is connected.
    pub fn provider(&self) -> Option<Provider> {
        let line = self.connected.as_ref().map(|_| Provider::Whatsapp);
        line.or(self.account.as_ref().map(|_| Provider::Pawapay))
    }

    pub fn name(&self) -> Option<&String> {
        let line = self.connected.as_ref().map(|line| &line.name);
        line.or(self.account.as_ref().map(|account| &account.name))
    }

    pub fn secrets(&self) -> Vec<(SecretKind, &SecretRef)> {
        let line = self.connected.iter().flat_map(Connected::secrets);
        let tokens = self.account.iter().map(|account| (SecretKind::ApiToken, &account.api_token));
        line.chain(tokens).collect()
    }

    fn replace(&mut self, which: SecretKind, secret: &SecretRef) {
        match (which, &mut self.connected, &mut self.account) {
            (SecretKind::AppSecret, Some(line), _) => line.app_secret = secret.clone(),
            (SecretKind::VerifyToken, Some(line), _) => line.verify_token = secret.clone(),
            (SecretKind::AccessToken, Some(line), _) => line.access_token = Some(secret.clone()),
            (SecretKind::ApiToken, _, Some(account)) => account.api_token = secret.clone(),
            _ => {}
        }
    }
}

/// What is so already is no news.
fn news(is: bool, event: Event) -> Vec<Event> {
    if is { vec![event] } else { vec![] }
}

fn connect(line: Connected) -> Result<Vec<Event>, Error> {
    let digits = |text: &str, lengths: RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    check_name(&line.name)?;
    if !digits(&line.account, 1..=32) {
        return Err(Error::InvalidAccount);
    }
    if !digits(&line.line, 1..=32) {
        return Err(Error::InvalidLine);
    }
    if line.display_phone_number.as_ref().is_some_and(|number| !digits(number, 5..=20)) {
        return Err(Error::InvalidDisplayNumber);
    }
    Ok(vec![Event::Connected(line)])
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() || name.chars().count() > 200 {
        return Err(Error::InvalidName);
    }
    Ok(())
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
