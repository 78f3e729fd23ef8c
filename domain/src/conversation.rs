//! A conversation: what one contact (or group) and the organisation say to each other on one
//! channel, in rounds from opening to closing that are counted as cycles.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::message::{Content, Delivery, DeliveryError, Kind, Pricing, Referral};

#[derive(Debug)]
pub enum Command {
    Open {
        channel: Uuid,
        contact: Uuid,
        group: Option<Personal<String>>,
    },
    /// A customer's message came in; a closed conversation opens again.
    Receive(Message),
    /// A person of the organisation wrote in the provider's own app.
    Echo(Message),
    /// The provider told what became of a message.
    Report {
        delivery: Delivery,
        receipt: Receipt,
    },
    Note {
        note: Uuid,
        body: Personal<String>,
    },
    Assign {
        agent: Uuid,
    },
    Unassign,
    MarkRead,
    Resolve,
    Reopen,
    /// The contact was merged into another one.
    ReplaceContact {
        contact: Uuid,
    },
    /// Take over what was said in a conversation that is merged into this one.
    Adopt {
        said: Vec<Event>,
    },
    /// What was said here goes on in another conversation of the same person.
    Merge {
        into: Uuid,
        messages: Vec<Uuid>,
    },
}

/// One message as the provider carried it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub message: Uuid,
    pub channel: Uuid,
    /// Who wrote it, or for what the organisation wrote, to whom.
    pub contact: Uuid,
    /// The round of the conversation; the aggregate sets it.
    #[serde(default)]
    pub cycle: u32,
    pub kind: Kind,
    /// The provider's time.
    pub at: DateTime<Utc>,
    /// A hash of line, provider id and content: orders messages of the same moment the same way,
    /// whichever came first and wherever.
    pub order: String,
    pub body: Personal<Body>,
    pub provider_id: Personal<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Uuid>,
    /// The message that a reaction, edit or revoke is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Uuid>,
    /// Another content came under the same provider id before; both are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
    /// Came with a conversation that was merged into this one: it was counted there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// Part of a history that the provider handed over: nothing new, so it opens nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// The line that the provider named, where it is not the channel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    pub author: Author,
}

impl Message {
    /// Whether somebody should look at it, as opposed to a touch on another message.
    pub fn is_news(&self) -> bool {
        !self.imported && !self.is_touch()
    }

    /// The message that this one only changes.
    pub fn touched(&self) -> Option<Uuid> {
        self.target.filter(|_| self.is_touch())
    }

    fn is_touch(&self) -> bool {
        matches!(self.kind, Kind::Reaction | Kind::Edit | Kind::Revoke)
    }

    /// What the newest of several is decided by, whichever came first.
    pub fn order(&self) -> (DateTime<Utc>, &str) {
        (self.at, &self.order)
    }
}

/// What was said, and what it hangs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<crate::message::Context>,
}

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Customer,
    Human,
    Bot,
    Automation,
    Campaign,
}

/// What the provider told about a message's way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub message: Uuid,
    pub channel: Uuid,
    pub contact: Uuid,
    /// The provider's time.
    pub at: DateTime<Utc>,
    pub provider_id: Personal<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<DeliveryError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Came with a conversation that was merged into this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moved: bool,
    /// The provider's JSON, whole.
    pub raw: Personal<String>,
}

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    BotHandling,
    HumanHandling,
    #[default]
    Open,
    WaitingForCustomer,
    Closed,
}

impl State {
    pub const ALL: [State; 5] = [
        State::BotHandling,
        State::HumanHandling,
        State::Open,
        State::WaitingForCustomer,
        State::Closed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::BotHandling => "bot_handling",
            State::HumanHandling => "human_handling",
            State::Open => "open",
            State::WaitingForCustomer => "waiting_for_customer",
            State::Closed => "closed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Opened {
        channel: Uuid,
        contact: Uuid,
        group: Option<Personal<String>>,
        cycle: u32,
    },
    MessageReceived(Message),
    MessageEchoed(Message),
    Dispatched(Receipt),
    Delivered(Receipt),
    Read(Receipt),
    Played(Receipt),
    Failed(Receipt),
    NoteAdded {
        note: Uuid,
        cycle: u32,
        at: DateTime<Utc>,
        body: Personal<String>,
    },
    Assigned {
        agent: Uuid,
        previous: Option<Uuid>,
        cycle: u32,
        from: State,
    },
    Unassigned {
        agent: Uuid,
        cycle: u32,
        from: State,
    },
    /// Somebody of the organisation has seen what the customer wrote.
    MarkedRead {
        cycle: u32,
    },
    Resolved {
        agent: Option<Uuid>,
        contact: Uuid,
        cycle: u32,
        from: State,
    },
    Reopened {
        cycle: u32,
        by_customer: bool,
    },
    ContactReplaced {
        contact: Uuid,
        previous: Uuid,
        cycle: u32,
    },
    /// Names all messages and notes, so that their rows can be found.
    Merged {
        into: Uuid,
        messages: Vec<Uuid>,
    },
}

