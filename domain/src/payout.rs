//! A payout: money that the organisation sends to somebody's mobile wallet. Who asks for it never
//! approves it, and once it is known whether the money moved, no later news changes that.

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};

#[derive(Debug)]
pub enum Command {
    Request(Request),
    Approve {
        by: Uuid,
    },
    Reject {
        by: Uuid,
        reason: Personal<String>,
    },
    /// Only before the provider may have been asked.
    Cancel {
        by: Uuid,
    },
    /// The provider is about to be asked, for the first time or again, with the API token of this
    /// fingerprint.
    Submit {
        token: String,
    },
    /// The provider certainly didn't take it; it may later.
    Postpone {
        reason: String,
    },
    Accept,
    Complete {
        provider_transaction_id: Option<String>,
    },
    Fail {
        code: String,
        message: Option<Personal<String>>,
    },
    /// The provider may have taken it.
    LoseSight {
        reason: String,
    },
}

/// There is no way to change a payout: whoever wants another asks for another, which is approved
/// for itself.
#[derive(Clone, Debug)]
pub struct Request {
    /// In the currency's smallest unit.
    pub amount: i64,
    /// A code of ISO 4217.
    pub currency: String,
    /// The wallet's number: digits with country code.
    pub recipient: Personal<String>,
    /// The wallet's operator, as PawaPay names it.
    pub provider: String,
    pub reason: Personal<String>,
    pub requester: Uuid,
    pub ticket: Option<Uuid>,
    pub contact: Option<Uuid>,
    /// The account at PawaPay that pays.
    pub channel: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PayoutStatus")]
pub enum State {
    Requested,
    Approved,
    Submitted,
    Completed,
    Failed,
    Rejected,
    Cancelled,
    /// Perhaps paid, until there is evidence.
    Unknown,
}

impl State {
    pub const ALL: [State; 8] = [
        State::Requested,
        State::Approved,
        State::Submitted,
        State::Completed,
        State::Failed,
        State::Rejected,
        State::Cancelled,
        State::Unknown,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Approved => "approved",
            State::Submitted => "submitted",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Rejected => "rejected",
            State::Cancelled => "cancelled",
            State::Unknown => "unknown",
        }
    }
}

/// How a payout stands. Every event after the first says how it stood until then: that measures
/// times and sums without a look at earlier events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub state: State,
    pub amount: i64,
    pub currency: String,
    pub provider: String,
    pub requester: Uuid,
    pub requested_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<DateTime<Utc>>,
    /// When the provider was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<DateTime<Utc>>,
    /// The fingerprint of the API token that it was asked with: what another token doesn't find may
    /// be another account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The provider has said that it has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Uuid>,
}

/// What the provider says in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Completed,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Requested {
        amount: i64,
        currency: String,
        recipient: Personal<String>,
        provider: String,
        reason: Personal<String>,
        requester: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Uuid>,
        at: DateTime<Utc>,
    },
    Approved {
        by: Uuid,
        at: DateTime<Utc>,
        was: Standing,
    },
    Rejected {
        by: Uuid,
        reason: Personal<String>,
        was: Standing,
    },
    Cancelled {
        by: Uuid,
        was: Standing,
    },
    /// Recorded before each call that asks for the money to move.
    SubmissionStarted {
        at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        was: Standing,
    },
    /// Approved still, and not submitted after all.
    Postponed {
        reason: String,
        was: Standing,
    },
    Accepted {
        was: Standing,
    },
    Completed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_transaction_id: Option<String>,
        was: Standing,
    },
    Failed {
        code: String,
        /// The provider's words, which may quote the recipient.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Personal<String>>,
        was: Standing,
    },
    Unknown {
        reason: String,
        was: Standing,
    },
    /// The provider says something else than what is settled. A person must look into it.
    ContradictionNoticed {
        told: Verdict,
        was: Standing,
    },
}

/// A payout knows no other aggregates: that one isn't there is told by whoever looked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the payout exists already")]
    AlreadyRequested,
    #[error("there is no such payout")]
    NotFound,
    #[error("who asks for a payout can't approve it; another person must")]
    SamePerson,
    #[error("the payout is {}: only one that is requested can be decided on", .state.as_str())]
    NotRequested { state: State },
    #[error("the payout is {}: it can be cancelled only before it is submitted", .state.as_str())]
    TooLate { state: State },
    #[error("the payout is {}, not approved", .state.as_str())]
    NotApproved { state: State },
    #[error("an amount is more than 0, in the currency's smallest unit")]
    InvalidAmount,
    #[error("a currency is a code of ISO 4217 that has a smallest unit, like KES")]
    InvalidCurrency,
    #[error("a provider is one of PawaPay's codes, like MTN_MOMO_RWA")]
    InvalidProvider,
    #[error("a reason has 1 to 500 characters")]
    InvalidReason,
    #[error("there is no such ticket in this organisation")]
    UnknownTicket,
    #[error("there is no such contact in this organisation")]
    UnknownContact,
    #[error("there is no such PawaPay channel in this organisation")]
    UnknownChannel,
    #[error("no PawaPay channel is connected: connect one first")]
    NoChannel,
    #[error("several PawaPay channels are connected: name the one that pays")]
    ChannelNeeded,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Payout {
    /// `None` before it is requested.
    pub standing: Option<Standing>,
    /// What the provider last said against what is settled.
    pub contradiction: Option<Verdict>,
}

