//! A payout: money that the organisation sends to somebody's mobile wallet. Who asks for it never
//! approves it, and once it is known whether the money moved, no later news changes that.

mod by_people;
mod by_provider;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Personal;
use crate::aggregate::{Aggregate, Context};
use by_people::{check_reason, request, revise, settle};

#[derive(Debug)]
pub enum Command {
    Request(Request),
    /// Only before it is submitted, and an approval that it has is void.
    Revise(Revision),
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
    /// The provider is about to be asked, for the first time or again, for what the payout was at
    /// this revision, with the API token of this fingerprint.
    Submit {
        revision: u32,
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
    /// Somebody has found out what the provider doesn't tell.
    Settle(Settlement),
}

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

/// What becomes different about a payout, and who wants it so.
#[derive(Clone, Debug)]
pub struct Revision {
    pub by: Uuid,
    pub amount: Option<i64>,
    pub currency: Option<String>,
    pub recipient: Option<Personal<String>>,
    pub provider: Option<String>,
    pub reason: Option<Personal<String>>,
    pub channel: Option<Uuid>,
}

/// How a payout ended by a person's word, and what that rests on.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub by: Uuid,
    pub outcome: Verdict,
    /// What was seen that proves it.
    pub evidence: Personal<String>,
    pub reason: Personal<String>,
}

/// How long the provider may take to say what became of a payout before a person may say it.
pub const REASONABLE: TimeDelta = TimeDelta::hours(1);

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
    /// How often it was changed since it was asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How it ended, by the provider's word or a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PayoutOutcome")]
pub enum Verdict {
    Completed,
    Failed,
}

impl Verdict {
    pub fn state(self) -> State {
        match self {
            Verdict::Completed => State::Completed,
            Verdict::Failed => State::Failed,
        }
    }
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
    /// It has to be approved as it is now, whether or not it was approved before. Only what changed
    /// is told.
    Revised {
        by: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        currency: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recipient: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Personal<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<Uuid>,
        was: Standing,
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
    /// The provider didn't say what became of it; a person did, on this evidence.
    Settled {
        by: Uuid,
        outcome: Verdict,
        evidence: Personal<String>,
        reason: Personal<String>,
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
    #[error("who asked for a payout can't say how it ended; another person must")]
    OwnPayout,
    #[error("only who asked for a payout can change it; others reject it")]
    NotRequester,
    #[error(
        "the payout was changed since it was asked for: say with If-Match which version this is about"
    )]
    Revised,
    #[error("the payout is {}, not unknown: how it ended is for the provider to say", .state.as_str())]
    NotUnknown { state: State },
    #[error("the provider may still say what became of it: wait until {}", .until.to_rfc3339())]
    TooEarly { until: DateTime<Utc> },
    #[error("the payout is {}: the provider was never asked for it", .state.as_str())]
    NotSubmitted { state: State },
    #[error("the payout is {}: only one that is requested can be decided on", .state.as_str())]
    NotRequested { state: State },
    #[error("the payout is {}: it can be changed or cancelled only before it is submitted", .state.as_str())]
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
    #[error("evidence has 1 to 2000 characters: where it was looked up, when, and what it said")]
    InvalidEvidence,
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
            Command::Revise(revision) => revise(revision, was),
            Command::Settle(settlement) => settle(settlement, was, context.now),
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
            Event::Revised { amount, currency, provider, channel, .. } => {
                standing.state = State::Requested;
                standing.approver = None;
                standing.approved_at = None;
                standing.amount = amount.unwrap_or(standing.amount);
                standing.channel = channel.or(standing.channel);
                currency.iter().for_each(|told| standing.currency.clone_from(told));
                provider.iter().for_each(|told| standing.provider.clone_from(told));
                standing.revision += 1;
            }
            Event::Settled { outcome, .. } => standing.state = outcome.state(),
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
        revision: 0,
    })
}
