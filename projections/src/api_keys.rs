//! Which keys programs call with: what each may do, until when, and when it was last used.

use chrono::{DateTime, Utc};
use domain::aggregate::Role;
use domain::api_key::{Event, Scopes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::{Finder, Select};
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct ApiKeys;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub key_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub key_id: Uuid,
    /// In whose name it calls.
    pub user_id: Uuid,
    pub name: String,
    pub role: Role,
    pub scopes: Scopes,
    /// The ids of its secrets; where they are kept, only hashes are.
    pub secret_id: Uuid,
    pub previous_secret_id: Option<Uuid>,
    pub previous_until: Option<DateTime<Utc>>,
    /// As the log names who made it.
    pub created_by: String,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("key_id", "uuid"),
        column("user_id", "uuid"),
        column("name", "text"),
        column("role", "text"),
        column("scopes", "jsonb"),
        column("secret_id", "uuid"),
        column("previous_secret_id", "uuid"),
        column("previous_until", "timestamptz"),
        column("created_by", "text"),
        column("version", "bigint"),
        column("created_at", "timestamptz"),
        column("expires_at", "timestamptz"),
        column("revoked_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(tenant_id, created_at desc, key_id desc)"];
}

impl ReadModel for ApiKeys {
    const NAME: &'static str = "api_keys";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("api_key");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::ApiKey(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, key_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::ApiKey(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Issued { name, user, role, secret, scopes, expires_at }) => Row {
                tenant_id: key.tenant_id,
                key_id: key.key_id,
                user_id: *user,
                name: name.clone(),
                role: *role,
                scopes: scopes.clone(),
                secret_id: secret.id,
                previous_secret_id: None,
                previous_until: None,
                created_by: recorded.stored.actor.clone(),
                version: 0,
                created_at: at,
                expires_at: *expires_at,
                revoked_at: None,
            },
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Issued { .. } | Event::TokenIssued { .. } => {}
            Event::Renamed { name, .. } => row.name.clone_from(name),
            Event::Rescoped { scopes, .. } => row.scopes.clone_from(scopes),
            Event::ExpirySet { expires_at, .. } => row.expires_at = *expires_at,
            Event::Rotated { secret, previous, previous_until, .. } => {
                row.secret_id = secret.id;
                row.previous_secret_id = Some(previous.id);
                row.previous_until = Some(*previous_until);
            }
            Event::Revoked { .. } => row.revoked_at = Some(at),
        }
        Some(row)
    }
}

/// A key, and what is known of it beside the log.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    pub key: Row,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// How a key stands; that its time is over, only a clock can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Active,
    Expired,
    Revoked,
}

impl Row {
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        match self.expires_at {
            _ if self.revoked_at.is_some() => Standing::Revoked,
            Some(expiry) if expiry <= now => Standing::Expired,
            _ => Standing::Active,
        }
    }
}

/// The last row of a page: when it was created, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Seen {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.key.created_at, self.key.key_id)
    }
}

/// Keys, the newest first; those that stand so at this time, if it matters.
pub async fn page(
    finder: &Finder<ApiKeys>,
    standing: Option<(Standing, DateTime<Utc>)>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Seen>, Error> {
    let mut find = select(finder);
    match standing {
        None => {}
        Some((Standing::Revoked, _)) => {
            find.sql.push(" and revoked_at is not null");
        }
        Some((Standing::Expired, now)) => {
            find.sql.push(" and revoked_at is null");
            find.when("expires_at <= {}", Some(now));
        }
        Some((Standing::Active, now)) => {
            find.sql.push(" and revoked_at is null");
            find.when("(expires_at is null or expires_at > {})", Some(now));
        }
    }
    if let Some((at, key)) = after {
        find.sql.push(" and (created_at, key_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(key).push(")");
    }
    find.fetch("created_at desc, key_id desc", limit).await
}

/// One key.
pub async fn find(finder: &Finder<ApiKeys>, key: Uuid) -> Result<Option<Seen>, Error> {
    let mut find = select(finder);
    find.when("key_id = {}", Some(key));
    find.fetch_one().await
}

fn select<'a>(finder: &Finder<ApiKeys>) -> Select<'a, ApiKeys> {
    finder.select(
        "r.*, (select u.used_at from key_uses u
                where u.tenant_id = r.tenant_id and u.key_id = r.key_id) as last_used_at",
    )
}
