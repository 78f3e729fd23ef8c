//! Limits on how often something may happen, which all processes over one database share.

use std::time::Duration;

use uuid::Uuid;

use crate::{Error, Store};

/// At most `burst` at once, and no more than `burst` within `per` in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub burst: i32,
    pub per: Duration,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taken {
    pub allowed: bool,
    /// How many more there are now.
    pub remaining: i32,
    /// When there will be one; zero where one was taken.
    pub retry_after: Duration,
    /// When there will be all of them.
    pub full_after: Duration,
}

impl Store {
    /// Takes a token of a limit's bucket. The parts that name the bucket may be personal: only
    /// their keyed hash is kept.
    pub async fn take_token(&self, bucket: &[&[u8]], limit: Limit) -> Result<Taken, Error> {
        let parts = [&[b"rate limit".as_slice()], bucket].concat();
        let (allowed, remaining, retry_after, full_after): (bool, i32, f64, f64) = sqlx::query_as(
            "select allowed, remaining, extract(epoch from retry_after)::float8,
                    extract(epoch from full_after)::float8
               from take_token($1, $2, $3)",
        )
        .bind(self.lookup(Uuid::nil(), &parts))
        .bind(limit.burst)
        .bind(limit.per)
        .fetch_one(self.pool())
        .await?;
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let (retry_after, full_after) = (seconds(retry_after), seconds(full_after));
        Ok(Taken { allowed, remaining, retry_after, full_after })
    }
}
