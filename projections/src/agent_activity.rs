//! How often each member of the organisation did what, in 15-minute buckets of record time. What
//! was done is named as in the audit log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, bucket, column};
use crate::{Error, Recorded};

pub struct AgentActivity;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub bucket: DateTime<Utc>,
    pub agent_id: Uuid,
    pub action: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub bucket: DateTime<Utc>,
    pub agent_id: Uuid,
    /// `conversation.Assigned`
    pub action: String,
    pub times: i64,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("bucket", "timestamptz"),
        column("agent_id", "uuid"),
        column("action", "text"),
        column("times", "bigint"),
    ];
    const KEY: usize = 4;
    const INDEXES: &'static [&'static str] = &[];
}

impl ReadModel for AgentActivity {
    const NAME: &'static str = "agent_activity";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Bucket;
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let key = |agent_id| Key {
            tenant_id: recorded.stored.tenant_id,
            bucket: bucket(recorded.stored.recorded_at),
            agent_id,
            action: recorded.action(),
        };
        // What was refused, nobody did.
        let done = !matches!(recorded.event, domain::Event::Attempts(_));
        recorded.user().filter(|_| done).map(key).into_iter().collect()
    }

    fn fold(key: &Key, row: Option<Row>, _: &Recorded) -> Option<Row> {
        Some(Row {
            tenant_id: key.tenant_id,
            bucket: key.bucket,
            agent_id: key.agent_id,
            action: key.action.clone(),
            times: row.map_or(0, |row| row.times) + 1,
        })
    }
}

/// How often an agent did something in a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Activity {
    /// The number of the step, from 0.
    pub step: usize,
    pub agent_id: Uuid,
    pub action: String,
    pub times: u64,
}

/// What was done between each two neighbours of `edges`, which ascend and fall on buckets; by all
/// agents, or by one.
pub async fn series(
    finder: &Finder<AgentActivity>,
    edges: &[DateTime<Utc>],
    agent: Option<Uuid>,
) -> Result<Vec<Activity>, Error> {
    let (Some(from), Some(to)) = (edges.first(), edges.last()) else { return Ok(vec![]) };
    let mut find = finder.select_with(|sql| {
        sql.push("width_bucket(bucket, ").push_bind(edges.to_vec());
        sql.push(") - 1 as step, agent_id, action, sum(times)::bigint as times");
    });
    find.when("bucket >= {}", Some(*from)).when("bucket < {}", Some(*to));
    find.when("agent_id = {}", agent);
    find.sql.push(" group by 1, 2, 3");
    find.fetch("step, agent_id, action", i64::MAX).await
}
