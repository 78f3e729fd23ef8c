//! What was said about a ticket, among colleagues and to the customer: one row for each comment.

use chrono::{DateTime, Utc};
use domain::ticket::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::Finder;
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct TicketComments;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub ticket_id: Uuid,
    pub comment_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub ticket_id: Uuid,
    pub comment_id: Uuid,
    pub public: bool,
    pub author: String,
    /// Who told it, as the audit names them.
    pub actor: String,
    pub cycle: u32,
    /// Token of the body.
    pub body: Option<String>,
    pub at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("ticket_id", "uuid"),
        column("comment_id", "uuid"),
        column("public", "boolean"),
        column("author", "text"),
        column("actor", "text"),
        column("cycle", "bigint"),
        column("body", "text"),
        column("at", "timestamptz"),
        column("recorded_at", "timestamptz"),
    ];
    const KEY: usize = 3;
    const INDEXES: &'static [&'static str] =
        &["(tenant_id, ticket_id, recorded_at desc, comment_id desc)"];
}

impl ReadModel for TicketComments {
    const NAME: &'static str = "ticket_comments";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("ticket");
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Ticket(event) = &recorded.event else { return vec![] };
        let (tenant_id, ticket_id) = (recorded.stored.tenant_id, recorded.stream());
        match event {
            Event::Commented { comment, .. } => {
                vec![Key { tenant_id, ticket_id, comment_id: *comment }]
            }
            Event::Opened { .. }
            | Event::Retitled { .. }
            | Event::Prioritised { .. }
            | Event::Assigned { .. }
            | Event::Unassigned { .. }
            | Event::Pended { .. }
            | Event::Resumed { .. }
            | Event::Solved { .. }
            | Event::Closed { .. }
            | Event::Reopened { .. }
            | Event::Rated { .. }
            | Event::Merged { .. }
            | Event::Absorbed { .. } => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Ticket(Event::Commented { public, author: by, body, at, was, .. }) =
            &recorded.event
        else {
            return row;
        };
        Some(Row {
            tenant_id: key.tenant_id,
            ticket_id: key.ticket_id,
            comment_id: key.comment_id,
            public: *public,
            author: author(*by).into(),
            actor: recorded.stored.actor.clone(),
            cycle: was.cycle,
            body: token(body),
            at: *at,
            recorded_at: recorded.stored.recorded_at,
        })
    }
}

/// The last row of a page: when it was recorded, and its comment.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.recorded_at, self.comment_id)
    }
}

/// What was said about a ticket, newest first.
pub async fn page(
    finder: &Finder<TicketComments>,
    ticket: Uuid,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("ticket_id = {}", Some(ticket));
    if let Some((at, comment)) = after {
        find.sql.push(" and (recorded_at, comment_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(comment).push(")");
    }
    find.fetch("recorded_at desc, comment_id desc", limit).await
}