impl Event {
    /// The messages and notes that the event is about.
    pub fn messages(&self) -> Vec<Uuid> {
        match self {
            Event::MessageReceived(message) | Event::MessageEchoed(message) => {
                vec![message.touched().unwrap_or(message.message)]
            }
            Event::Dispatched(receipt)
            | Event::Delivered(receipt)
            | Event::Read(receipt)
            | Event::Played(receipt)
            | Event::Failed(receipt) => vec![receipt.message],
            Event::NoteAdded { note, .. } => vec![*note],
            Event::Merged { messages, .. } => messages.clone(),
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. }
            | Event::ContactReplaced { .. } => vec![],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the conversation exists already")]
    AlreadyOpen,
    #[error("there is no such conversation")]
    NotFound,
    #[error("the conversation is closed; reopen it first")]
    NotOpen,
    #[error("a note has 1 to 4096 characters")]
    InvalidNote,
    #[error("the conversation was merged into {into}; use that one")]
    Merged { into: Uuid },
}

#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Channel and contact; `None` before it is opened.
    pub between: Option<(Uuid, Uuid)>,
    pub state: State,
    pub assignee: Option<Uuid>,
    pub cycle: u32,
    pub unread: u32,
    /// The newest of the customer's messages, by the provider's time.
    pub last_inbound_at: DateTime<Utc>,
    pub merged_into: Option<Uuid>,
}

impl Aggregate for Conversation {
    const TYPE: &'static str = "conversation";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let Some((_, customer)) = self.between else {
            return match command {
                Command::Open { channel, contact, group } => {
                    Ok(vec![Event::Opened { channel, contact, group, cycle: 1 }])
                }
                _ => Err(Error::NotFound),
            };
        };
        if let Some(into) = self.merged_into {
            return Err(Error::Merged { into });
        }
        match command {
            Command::Open { .. } => Err(Error::AlreadyOpen),
            Command::Receive(message) => Ok(self.receive(message)),
            Command::Echo(message) => {
                Ok(vec![Event::MessageEchoed(Message { cycle: self.cycle, ..message })])
            }
            Command::Report { delivery, receipt } => Ok(vec![reported(delivery, receipt)]),
            Command::Note { note, body } => self.note(note, context.now, body),
            Command::MarkRead if self.unread == 0 => Ok(vec![]),
            Command::MarkRead => Ok(vec![Event::MarkedRead { cycle: self.cycle }]),
            Command::Reopen if self.state != State::Closed => Ok(vec![]),
            Command::Reopen => {
                Ok(vec![Event::Reopened { cycle: self.cycle + 1, by_customer: false }])
            }
            Command::Resolve if self.state == State::Closed => Ok(vec![]),
            Command::Resolve => Ok(vec![Event::Resolved {
                agent: self.assignee,
                contact: customer,
                cycle: self.cycle,
                from: self.state,
            }]),
            Command::Assign { .. } | Command::Unassign if self.state == State::Closed => {
                Err(Error::NotOpen)
            }
            Command::Assign { agent } if self.assignee == Some(agent) => Ok(vec![]),
            Command::Assign { agent } => Ok(vec![Event::Assigned {
                agent,
                previous: self.assignee,
                cycle: self.cycle,
                from: self.state,
            }]),
            Command::Unassign => Ok(self
                .assignee
                .map(|agent| Event::Unassigned { agent, cycle: self.cycle, from: self.state })
                .into_iter()
                .collect()),
            Command::ReplaceContact { contact } if contact == customer => Ok(vec![]),
            Command::ReplaceContact { contact } => {
                Ok(vec![Event::ContactReplaced { contact, previous: customer, cycle: self.cycle }])
            }
            Command::Adopt { said } => {
                Ok(said.into_iter().filter_map(|event| self.adopted(customer, event)).collect())
            }
            Command::Merge { into, messages } => Ok(vec![Event::Merged { into, messages }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened { channel, contact, cycle, .. } => {
                self.between = Some((*channel, *contact));
                self.cycle = *cycle;
            }
            Event::MessageReceived(message) => {
                self.unread += u32::from(message.is_news());
                self.last_inbound_at = self.last_inbound_at.max(message.at);
            }
            Event::MarkedRead { .. } => self.unread = 0,
            Event::Assigned { agent, .. } => {
                self.assignee = Some(*agent);
                self.state = State::HumanHandling;
            }
            Event::Unassigned { .. } => {
                self.assignee = None;
                self.state = State::Open;
            }
            Event::Resolved { .. } => self.state = State::Closed,
            Event::Reopened { cycle, .. } => {
                self.cycle = *cycle;
                self.state = match self.assignee {
                    Some(_) => State::HumanHandling,
                    None => State::Open,
                };
            }
            Event::ContactReplaced { contact, .. } => {
                self.between = self.between.map(|(channel, _)| (channel, *contact));
            }
            Event::Merged { into, .. } => self.merged_into = Some(*into),
            Event::MessageEchoed(_)
            | Event::Dispatched(_)
            | Event::Delivered(_)
            | Event::Read(_)
            | Event::Played(_)
            | Event::Failed(_)
            | Event::NoteAdded { .. } => {}
        }
    }
}

