//! Times of rows that are read by the page, out of the number that the database keeps: to write one
//! as text and to read it again costs as much as all the rest of a short row.

use chrono::{DateTime, Utc};
use serde::de::{Deserialize, Deserializer, Error};

/// For `#[serde(deserialize_with)]`. Where the row is JSON, a time is text.
pub(crate) fn read<'de, D: Deserializer<'de>>(source: D) -> Result<DateTime<Utc>, D::Error> {
    if source.is_human_readable() {
        return DateTime::deserialize(source);
    }
    let micros = i64::deserialize(source)?;
    DateTime::from_timestamp_micros(micros).ok_or_else(|| D::Error::custom("no time of ours"))
}

/// The same where there may be none.
pub(crate) fn read_if_any<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    let read: Option<Read> = Option::deserialize(source)?;
    Ok(read.map(|Read(time)| time))
}

struct Read(DateTime<Utc>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        read(source).map(Read)
    }
}
