//! Limits on how often something may happen, which all processes over one database share.

mod leases;

use std::time::Duration;

use uuid::Uuid;

pub use leases::Leases;

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
        Ok(self.take_tokens(&self.bucket(bucket), limit, 1).await?.1)
    }

    /// Takes so many tokens, or none where they are fewer; who wants more than the bucket holds takes
    /// a full one.
    pub async fn take_all_tokens(
        &self,
        bucket: &[&[u8]],
        limit: Limit,
        wanted: i32,
    ) -> Result<Taken, Error> {
        let wanted = wanted.min(limit.burst);
        Ok(self.take("take_all_tokens", &self.bucket(bucket), limit, wanted).await?.1)
    }

    /// Remembers for a while that something happened, as a bucket of one token that was taken now.
    pub async fn mark(&self, what: &[&[u8]], time: Duration) -> Result<(), Error> {
        sqlx::query(
            "insert into rate_limits values ($1, clock_timestamp() + $2)
             on conflict (bucket) do update set full_at = excluded.full_at",
        )
        .bind(self.bucket(what))
        .bind(time)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Whether it is remembered.
    pub async fn is_marked(&self, what: &[&[u8]]) -> Result<bool, Error> {
        let marked = "select exists (select from rate_limits
                       where bucket = $1 and full_at > clock_timestamp())";
        Ok(sqlx::query_scalar(marked).bind(self.bucket(what)).fetch_one(self.pool()).await?)
    }

    fn bucket(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.lookup(Uuid::nil(), &[&[b"rate limit".as_slice()], parts].concat())
    }

    /// Takes as many of `wanted` tokens as there are; tells how many those were.
    async fn take_tokens(
        &self,
        bucket: &[u8; 32],
        limit: Limit,
        wanted: i32,
    ) -> Result<(i32, Taken), Error> {
        self.take("take_tokens", bucket, limit, wanted).await
    }

    async fn take(
        &self,
        function: &str,
        bucket: &[u8; 32],
        limit: Limit,
        wanted: i32,
    ) -> Result<(i32, Taken), Error> {
        let (granted, remaining, retry_after, full_after): (i32, i32, f64, f64) =
            sqlx::query_as(&format!(
                "select granted, remaining, extract(epoch from retry_after)::float8,
                        extract(epoch from full_after)::float8
                   from {function}($1, $2, $3, $4)",
            ))
            .bind(bucket)
            .bind(limit.burst)
            .bind(limit.per)
            .bind(wanted)
            .fetch_one(self.pool())
            .await?;
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let (retry_after, full_after) = (seconds(retry_after), seconds(full_after));
        Ok((granted, Taken { allowed: granted > 0, remaining, retry_after, full_after }))
    }
}
