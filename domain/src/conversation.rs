//! A conversation: what one contact (or group) and the organisation say to each other on one
//! channel, in rounds from opening to closing that are counted as cycles.

mod message;
mod reach;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use crate::message::{Delivery, Kind};
pub use message::{Author, Body, Draft, Message, Outgoing, Receipt, TemplateName};
pub use state::State;

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
    /// Write to the customer; a policy hands it to the provider.
    Send(Draft),
    /// It can't be known whether the provider took the message.
    LoseSight {
        message: Uuid,
        reason: String,
    },
    /// Try a failed message again.
    Retry {
        message: Uuid,
        kind: Kind,
    },
    /// Give a failed message up, or one that nothing was heard of.
    Discard {
        message: Uuid,
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
    MessageQueued(Outgoing),
    /// The provider took the message.
    Dispatched(Receipt),
    Delivered(Receipt),
    Read(Receipt),
    Played(Receipt),
    Failed(Receipt),
    /// Whether the provider took the message is not known.
    Unknown {
        message: Uuid,
        cycle: u32,
        reason: String,
    },
    MessageRetried {
        message: Uuid,
        cycle: u32,
    },
    MessageDiscarded {
        message: Uuid,
        cycle: u32,
    },
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Uuid>,
        /// Who has it still from the cycle before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent: Option<Uuid>,
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
        /// How many cycles there were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cycle: Option<u32>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the conversation exists already")]
    AlreadyOpen,
    #[error("there is no such conversation")]
    NotFound,
    #[error("the conversation is closed; reopen it first")]
    NotOpen,
    #[error(
        "the customer last wrote more than 24 hours ago: the window closed at {closed_at}; \
         until they write again, only a template may be sent"
    )]
    WindowClosed { closed_at: DateTime<Utc> },
    #[error("the customer has never written here: only a template may be sent")]
    WindowNeverOpen,
    #[error("there is no such message, or it needs no decision")]
    NoSuchMessage,
    #[error(
        "it is not known whether the provider took the message; sending it again could send it \
         twice: discard it, or wait for news"
    )]
    Uncertain,
    #[error("a note has 1 to 4096 characters")]
    InvalidNote,
    #[error("the conversation was merged into {into}; use that one")]
    Merged { into: Uuid },
}

/// Where a message of ours stands before it is known to have reached the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Queued,
    /// The provider has taken it, and may still tell that it failed.
    Sent,
    Unknown,
    Failed,
}

/// How long after the customer's last message anything may be sent (Meta's customer service
/// window).
pub const WINDOW: TimeDelta = TimeDelta::hours(24);

