//! How many messages came and went, in 15-minute buckets of record time.

use chrono::{DateTime, Utc};
use domain::conversation::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::Finder;
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, bucket, column};
use crate::{Error, Recorded};

pub struct MessageVolume;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub bucket: DateTime<Utc>,
    pub channel_id: Uuid,
    pub author: String,
    pub kind: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub bucket: DateTime<Utc>,
    pub channel_id: Uuid,
    pub author: String,
    pub kind: String,
    pub messages: i64,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("bucket", "timestamptz"),
        column("channel_id", "uuid"),
        column("author", "text"),
        column("kind", "text"),
        column("messages", "bigint"),
    ];
    const KEY: usize = 5;
    const INDEXES: &'static [&'static str] = &[];
}

impl ReadModel for MessageVolume {
    const NAME: &'static str = "message_volume";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Bucket;
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Conversation(event) = &recorded.event else { return vec![] };
        let (channel_id, by, kind) = match event {
            Event::MessageReceived(message) | Event::MessageEchoed(message)
                if !message.imported && !message.moved =>
            {
                (message.channel, message.author, message.kind)
            }
            Event::MessageQueued(message) if !message.moved => {
                (message.channel, message.author, message.kind)
            }
            _ => return vec![],
        };
        vec![Key {
            tenant_id: recorded.stored.tenant_id,
            bucket: bucket(recorded.stored.recorded_at),
            channel_id,
            author: author(by).into(),
            kind: kind.as_str().into(),
        }]
    }

    fn fold(key: &Key, row: Option<Row>, _: &Recorded) -> Option<Row> {
        Some(Row {
            tenant_id: key.tenant_id,
            bucket: key.bucket,
            channel_id: key.channel_id,
            author: key.author.clone(),
            kind: key.kind.clone(),
            messages: row.map_or(0, |row| row.messages) + 1,
        })
    }
}

/// Which messages are counted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub channel: Option<Uuid>,
    pub author: Option<String>,
    pub kind: Option<String>,
}

/// How many messages of one author and kind fell into a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Volume {
    /// The number of the step, from 0.
    pub step: usize,
    pub author: String,
    pub kind: String,
    pub messages: u64,
}

/// Counts messages between each two neighbours of `edges`, which ascend and fall on buckets.
pub async fn series(
    finder: &Finder<MessageVolume>,
    edges: &[DateTime<Utc>],
    filter: Filter,
) -> Result<Vec<Volume>, Error> {
    let (Some(from), Some(to)) = (edges.first(), edges.last()) else { return Ok(vec![]) };
    let mut find = finder.select_with(|sql| {
        sql.push("width_bucket(bucket, ").push_bind(edges.to_vec());
        sql.push(") - 1 as step, author, kind, sum(messages)::bigint as messages");
    });
    find.when("bucket >= {}", Some(*from)).when("bucket < {}", Some(*to));
    find.when("channel_id = {}", filter.channel);
    find.when("author = {}", filter.author).when("kind = {}", filter.kind);
    find.sql.push(" group by 1, 2, 3");
    find.fetch("step, author, kind", i64::MAX).await
}
