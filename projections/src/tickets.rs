//! Tickets: what the organisation owes somebody, and how it stands.

use chrono::{DateTime, Utc};
use domain::ticket::{Event, Priority, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::facts::{Facts, Group, Measure};
use crate::finder::Finder;
use crate::inbox::Assignee;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Tickets;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub ticket_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub ticket_id: Uuid,
    pub number: u64,
    /// Token of the subject.
    pub subject: Option<String>,
    pub state: State,
    pub priority: Priority,
    pub assignee: Option<Uuid>,
    /// As the ticket was opened; who stands for that contact now, the contacts know.
    pub contact_id: Option<Uuid>,
    pub conversation_id: Option<Uuid>,
    pub cycle: u32,
    /// How often it was opened again after it was solved or closed.
    pub reopened: u32,
    pub comments: u32,
    pub rating: Option<u8>,
    /// Token of what was said with the rating.
    pub rating_comment: Option<String>,
    pub merged_into: Option<Uuid>,
    pub version: i64,
    pub opened_at: DateTime<Utc>,
    /// When a person of the organisation first answered in public, in whichever cycle.
    pub first_response_at: Option<DateTime<Utc>>,
    pub solved_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    /// What numbers count by: reopening changes no number of a day that is over.
    pub first_solved_at: Option<DateTime<Utc>>,
    pub first_closed_at: Option<DateTime<Utc>>,
    pub last_activity_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("ticket_id", "uuid"),
        column("number", "bigint"),
        column("subject", "text"),
        column("state", "text"),
        column("priority", "text"),
        column("assignee", "uuid"),
        column("contact_id", "uuid"),
        column("conversation_id", "uuid"),
        column("cycle", "bigint"),
        column("reopened", "bigint"),
        column("comments", "bigint"),
        column("rating", "bigint"),
        column("rating_comment", "text"),
        column("merged_into", "uuid"),
        column("version", "bigint"),
        column("opened_at", "timestamptz"),
        column("first_response_at", "timestamptz"),
        column("solved_at", "timestamptz"),
        column("closed_at", "timestamptz"),
        column("first_solved_at", "timestamptz"),
        column("first_closed_at", "timestamptz"),
        column("last_activity_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, number desc, ticket_id desc)",
        "(tenant_id, state, number desc, ticket_id desc)",
        "(tenant_id, assignee, number desc, ticket_id desc)",
        "(tenant_id, contact_id)",
        "(tenant_id, conversation_id)",
    ];
}

impl ReadModel for Tickets {
    const NAME: &'static str = "tickets";
    const VERSION: u32 = 2;
    const SOURCE: Source = Source::Stream("ticket");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Ticket(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, ticket_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Ticket(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Opened { .. }) => opened(key, at),
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        row.last_activity_at = at;
        match event {
            Event::Opened { number, subject, priority, contact, conversation, cycle, .. } => {
                row.number = *number;
                row.subject = token(subject);
                row.priority = *priority;
                row.contact_id = *contact;
                row.conversation_id = *conversation;
                row.cycle = *cycle;
            }
            Event::Retitled { subject, .. } => row.subject = token(subject),
            Event::Prioritised { priority, .. } => row.priority = *priority,
            Event::Assigned { agent, .. } => row.assignee = Some(*agent),
            Event::Unassigned { .. } => row.assignee = None,
            Event::Commented { .. } => {
                row.comments += 1;
                if event.responds() {
                    row.first_response_at.get_or_insert(at);
                }
            }
            Event::Pended { .. } => row.state = State::Pending,
            Event::Resumed { .. } => row.state = State::Open,
            Event::Solved { .. } => {
                row.state = State::Solved;
                row.solved_at = Some(at);
                row.first_solved_at.get_or_insert(at);
            }
            Event::Closed { .. } => row.close(at),
            Event::Reopened { cycle, .. } => row.reopen(*cycle),
            Event::Rated { rating, comment, .. } => {
                row.rating = Some(*rating);
                row.rating_comment = comment.as_ref().and_then(token);
            }
            Event::Merged { into, .. } => {
                row.close(at);
                row.merged_into = Some(*into);
            }
            Event::Absorbed { .. } => {}
        }
        Some(row)
    }
}

