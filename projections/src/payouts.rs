//! Payouts: what the organisation sends to whom, who asked and who approved, and how it ended.

use chrono::{DateTime, Utc};
use domain::payout::{Event, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Payouts;

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
    /// Token of the wallet's number.
    pub recipient: Option<String>,
    /// Token of what it is for.
    pub reason: Option<String>,
    pub requester: Uuid,
    pub approver: Option<Uuid>,
    /// Who rejected or cancelled it.
    pub stopped_by: Option<Uuid>,
    /// Token of why it was rejected.
    pub rejection: Option<String>,
    pub ticket_id: Option<Uuid>,
    pub contact_id: Option<Uuid>,
    pub channel_id: Option<Uuid>,
    pub provider_transaction_id: Option<String>,
    pub failure_code: Option<String>,
    /// Token of the provider's words.
    pub failure_message: Option<String>,
    /// Why it waits, or what became of it is not known.
    pub obstacle: Option<String>,
    /// The provider has said the opposite of how it ended.
    pub contradicted: bool,
    /// Who said how it ended, where the provider didn't.
    pub settled_by: Option<Uuid>,
    /// Token of what that rests on.
    pub evidence: Option<String>,
    /// Token of why it was settled so.
    pub settlement: Option<String>,
    /// How often it was changed since it was asked for.
    pub revision: i64,
    pub version: i64,
    pub requested_at: DateTime<Utc>,
    pub approved_at: Option<DateTime<Utc>>,
    /// When the provider was first asked.
    pub submitted_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub last_activity_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("payout_id", "uuid"),
        column("state", "text"),
        column("amount", "bigint"),
        column("currency", "text"),
        column("provider", "text"),
        column("recipient", "text"),
        column("reason", "text"),
        column("requester", "uuid"),
        column("approver", "uuid"),
        column("stopped_by", "uuid"),
        column("rejection", "text"),
        column("ticket_id", "uuid"),
        column("contact_id", "uuid"),
        column("channel_id", "uuid"),
        column("provider_transaction_id", "text"),
        column("failure_code", "text"),
        column("failure_message", "text"),
        column("obstacle", "text"),
        column("contradicted", "boolean"),
        column("settled_by", "uuid"),
        column("evidence", "text"),
        column("settlement", "text"),
        column("revision", "bigint"),
        column("version", "bigint"),
        column("requested_at", "timestamptz"),
        column("approved_at", "timestamptz"),
        column("submitted_at", "timestamptz"),
        column("ended_at", "timestamptz"),
        column("last_activity_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, requested_at desc, payout_id desc)",
        "(tenant_id, state, requested_at desc, payout_id desc)",
        "(tenant_id, ticket_id)",
        "(tenant_id, contact_id)",
    ];
}

impl ReadModel for Payouts {
    const NAME: &'static str = "payouts";
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
        row.version = recorded.stored.sequence;
        row.last_activity_at = at;
        match event {
            Event::Requested { .. } => {}
            Event::Approved { by, .. } => {
                row.state = State::Approved;
                row.approver = Some(*by);
                row.approved_at = Some(at);
            }
            Event::Revised { .. } => row.revise(event),
            Event::Settled { by, outcome, evidence, reason, .. } => {
                row.end(outcome.state(), at);
                row.settled_by = Some(*by);
                row.evidence = token(evidence);
                row.settlement = token(reason);
            }
            Event::Rejected { by, reason, .. } => {
                row.end(State::Rejected, at);
                row.stopped_by = Some(*by);
                row.rejection = token(reason);
            }
            Event::Cancelled { by, .. } => {
                row.end(State::Cancelled, at);
                row.stopped_by = Some(*by);
            }
            Event::SubmissionStarted { .. } => {
                row.submitted_at.get_or_insert(at);
                if row.state != State::Unknown {
                    row.state = State::Submitted;
                    row.obstacle = None;
                }
            }
            Event::Postponed { reason, .. } => row.wait(State::Approved, reason),
            Event::Accepted { .. } => {
                row.state = State::Submitted;
                row.obstacle = None;
            }
            Event::Completed { provider_transaction_id, .. } => {
                row.end(State::Completed, at);
                row.provider_transaction_id.clone_from(provider_transaction_id);
            }
            Event::Failed { code, message, .. } => {
                row.end(State::Failed, at);
                row.failure_code = Some(code.clone());
                row.failure_message = message.as_ref().and_then(token);
            }
            Event::Unknown { reason, .. } => row.wait(State::Unknown, reason),
            Event::ContradictionNoticed { .. } => row.contradicted = true,
        }
        Some(row)
    }
}

fn requested(key: &Key, event: &Event, at: DateTime<Utc>) -> Option<Row> {
    let Event::Requested {
        amount,
        currency,
        recipient,
        provider,
        reason,
        requester,
        ticket,
        contact,
        channel,
        ..
    } = event
    else {
        return None;
    };
    Some(Row {
        tenant_id: key.tenant_id,
        payout_id: key.payout_id,
        state: State::Requested,
        amount: *amount,
        currency: currency.clone(),
        provider: provider.clone(),
        recipient: token(recipient),
        reason: token(reason),
        requester: *requester,
        approver: None,
        stopped_by: None,
        rejection: None,
        ticket_id: *ticket,
        contact_id: *contact,
        channel_id: *channel,
        provider_transaction_id: None,
        failure_code: None,
        failure_message: None,
        obstacle: None,
        contradicted: false,
        settled_by: None,
        evidence: None,
        settlement: None,
        revision: 0,
        version: 0,
        requested_at: at,
        approved_at: None,
        submitted_at: None,
        ended_at: None,
        last_activity_at: at,
    })
}

impl Row {
    fn end(&mut self, state: State, at: DateTime<Utc>) {
        self.state = state;
        self.ended_at = Some(at);
        self.obstacle = None;
    }

    fn revise(&mut self, event: &Event) {
        let Event::Revised { amount, currency, recipient, provider, reason, channel, .. } = event
        else {
            return;
        };
        self.state = State::Requested;
        self.approver = None;
        self.approved_at = None;
        self.revision += 1;
        self.amount = amount.unwrap_or(self.amount);
        self.channel_id = channel.or(self.channel_id);
        currency.iter().for_each(|told| self.currency.clone_from(told));
        provider.iter().for_each(|told| self.provider.clone_from(told));
        recipient.iter().for_each(|told| self.recipient = token(told));
        reason.iter().for_each(|told| self.reason = token(told));
    }

    fn wait(&mut self, state: State, obstacle: &str) {
        self.state = state;
        self.obstacle = Some(obstacle.to_owned());
    }

    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.requested_at, self.payout_id)
    }
}

/// Which payouts somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Empty: all.
    pub states: Vec<State>,
    pub ticket: Option<Uuid>,
    pub contact: Option<Uuid>,
}

/// The last row of a page: when it was asked for, and its payout.
pub type Cursor = (DateTime<Utc>, Uuid);

/// Payouts, the newest first.
pub async fn page(
    finder: &Finder<Payouts>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.is_one_of("state", filter.states.iter().map(|state| state.as_str()));
    find.when("ticket_id = {}", filter.ticket);
    find.when("contact_id = {}", filter.contact);
    if let Some((at, payout)) = after {
        find.sql.push(" and (requested_at, payout_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(payout).push(")");
    }
    find.fetch("requested_at desc, payout_id desc", limit).await
}

/// One payout.
pub async fn find(finder: &Finder<Payouts>, payout: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("payout_id = {}", Some(payout));
    find.fetch_one().await
}
