//! Times as answers tell them, of which a page has many: chrono would hand over each character by
//! itself, here it is the whole text.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// For `#[serde(serialize_with)]`; the same text as without it.
pub(crate) fn write<S: Serializer>(at: &DateTime<Utc>, answer: S) -> Result<S::Ok, S::Error> {
    answer.serialize_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// The same where there may be none.
pub(crate) fn write_if_any<S: Serializer>(
    at: &Option<DateTime<Utc>>,
    answer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => write(at, answer),
        None => answer.serialize_none(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Told {
        #[serde(serialize_with = "write")]
        at: DateTime<Utc>,
        #[serde(serialize_with = "write_if_any")]
        until: Option<DateTime<Utc>>,
    }

    #[derive(Serialize)]
    struct Plain {
        at: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    }

    #[test]
    fn a_time_is_told_as_chrono_tells_it() {
        for nanos in [0, 1, 1_000, 120_000_000, 123_456_000, 999_999_999] {
            for seconds in [-62_135_596_800, -1, 0, 1_772_438_400, 253_402_300_799] {
                let at = DateTime::from_timestamp(seconds, nanos).unwrap();
                for until in [None, Some(at)] {
                    let told = serde_json::to_string(&Told { at, until }).unwrap();
                    assert_eq!(told, serde_json::to_string(&Plain { at, until }).unwrap());
                }
            }
        }
    }
}