impl Aggregate for Payout {
    const TYPE: &'static str = "payout";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, context: &Context) -> Result<Vec<Event>, Error> {
        let Some(was) = self.standing.clone() else {
            return match command {
                Command::Request(asked) => request(asked, context.now),
                _ => Err(Error::NotFound),
            };
        };
        let state = was.state;
        match command {
            Command::Request(_) => Err(Error::AlreadyRequested),
            Command::Approve { .. } | Command::Reject { .. } if state != State::Requested => {
                Err(Error::NotRequested { state })
            }
            Command::Approve { by } if by == was.requester => Err(Error::SamePerson),
            Command::Approve { by } => Ok(vec![Event::Approved { by, at: context.now, was }]),
            Command::Reject { by, reason } => {
                check_reason(&reason)?;
                Ok(vec![Event::Rejected { by, reason, was }])
            }
            Command::Cancel { by } => match state {
                State::Requested | State::Approved => Ok(vec![Event::Cancelled { by, was }]),
                _ => Err(Error::TooLate { state }),
            },
            told => self.told(told, was, context.now),
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::Requested { .. } = event {
            self.standing = requested(event);
        }
        let Some(standing) = &mut self.standing else { return };
        match event {
            Event::Requested { .. } => {}
            Event::Approved { by, at, .. } => {
                standing.state = State::Approved;
                standing.approver = Some(*by);
                standing.approved_at = Some(*at);
            }
            Event::Rejected { .. } => standing.state = State::Rejected,
            Event::Cancelled { .. } => standing.state = State::Cancelled,
            Event::SubmissionStarted { at, token, .. } => {
                standing.submitted_at = Some(*at);
                standing.token.clone_from(token);
                // Asking again is no evidence of what became of the first time.
                if standing.state != State::Unknown {
                    standing.state = State::Submitted;
                }
            }
            Event::Postponed { .. } => {
                standing.state = State::Approved;
                standing.token = None;
            }
            Event::Accepted { .. } => {
                standing.state = State::Submitted;
                standing.accepted = true;
            }
            Event::Completed { .. } => standing.state = State::Completed,
            Event::Failed { .. } => standing.state = State::Failed,
            Event::Unknown { .. } => standing.state = State::Unknown,
            Event::ContradictionNoticed { told, .. } => self.contradiction = Some(*told),
        }
    }
}

impl Payout {
    /// What the provider tells, or what is known of a call to it.
    fn told(&self, told: Command, was: Standing, now: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let state = was.state;
        let verdict = match &told {
            Command::Complete { .. } => Some(Verdict::Completed),
            Command::Fail { .. } => Some(Verdict::Failed),
            _ => None,
        };
        match state {
            State::Approved | State::Submitted | State::Unknown => {}
            State::Requested => return Err(Error::NotApproved { state }),
            _ if matches!(told, Command::Submit { .. }) => {
                return Err(Error::NotApproved { state });
            }
            settled => return Ok(self.contradicted(settled, verdict, was)),
        }
        Ok(match told {
            Command::Submit { token } => {
                vec![Event::SubmissionStarted { at: now, token: Some(token), was }]
            }
            Command::Postpone { reason } if state == State::Submitted && !was.accepted => {
                vec![Event::Postponed { reason, was }]
            }
            Command::Accept if !was.accepted || state != State::Submitted => {
                vec![Event::Accepted { was }]
            }
            Command::Complete { provider_transaction_id } => {
                vec![Event::Completed { provider_transaction_id, was }]
            }
            Command::Fail { code, message } => vec![Event::Failed { code, message, was }],
            Command::LoseSight { reason } if state != State::Unknown => {
                vec![Event::Unknown { reason, was }]
            }
            _ => vec![],
        })
    }

    /// News about a payout that is settled: the same is no news, and the opposite is kept for a
    /// person to see, once.
    fn contradicted(&self, settled: State, verdict: Option<Verdict>, was: Standing) -> Vec<Event> {
        let Some(told) = verdict else { return vec![] };
        let paid = settled == State::Completed;
        let agrees = paid == (told == Verdict::Completed);
        if agrees || self.contradiction == Some(told) {
            return vec![];
        }
        vec![Event::ContradictionNoticed { told, was }]
    }
}

fn request(asked: Request, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
    let currency = asked.currency.as_bytes();
    let provider = asked.provider.as_bytes();
    let word = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if asked.amount <= 0 {
        return Err(Error::InvalidAmount);
    }
    if currency.len() != 3 || !currency.iter().all(u8::is_ascii_uppercase) {
        return Err(Error::InvalidCurrency);
    }
    if !(3..=40).contains(&provider.len()) || !provider.iter().all(word) {
        return Err(Error::InvalidProvider);
    }
    check_reason(&asked.reason)?;
    Ok(vec![Event::Requested {
        amount: asked.amount,
        currency: asked.currency,
        recipient: asked.recipient,
        provider: asked.provider,
        reason: asked.reason,
        requester: asked.requester,
        ticket: asked.ticket,
        contact: asked.contact,
        channel: asked.channel,
        at,
    }])
}

fn requested(event: &Event) -> Option<Standing> {
    let Event::Requested {
        amount,
        currency,
        provider,
        requester,
        ticket,
        contact,
        channel,
        at,
        ..
    } = event
    else {
        return None;
    };
    Some(Standing {
        state: State::Requested,
        amount: *amount,
        currency: currency.clone(),
        provider: provider.clone(),
        requester: *requester,
        requested_at: *at,
        approver: None,
        approved_at: None,
        submitted_at: None,
        token: None,
        accepted: false,
        ticket: *ticket,
        contact: *contact,
        channel: *channel,
    })
}

fn check_reason(reason: &Personal<String>) -> Result<(), Error> {
    let text = reason.clear().map_or("", String::as_str);
    if text.trim().is_empty() || text.chars().count() > 500 {
        return Err(Error::InvalidReason);
    }
    Ok(())
}
