//! How many messages came and went, in 15-minute buckets of record time.

use chrono::{DateTime, Utc};
use domain::conversation::Event;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Recorded;
use crate::inbox::author;
use crate::model::{Column, ReadModel, Source, Table, bucket, column};

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
        let (Event::MessageReceived(message) | Event::MessageEchoed(message)) = event else {
            return vec![];
        };
        if message.imported {
            return vec![];
        }
        vec![Key {
            tenant_id: recorded.stored.tenant_id,
            bucket: bucket(recorded.stored.recorded_at),
            channel_id: message.channel,
            author: author(message.author).into(),
            kind: message.kind.as_str().into(),
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
