//! Who was asked to join, and what became of it.

use chrono::{DateTime, Utc};
use domain::aggregate::Role;
use domain::invitation::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Invitations;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub invitation_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub invitation_id: Uuid,
    /// Who it makes a member.
    pub user_id: Uuid,
    /// Token of the address.
    pub email: Option<String>,
    pub role: Role,
    pub state: State,
    /// As the log names who invited.
    pub invited_by: String,
    /// How many mails went out.
    pub sent: u32,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub answered_at: Option<DateTime<Utc>>,
}

/// As the log tells it; that the time is over, only a clock can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Pending,
    Revoked,
    Accepted,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("invitation_id", "uuid"),
        column("user_id", "uuid"),
        column("email", "text"),
        column("role", "text"),
        column("state", "text"),
        column("invited_by", "text"),
        column("sent", "bigint"),
        column("version", "bigint"),
        column("created_at", "timestamptz"),
        column("expires_at", "timestamptz"),
        column("answered_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(tenant_id, created_at desc, invitation_id desc)"];
}

impl ReadModel for Invitations {
    const NAME: &'static str = "invitations";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("invitation");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Invitation(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, invitation_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Invitation(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Created { user, email, role, expires_at, .. }) => Row {
                tenant_id: key.tenant_id,
                invitation_id: key.invitation_id,
                user_id: *user,
                email: token(email),
                role: *role,
                state: State::Pending,
                invited_by: recorded.stored.actor.clone(),
                sent: 1,
                version: 0,
                created_at: at,
                expires_at: *expires_at,
                answered_at: None,
            },
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Created { .. } => {}
            Event::Resent { expires_at, .. } => {
                row.sent += 1;
                row.expires_at = *expires_at;
            }
            Event::Revoked { .. } => {
                row.state = State::Revoked;
                row.answered_at = Some(at);
            }
            Event::Accepted { .. } => {
                row.state = State::Accepted;
                row.answered_at = Some(at);
            }
        }
        Some(row)
    }
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Revoked => "revoked",
            State::Accepted => "accepted",
        }
    }
}

/// Which invitations somebody wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    /// Those whose time is not over at this time, or those whose is.
    pub in_time: Option<(DateTime<Utc>, bool)>,
}

/// The last row of a page: when it was created, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.created_at, self.invitation_id)
    }
}

/// Invitations, the newest first.
pub async fn page(
    finder: &Finder<Invitations>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("state = {}", filter.state.map(State::as_str));
    let at = |in_time| filter.in_time.filter(|(_, is)| *is == in_time).map(|(at, _)| at);
    find.when("expires_at > {}", at(true)).when("expires_at <= {}", at(false));
    if let Some((at, invitation)) = after {
        find.sql.push(" and (created_at, invitation_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(invitation).push(")");
    }
    find.fetch("created_at desc, invitation_id desc", limit).await
}

/// One invitation.
pub async fn find(finder: &Finder<Invitations>, invitation: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("invitation_id = {}", Some(invitation));
    find.fetch_one().await
}
