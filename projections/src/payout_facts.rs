//! What is measured of payouts: one row for each, with the instants of its life and how it ended.

use chrono::{DateTime, Utc};
use domain::payout::{Event, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Recorded;
use crate::facts::{Facts, Group, Measure};
use crate::model::{Column, ReadModel, Source, Table, column};

pub struct PayoutFacts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub payout_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub payout_id: Uuid,
    pub state: State,
    /// In the currency's smallest unit.
    pub amount: i64,
    pub currency: String,
    pub provider: String,
    pub channel_id: Option<Uuid>,
    pub requester: Uuid,
    pub approver: Option<Uuid>,
    pub requested_at: DateTime<Utc>,
    pub approved_at: Option<DateTime<Utc>>,
    /// When the provider was first asked.
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    /// The provider's code where it failed, or that a person said so.
    pub failure: Option<String>,
}

/// In place of a provider's code.
const SETTLED: &str = "SETTLED_BY_A_PERSON";

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("payout_id", "uuid"),
        column("state", "text"),
        column("amount", "bigint"),
        column("currency", "text"),
        column("provider", "text"),
        column("channel_id", "uuid"),
        column("requester", "uuid"),
        column("approver", "uuid"),
        column("requested_at", "timestamptz"),
        column("approved_at", "timestamptz"),
        column("submitted_at", "timestamptz"),
        column("ended_at", "timestamptz"),
        column("failure", "text"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, requested_at)",
        "(tenant_id, approved_at) where approved_at is not null",
        "(tenant_id, submitted_at) where submitted_at is not null",
        "(tenant_id, ended_at) where ended_at is not null",
    ];
}

impl ReadModel for PayoutFacts {
    const NAME: &'static str = "payout_facts";
    const VERSION: u32 = 2;
    const SOURCE: Source = Source::Stream("payout");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Payout(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, payout_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Payout(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Requested { .. }) => requested(key, event, at)?,
            (row, _) => row?,
        };
        match event {
            Event::Approved { by, .. } => {
                row.state = State::Approved;
                row.approver = Some(*by);
                row.approved_at = Some(at);
            }
            Event::Revised { amount, currency, provider, channel, .. } => {
                row.state = State::Requested;
                row.approver = None;
                row.approved_at = None;
                row.amount = amount.unwrap_or(row.amount);
                row.channel_id = channel.or(row.channel_id);
                currency.iter().for_each(|told| row.currency.clone_from(told));
                provider.iter().for_each(|told| row.provider.clone_from(told));
            }
            Event::Settled { outcome, .. } => {
                row.end(outcome.state(), at);
                if row.state == State::Failed {
                    row.failure = Some(SETTLED.to_owned());
                }
            }
            Event::Rejected { .. } => row.end(State::Rejected, at),
            Event::Cancelled { .. } => row.end(State::Cancelled, at),
            Event::SubmissionStarted { .. } => {
                row.state = State::Submitted;
                row.submitted_at.get_or_insert(at);
            }
            Event::Accepted { .. } => row.state = State::Submitted,
            Event::Completed { .. } => row.end(State::Completed, at),
            Event::Failed { code, .. } => {
                row.end(State::Failed, at);
                row.failure = Some(code.clone());
            }
            Event::Unknown { .. } => row.state = State::Unknown,
            Event::Requested { .. }
            | Event::Postponed { .. }
            | Event::ContradictionNoticed { .. } => {}
        }
        Some(row)
    }
}

fn requested(key: &Key, event: &Event, at: DateTime<Utc>) -> Option<Row> {
    let Event::Requested { amount, currency, provider, requester, channel, .. } = event else {
        return None;
    };
    Some(Row {
        tenant_id: key.tenant_id,
        payout_id: key.payout_id,
        state: State::Requested,
        amount: *amount,
        currency: currency.clone(),
        provider: provider.clone(),
        channel_id: *channel,
        requester: *requester,
        approver: None,
        requested_at: at,
        approved_at: None,
        submitted_at: None,
        ended_at: None,
        failure: None,
    })
}

impl Row {
    fn end(&mut self, state: State, at: DateTime<Utc>) {
        self.state = state;
        self.ended_at = Some(at);
    }
}

impl Facts for PayoutFacts {
    const SHOWN: &'static str = "*";
    const MEASURES: &'static [Measure] =
        &[REQUESTED, APPROVED, SUBMITTED, COMPLETED, FAILED, REJECTED, CANCELLED, UNKNOWN];
    const GROUPS: &'static [Group] = &[CURRENCY, FAILURE];
}

/// Amounts are only added up within a currency.
pub const CURRENCY: Group = Group { name: "currency", sql: "currency" };
/// A currency, and the provider's code of a failure.
pub const FAILURE: Group =
    Group { name: "failure", sql: "json_build_array(currency, failure)::text" };

const ALL: Measure = Measure {
    sum: Some("amount"),
    agent: Some("requester"),
    ..Measure::new("payouts.requested", "requested_at")
};
const ENDED: Measure = Measure { at: "ended_at", since: Some("requested_at"), ..ALL };

pub const REQUESTED: Measure = ALL;
/// From the request to the approval.
pub const APPROVED: Measure = Measure {
    name: "payouts.approved",
    at: "approved_at",
    since: Some("requested_at"),
    agent: Some("approver"),
    ..ALL
};
pub const SUBMITTED: Measure =
    Measure { name: "payouts.submitted", at: "submitted_at", since: Some("approved_at"), ..ALL };
/// From the first submission to the provider's word that the money has moved.
pub const COMPLETED: Measure = Measure {
    name: "payouts.completed",
    when: Some("state = 'completed'"),
    since: Some("coalesce(submitted_at, requested_at)"),
    ..ENDED
};
pub const FAILED: Measure =
    Measure { name: "payouts.failed", when: Some("state = 'failed'"), ..ENDED };
pub const REJECTED: Measure =
    Measure { name: "payouts.rejected", when: Some("state = 'rejected'"), ..ENDED };
pub const CANCELLED: Measure =
    Measure { name: "payouts.cancelled", when: Some("state = 'cancelled'"), ..ENDED };
/// Whether the money moved is not known yet; counted when the provider was first asked.
pub const UNKNOWN: Measure =
    Measure { name: "payouts.unknown", at: "submitted_at", when: Some("state = 'unknown'"), ..ALL };
