//! A place in the log, told by position or by time.

use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use event_store::log;
use sqlx::PgPool;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Position(i64),
    Time(DateTime<Utc>),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(position) = text.parse() {
            return match position {
                0.. => Ok(Moment::Position(position)),
                _ => Err("positions begin at 1".into()),
            };
        }
        DateTime::parse_from_rfc3339(text).map(|time| Moment::Time(time.to_utc())).map_err(|_| {
            "a position (`4711`) or an RFC 3339 time (`2026-05-01T12:00:00Z`) is needed".into()
        })
    }
}

impl Moment {
    /// The last position that is not after this.
    pub(crate) async fn last(self, pool: &PgPool) -> sqlx::Result<i64> {
        match self {
            Moment::Position(position) => Ok(position),
            Moment::Time(time) => log::position_at(pool, time).await,
        }
    }

    /// The last position that is before this.
    pub(crate) async fn before(self, pool: &PgPool) -> sqlx::Result<i64> {
        match self {
            Moment::Position(position) => Ok(position - 1),
            Moment::Time(time) => log::position_at(pool, time - TimeDelta::microseconds(1)).await,
        }
    }
}

/// As of when to look; now, if nothing is told.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct AsOf {
    /// As of this position of the log.
    #[arg(long, value_name = "N")]
    position: Option<i64>,
    /// As of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    time: Option<DateTime<Utc>>,
}

impl AsOf {
    pub(crate) async fn resolve(&self, pool: &PgPool) -> sqlx::Result<i64> {
        let head = log::head(pool).await?;
        match (self.position, self.time) {
            (Some(position), _) => Ok(position.min(head)),
            (None, Some(time)) => log::position_at(pool, time).await,
            (None, None) => Ok(head),
        }
    }
}

pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_position_and_a_timestamp_is_a_time() {
        assert_eq!("4711".parse(), Ok(Moment::Position(4711)));
        let time = "2026-05-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        assert_eq!("2026-05-01T14:00:00+02:00".parse(), Ok(Moment::Time(time)));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["-1", "yesterday", "2026-05-01", ""] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}
