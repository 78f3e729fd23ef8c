//! Which members are there to be given work.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::presence::{Availability, Event};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Presence;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub user_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub user_id: Uuid,
    pub availability: Availability,
    /// When they came, while they are there.
    pub present_since: Option<DateTime<Utc>>,
    /// When they were last heard of, since they left.
    pub seen_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("user_id", "uuid"),
        column("availability", "text"),
        column("present_since", "timestamptz"),
        column("seen_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] =
        &["(tenant_id, availability) where present_since is not null"];
}

impl ReadModel for Presence {
    const NAME: &'static str = "presence";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("presence");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Presence(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, user_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Presence(event) = &recorded.event else { return row };
        let mut row = row.unwrap_or(Row {
            tenant_id: key.tenant_id,
            user_id: key.user_id,
            availability: Availability::default(),
            present_since: None,
            seen_at: None,
        });
        match event {
            Event::AvailabilityChosen { to, .. } => row.availability = *to,
            Event::CameOnline { at, .. } => {
                row.present_since = Some(*at);
                row.seen_at = None;
            }
            Event::WentOffline { seen_at, .. } => {
                row.present_since = None;
                row.seen_at = Some(*seen_at);
            }
        }
        Some(row)
    }
}

impl Row {
    /// What colleagues see: who isn't there is offline, whatever they chose.
    pub fn status(&self) -> Availability {
        self.present_since.map_or(Availability::Offline, |_| self.availability)
    }
}

/// How members stand, by their ids; who was never there is left out.
pub async fn of_ids(
    finder: &Finder<Presence>,
    ids: Vec<Uuid>,
) -> Result<BTreeMap<Uuid, Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("user_id = any({})", Some(ids));
    let rows: Vec<Row> = find.fetch_all().await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row)).collect())
}

/// Who is there and says one of these.
pub async fn present(
    finder: &Finder<Presence>,
    saying: &[Availability],
) -> Result<Vec<Uuid>, Error> {
    let words: Vec<&str> = saying.iter().map(|one| one.as_str()).collect();
    let mut find = finder.select("r.*");
    find.sql.push(" and present_since is not null");
    find.when("availability = any({})", Some(words));
    let rows: Vec<Row> = find.fetch("user_id", i64::MAX).await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}