fn opened(key: &Key, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        ticket_id: key.ticket_id,
        number: 0,
        subject: None,
        state: State::Open,
        priority: Priority::Normal,
        assignee: None,
        contact_id: None,
        conversation_id: None,
        cycle: 1,
        reopened: 0,
        comments: 0,
        rating: None,
        rating_comment: None,
        merged_into: None,
        version: 0,
        opened_at: at,
        first_response_at: None,
        solved_at: None,
        closed_at: None,
        first_solved_at: None,
        first_closed_at: None,
        last_activity_at: at,
    }
}

impl Row {
    /// A ticket that was closed before and is merged now was closed then.
    fn close(&mut self, at: DateTime<Utc>) {
        self.state = State::Closed;
        self.closed_at.get_or_insert(at);
        self.first_closed_at.get_or_insert(at);
    }

    fn reopen(&mut self, cycle: u32) {
        self.state = State::Open;
        self.cycle = cycle;
        self.reopened += 1;
        self.solved_at = None;
        self.closed_at = None;
    }
}

/// Which tickets somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Empty: all.
    pub states: Vec<State>,
    /// Empty: all.
    pub priorities: Vec<Priority>,
    pub assignee: Assignee,
    /// Only tickets of one of these contacts.
    pub contacts: Option<Vec<Uuid>>,
    pub conversation: Option<Uuid>,
    pub number: Option<i64>,
}

/// The last row of a page: its number and its ticket.
pub type Cursor = (u64, Uuid);

impl Facts for Tickets {
    const SHOWN: &'static str = "tenant_id, ticket_id, number, state, priority, assignee,
        contact_id, conversation_id, cycle, rating, opened_at, first_solved_at,
        first_closed_at";
    const MEASURES: &'static [Measure] = &[OPENED, SOLVED, CLOSED];
    const GROUPS: &'static [Group] = &[ASSIGNEE];
}

/// Who has the ticket now.
pub const ASSIGNEE: Group = Group { name: "assignee", sql: "assignee::text" };

pub const OPENED: Measure = Measure {
    agent: Some("assignee"),
    channel: None,
    ..Measure::new("tickets.opened", "opened_at")
};
/// When each was solved for the first time, and how long that took from the opening.
pub const SOLVED: Measure =
    Measure { name: "tickets.solved", at: "first_solved_at", since: Some("opened_at"), ..OPENED };
pub const CLOSED: Measure =
    Measure { name: "tickets.closed", at: "first_closed_at", since: Some("opened_at"), ..OPENED };

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.number, self.ticket_id)
    }
}

/// Tickets, the newest first.
pub async fn page(
    finder: &Finder<Tickets>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.is_one_of("state", filter.states.iter().map(|state| state.as_str()));
    find.is_one_of("priority", filter.priorities.iter().map(|one| one.as_str()));
    match filter.assignee {
        Assignee::Anyone => {}
        Assignee::Nobody => {
            find.sql.push(" and assignee is null");
        }
        Assignee::Agent(agent) => {
            find.when("assignee = {}", Some(agent));
        }
    }
    find.when("contact_id = any({})", filter.contacts);
    find.when("conversation_id = {}", filter.conversation);
    find.when("number = {}", filter.number);
    if let Some((number, ticket)) = after {
        find.sql.push(" and (number, ticket_id) < (").push_bind(number.cast_signed());
        find.sql.push(", ").push_bind(ticket).push(")");
    }
    find.fetch("number desc, ticket_id desc", limit).await
}

/// One ticket.
pub async fn find(finder: &Finder<Tickets>, ticket: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("ticket_id = {}", Some(ticket));
    find.fetch_one().await
}

/// Tickets that somebody has and that are not closed.
pub async fn open_of(
    finder: &Finder<Tickets>,
    assignee: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    let mut find = finder.select("r.*");
    find.sql.push(" and state <> 'closed'");
    find.when("assignee = {}", Some(assignee));
    let rows: Vec<Row> = find.fetch("ticket_id", limit).await?;
    Ok(rows.into_iter().map(|row| row.ticket_id).collect())
}