fn reported(delivery: Delivery, receipt: Receipt) -> Event {
    match delivery {
        Delivery::Sent => Event::Dispatched(receipt),
        Delivery::Delivered => Event::Delivered(receipt),
        Delivery::Read => Event::Read(receipt),
        Delivery::Played => Event::Played(receipt),
        Delivery::Failed => Event::Failed(receipt),
    }
}

impl Conversation {
    fn receive(&self, message: Message) -> Vec<Event> {
        if self.state != State::Closed || message.imported {
            return vec![Event::MessageReceived(Message { cycle: self.cycle, ..message })];
        }
        let cycle = self.cycle + 1;
        vec![
            Event::Reopened { cycle, by_customer: true },
            Event::MessageReceived(Message { cycle, ..message }),
        ]
    }

    /// What was said elsewhere, as it is said here. The rest of that conversation's history stays
    /// where it was.
    fn adopted(&self, contact: Uuid, event: Event) -> Option<Event> {
        let cycle = self.cycle;
        let message = |said| Message { contact, cycle, moved: true, ..said };
        let receipt = |told| Receipt { contact, moved: true, ..told };
        Some(match event {
            Event::MessageReceived(said) => Event::MessageReceived(message(said)),
            Event::MessageEchoed(said) => Event::MessageEchoed(message(said)),
            Event::Dispatched(told) => Event::Dispatched(receipt(told)),
            Event::Delivered(told) => Event::Delivered(receipt(told)),
            Event::Read(told) => Event::Read(receipt(told)),
            Event::Played(told) => Event::Played(receipt(told)),
            Event::Failed(told) => Event::Failed(receipt(told)),
            Event::NoteAdded { note, at, body, .. } => Event::NoteAdded { note, cycle, at, body },
            Event::Opened { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::MarkedRead { .. }
            | Event::Resolved { .. }
            | Event::Reopened { .. }
            | Event::ContactReplaced { .. }
            | Event::Merged { .. } => return None,
        })
    }

    fn note(
        &self,
        note: Uuid,
        at: DateTime<Utc>,
        body: Personal<String>,
    ) -> Result<Vec<Event>, Error> {
        let length = body.clear().map_or(0, |body| body.trim().chars().count());
        if !(1..=4096).contains(&length) {
            return Err(Error::InvalidNote);
        }
        Ok(vec![Event::NoteAdded { note, cycle: self.cycle, at, body }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::decide_after;

    #[test]
    fn a_closed_conversation_reopens_when_the_customer_writes() {
        let history = [opened(), resolved()];
        assert_eq!(
            decide_after::<Conversation>(&history, Command::Receive(message(0))),
            Ok(vec![
                Event::Reopened { cycle: 2, by_customer: true },
                Event::MessageReceived(message(2))
            ])
        );
    }

    #[test]
    fn an_imported_history_reopens_nothing() {
        let old = Message { imported: true, ..message(0) };
        assert_eq!(
            decide_after::<Conversation>(&[opened(), resolved()], Command::Receive(old.clone())),
            Ok(vec![Event::MessageReceived(Message { cycle: 1, ..old })])
        );
    }

    #[test]
    fn a_closed_conversation_cannot_be_assigned() {
        assert_eq!(
            decide_after::<Conversation>(&[opened(), resolved()], assign(AGENT)),
            Err(Error::NotOpen)
        );
    }

    #[test]
    fn assigning_names_who_had_it_before() {
        let other = Uuid::from_u128(12);
        assert_eq!(
            decide_after::<Conversation>(&[opened(), assigned()], assign(other)),
            Ok(vec![Event::Assigned {
                agent: other,
                previous: Some(AGENT),
                cycle: 1,
                from: State::HumanHandling
            }])
        );
        assert_eq!(
            decide_after::<Conversation>(&[opened(), assigned()], assign(AGENT)),
            Ok(vec![])
        );
    }

    #[test]
    fn a_reopened_conversation_is_with_the_agent_who_had_it() {
        let history = [opened(), assigned(), resolved(), reopened(2)];
        assert_eq!(
            decide_after::<Conversation>(&history, Command::Unassign),
            Ok(vec![Event::Unassigned { agent: AGENT, cycle: 2, from: State::HumanHandling }])
        );
    }

    #[test]
    fn reading_what_is_read_is_no_news() {
        let unread = [opened(), Event::MessageReceived(message(1))];
        assert_eq!(decide_after::<Conversation>(&[opened()], Command::MarkRead), Ok(vec![]));
        assert_eq!(
            decide_after::<Conversation>(&unread, Command::MarkRead),
            Ok(vec![Event::MarkedRead { cycle: 1 }])
        );
    }

    #[test]
    fn an_empty_note_is_refused() {
        let note = |text: &str| Command::Note {
            note: Uuid::from_u128(3),
            body: Personal::content(CONTACT, text.to_owned()),
        };
        assert_eq!(decide_after::<Conversation>(&[opened()], note("  ")), Err(Error::InvalidNote));
        assert_eq!(
            decide_after::<Conversation>(&[opened()], note(&"x".repeat(4097))),
            Err(Error::InvalidNote)
        );
    }

    #[test]
    fn what_was_said_elsewhere_is_said_here_and_who_had_it_there_is_not() {
        let received = Event::MessageReceived(message(7));
        let said = vec![opened(), received, assigned(), resolved()];
        assert_eq!(
            decide_after::<Conversation>(&[opened()], Command::Adopt { said }),
            Ok(vec![Event::MessageReceived(Message { moved: true, ..message(1) })])
        );
    }

    #[test]
    fn a_merged_conversation_leaves_everything_to_the_other() {
        let other = Uuid::from_u128(13);
        let merged = Event::Merged { into: other, messages: vec![] };
        assert_eq!(
            decide_after::<Conversation>(&[opened(), merged], Command::Resolve),
            Err(Error::Merged { into: other })
        );
    }

    #[test]
    fn nothing_happens_in_a_conversation_that_is_not() {
        assert_eq!(decide_after::<Conversation>(&[], Command::Resolve), Err(Error::NotFound));
    }

    const AGENT: Uuid = Uuid::from_u128(11);
    const CONTACT: Uuid = Uuid::from_u128(5);

    fn opened() -> Event {
        let channel = Uuid::from_u128(4);
        Event::Opened { channel, contact: CONTACT, group: None, cycle: 1 }
    }

    fn assigned() -> Event {
        Event::Assigned { agent: AGENT, previous: None, cycle: 1, from: State::Open }
    }

    fn resolved() -> Event {
        Event::Resolved { agent: None, contact: CONTACT, cycle: 1, from: State::Open }
    }

    fn reopened(cycle: u32) -> Event {
        Event::Reopened { cycle, by_customer: false }
    }

    fn assign(agent: Uuid) -> Command {
        Command::Assign { agent }
    }

    fn message(cycle: u32) -> Message {
        let content = Content::Text { body: "Hello".into(), preview_url: None };
        Message {
            message: Uuid::from_u128(6),
            channel: Uuid::from_u128(4),
            contact: CONTACT,
            cycle,
            kind: Kind::Text,
            at: DateTime::UNIX_EPOCH,
            order: "00".into(),
            body: Personal::content(CONTACT, Body { content, referral: None, context: None }),
            provider_id: Personal::provider(CONTACT, "wamid.A".into()),
            reply_to: None,
            target: None,
            conflict: false,
            moved: false,
            imported: false,
            line: None,
            author: Author::Customer,
        }
    }
}
