//! Who works in the organisation: what they may do, how they are reached, since when.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::aggregate::Role;
use domain::user::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Members;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub user_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub user_id: Uuid,
    /// Tokens of personal data.
    pub name: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub role: Role,
    pub second_factor: bool,
    pub version: i64,
    pub joined_at: DateTime<Utc>,
    pub deactivated_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("user_id", "uuid"),
        column("name", "text"),
        column("email", "text"),
        column("email_verified", "boolean"),
        column("role", "text"),
        column("second_factor", "boolean"),
        column("version", "bigint"),
        column("joined_at", "timestamptz"),
        column("deactivated_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(tenant_id, joined_at desc, user_id desc)"];
}

impl ReadModel for Members {
    const NAME: &'static str = "members";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("user");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::User(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, user_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::User(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Registered { role, .. }) => joined(key, *role, at),
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Registered { name, .. } | Event::Renamed { name } => row.name = token(name),
            Event::EmailSet { email } => {
                row.email = token(email);
                row.email_verified = false;
            }
            Event::EmailVerified { .. } => row.email_verified = true,
            Event::RoleChanged { to, .. } => row.role = *to,
            Event::Deactivated { .. } => row.deactivated_at = Some(at),
            Event::Reactivated { .. } => row.deactivated_at = None,
            Event::SecondFactorConfirmed { .. } => row.second_factor = true,
            Event::SecondFactorDisabled {} => row.second_factor = false,
            Event::PasswordSet { .. }
            | Event::ChallengeIssued { .. }
            | Event::ChallengeMet { .. }
            | Event::SecondFactorEnrolled { .. }
            | Event::SecondFactorPassed { .. }
            | Event::RecoveryCodesReplaced { .. }
            | Event::RecoveryCodeUsed { .. }
            | Event::RecoveryCodeRevoked { .. } => {}
        }
        Some(row)
    }
}

fn joined(key: &Key, role: Role, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        user_id: key.user_id,
        name: None,
        email: None,
        email_verified: false,
        role,
        second_factor: false,
        version: 0,
        joined_at: at,
        deactivated_at: None,
    }
}

/// Which members somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Empty: all.
    pub roles: Vec<Role>,
    pub active: Option<bool>,
    pub among: Option<Vec<Uuid>>,
    pub but: Option<Vec<Uuid>>,
}

/// The last row of a page: when the member joined, and who it is.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.joined_at, self.user_id)
    }
}

/// Members, the newest first.
pub async fn page(
    finder: &Finder<Members>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.is_one_of("role", filter.roles.iter().map(|role| role.as_str()))
        .when("(deactivated_at is null) = {}", filter.active)
        .when("user_id = any({})", filter.among)
        .when("user_id <> all({})", filter.but);
    if let Some((at, user)) = after {
        find.sql.push(" and (joined_at, user_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(user).push(")");
    }
    find.fetch("joined_at desc, user_id desc", limit).await
}

/// One member.
pub async fn find(finder: &Finder<Members>, user: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("user_id = {}", Some(user));
    find.fetch_one().await
}

/// Members by their ids; ids of nobody are left out.
pub async fn of_ids(
    finder: &Finder<Members>,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("user_id = any({})", Some(ids));
    let rows: Vec<Row> = find.fetch_all().await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row)).collect())
}
