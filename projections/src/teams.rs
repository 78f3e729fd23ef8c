//! Teams: who is in them, and when they work.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::team::{Event, Role, Schedule};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Teams;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub team_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub team_id: Uuid,
    pub name: String,
    pub members: BTreeMap<Uuid, Role>,
    pub schedule: Option<Schedule>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("team_id", "uuid"),
        column("name", "text"),
        column("members", "jsonb"),
        column("schedule", "jsonb"),
        column("version", "bigint"),
        column("created_at", "timestamptz"),
        column("deleted_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(tenant_id, created_at desc, team_id desc)"];
}

impl ReadModel for Teams {
    const NAME: &'static str = "teams";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("team");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Team(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, team_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Team(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Created { name }) => created(key, name, at),
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Created { .. } => {}
            Event::Renamed { name, .. } => row.name.clone_from(name),
            Event::MemberSet { user, role, .. } => {
                row.members.insert(*user, *role);
            }
            Event::MemberRemoved { user, .. } => {
                row.members.remove(user);
            }
            Event::ScheduleSet { schedule } => row.schedule.clone_from(schedule),
            Event::Deleted { .. } => row.deleted_at = Some(at),
        }
        Some(row)
    }
}

fn created(key: &Key, name: &str, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        team_id: key.team_id,
        name: name.to_owned(),
        members: BTreeMap::new(),
        schedule: None,
        version: 0,
        created_at: at,
        deleted_at: None,
    }
}

/// Which teams somebody wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    pub member: Option<Uuid>,
    pub deleted: Option<bool>,
}

/// The last row of a page: when the team was created, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.created_at, self.team_id)
    }
}

/// Teams, the newest first.
pub async fn page(
    finder: &Finder<Teams>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("(deleted_at is not null) = {}", filter.deleted)
        .when("jsonb_exists(members, {})", filter.member.map(|member| member.to_string()));
    if let Some((at, team)) = after {
        find.sql.push(" and (created_at, team_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(team).push(")");
    }
    find.fetch("created_at desc, team_id desc", limit).await
}

/// One team.
pub async fn find(finder: &Finder<Teams>, team: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("team_id = {}", Some(team));
    find.fetch_one().await
}
