//! What a read model declares, and the face that the engine sees of it.

pub(crate) mod sparse;

use std::fmt::Debug;
use std::hash::Hash;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Recorded;
use crate::working_set::{Rows, WorkingSet};

/// A pure fold of the log, keyed by id. The engine owns its SQL.
pub trait ReadModel: Sync + 'static {
    /// Never changes. The read model's table is `read.NAME`.
    const NAME: &'static str;
    /// Raise it when the fold or the row changes: a new generation is built beside the live one.
    const VERSION: u32;
    /// How one row's events are found.
    const SOURCE: Source;

    /// The key's columns: `tenant_id` first, then what [`Source`] asks for.
    type Key: Clone + Debug + Eq + Hash + Ord + Serialize + DeserializeOwned + Send + Sync;
    /// All columns, the key's among them.
    type Row: Table;

    /// The rows that this event touches, told by the event alone.
    fn keys(event: &Recorded) -> Vec<Self::Key>;

    /// The row after the event. `None` deletes it.
    fn fold(key: &Self::Key, row: Option<Self::Row>, event: &Recorded) -> Option<Self::Row>;
}

/// A row's columns, in the order of its fields.
pub trait Table: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    const COLUMNS: &'static [Column];
    /// How many of the columns, from the first, are the key.
    const KEY: usize;
    /// Each as it stands behind `create index on …`.
    const INDEXES: &'static [&'static str];
}

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub sql_type: &'static str,
}

/// Of a type that the finder reads: text, uuid, timestamptz, bigint, boolean, or jsonb.
pub const fn column(name: &'static str, sql_type: &'static str) -> Column {
    Column { name, sql_type }
}

/// Where the events of one row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In one stream of this aggregate type, whose id is the key's second column.
    Stream(&'static str),
    /// Anywhere in the tenant within the 15 minutes after the key's second column, `bucket`.
    Bucket,
    /// At the position that is the key's second column.
    Position,
}

impl Source {
    /// Whether an event can touch a row at all.
    pub(crate) fn covers(self, event: &event_store::Recorded) -> bool {
        match self {
            Source::Stream(kind) => event.aggregate_type == kind,
            Source::Bucket | Source::Position => true,
        }
    }
}

/// The length of a bucket: every timezone's days begin on one.
pub const BUCKET: TimeDelta = TimeDelta::minutes(15);

/// The bucket that a time falls into.
pub fn bucket(time: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = time.timestamp();
    let start = seconds - seconds.rem_euclid(BUCKET.num_seconds());
    DateTime::from_timestamp(start, 0).unwrap_or(time)
}

/// A read model without its types: what the engine works with.
pub trait Model: Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> i32;
    fn source(&self) -> Source;
    fn columns(&self) -> &'static [Column];
    fn key(&self) -> &'static [Column];
    fn indexes(&self) -> &'static [&'static str];
    /// An empty set of rows to fold in.
    fn working_set(&self) -> Box<dyn WorkingSet>;

    /// A hash of the declared columns: tables of another shape are another generation.
    fn shape(&self) -> String {
        let declared = format!("{:?} {} {:?}", self.columns(), self.key().len(), self.indexes());
        hex::encode(&Sha256::digest(declared)[..8])
    }

    /// The physical table of a generation.
    fn table(&self, generation: i32) -> String {
        format!("{}{generation}", self.tables())
    }

    /// How the names of all its tables begin, and of no other model's.
    fn tables(&self) -> String {
        format!("read_data.{}_g", self.name())
    }
}

impl<M: ReadModel> Model for M {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn version(&self) -> i32 {
        M::VERSION.cast_signed()
    }

    fn source(&self) -> Source {
        M::SOURCE
    }

    fn columns(&self) -> &'static [Column] {
        M::Row::COLUMNS
    }

    fn key(&self) -> &'static [Column] {
        &M::Row::COLUMNS[..M::Row::KEY]
    }

    fn indexes(&self) -> &'static [&'static str] {
        M::Row::INDEXES
    }

    fn working_set(&self) -> Box<dyn WorkingSet> {
        Box::new(Rows::<M>::default())
    }
}