#[derive(Clone, Debug, Default, Serialize)]
pub struct Conversation {
    /// Channel and contact; `None` before it is opened.
    pub between: Option<(Uuid, Uuid)>,
    pub in_group: bool,
    pub state: State,
    pub assignee: Option<Uuid>,
    pub cycle: u32,
    pub unread: u32,
    /// The newest of the customer's messages, by the provider's time.
    pub last_inbound_at: DateTime<Utc>,
    /// Messages of ours that are not known to have arrived.
    pub outgoing: BTreeMap<Uuid, Standing>,
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
            Command::Send(draft) => self.send(draft, context.now),
            Command::LoseSight { message, reason } => Ok(self.lose_sight(message, reason)),
            Command::Retry { message, kind } => self.retry(message, kind, context.now),
            Command::Discard { message } => self.discard(message),
            Command::Note { note, body } => self.note(note, context.now, body),
            Command::MarkRead if self.unread == 0 => Ok(vec![]),
            Command::MarkRead => Ok(vec![Event::MarkedRead { cycle: self.cycle }]),
            Command::Reopen if self.state != State::Closed => Ok(vec![]),
            Command::Reopen => Ok(vec![self.reopened(false)]),
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
            Command::Merge { into, messages } => {
                Ok(vec![Event::Merged { into, messages, cycle: Some(self.cycle) }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened { channel, contact, cycle, group } => {
                self.between = Some((*channel, *contact));
                self.in_group = group.is_some();
                self.cycle = *cycle;
            }
            Event::MessageReceived(message) => {
                self.unread += u32::from(message.is_news());
                self.last_inbound_at = self.last_inbound_at.max(message.at);
            }
            Event::MessageQueued(message) => {
                self.outgoing.insert(message.message, Standing::Queued);
            }
            Event::Dispatched(receipt) => self.dispatched(receipt.message),
            Event::Delivered(receipt) | Event::Read(receipt) | Event::Played(receipt) => {
                self.outgoing.remove(&receipt.message);
            }
            Event::Failed(receipt) => self.stand(receipt.message, Standing::Failed),
            Event::Unknown { message, .. } => self.stand(*message, Standing::Unknown),
            Event::MessageRetried { message, .. } => self.stand(*message, Standing::Queued),
            Event::MessageDiscarded { message, .. } => {
                self.outgoing.remove(message);
            }
            Event::MarkedRead { .. } => self.unread = 0,
            Event::Assigned { agent, .. } => self.assignee = Some(*agent),
            Event::Unassigned { .. } => self.assignee = None,
            Event::Reopened { cycle, .. } => self.cycle = *cycle,
            Event::ContactReplaced { contact, .. } => {
                self.between = self.between.map(|(channel, _)| (channel, *contact));
            }
            Event::Merged { into, .. } => self.merged_into = Some(*into),
            Event::MessageEchoed(_) | Event::NoteAdded { .. } | Event::Resolved { .. } => {}
        }
        self.state = self.state.after(event, self.assignee.is_some());
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
        if self.state != State::Closed || !message.is_news() {
            return vec![Event::MessageReceived(Message { cycle: self.cycle, ..message })];
        }
        let cycle = self.cycle + 1;
        vec![self.reopened(true), Event::MessageReceived(Message { cycle, ..message })]
    }

    fn reopened(&self, by_customer: bool) -> Event {
        let (channel, contact) = self.between.unzip();
        let agent = self.assignee;
        Event::Reopened { cycle: self.cycle + 1, by_customer, channel, contact, agent }
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
            Event::MessageQueued(said) => {
                Event::MessageQueued(Outgoing { contact, cycle, moved: true, ..said })
            }
            Event::Unknown { message, reason, .. } => Event::Unknown { message, cycle, reason },
            Event::MessageRetried { message, .. } => Event::MessageRetried { message, cycle },
            Event::MessageDiscarded { message, .. } => Event::MessageDiscarded { message, cycle },
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

    fn lose_sight(&self, message: Uuid, reason: String) -> Vec<Event> {
        let queued = self.outgoing.get(&message) == Some(&Standing::Queued);
        let lost = queued.then_some(Event::Unknown { message, cycle: self.cycle, reason });
        lost.into_iter().collect()
    }

    fn retry(&self, message: Uuid, kind: Kind, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        match self.outgoing.get(&message) {
            Some(Standing::Failed) => {
                self.check_window(kind, now)?;
                Ok(vec![Event::MessageRetried { message, cycle: self.cycle }])
            }
            Some(Standing::Unknown) => Err(Error::Uncertain),
            Some(Standing::Queued) => Ok(vec![]),
            Some(Standing::Sent) | None => Err(Error::NoSuchMessage),
        }
    }

    fn discard(&self, message: Uuid) -> Result<Vec<Event>, Error> {
        match self.outgoing.get(&message) {
            Some(Standing::Failed | Standing::Unknown) => {
                Ok(vec![Event::MessageDiscarded { message, cycle: self.cycle }])
            }
            Some(Standing::Queued | Standing::Sent) | None => Err(Error::NoSuchMessage),
        }
    }

    /// Receipts come in any order: what has failed was sent before.
    fn dispatched(&mut self, message: Uuid) {
        if self.outgoing.get(&message) != Some(&Standing::Failed) {
            self.stand(message, Standing::Sent);
        }
    }

    /// Changes where a message of ours stands, if we know it as ours.
    fn stand(&mut self, message: Uuid, standing: Standing) {
        self.outgoing.entry(message).and_modify(|old| *old = standing);
    }

    fn send(&self, draft: Draft, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let Some((channel, contact)) = self.between else { return Err(Error::NotFound) };
        self.check_window(draft.kind, now)?;
        let reopens = self.state == State::Closed;
        let cycle = self.cycle + u32::from(reopens);
        let from = self.state;
        let queued = Event::MessageQueued(Outgoing::new(draft, channel, contact, cycle, now, from));
        Ok(if reopens { vec![self.reopened(false), queued] } else { vec![queued] })
    }

    fn check_window(&self, kind: Kind, now: DateTime<Utc>) -> Result<(), Error> {
        let closed_at = self.last_inbound_at + WINDOW;
        match kind {
            Kind::Template => Ok(()),
            _ if self.last_inbound_at == DateTime::UNIX_EPOCH => Err(Error::WindowNeverOpen),
            _ if now >= closed_at => Err(Error::WindowClosed { closed_at }),
            _ => Ok(()),
        }
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
