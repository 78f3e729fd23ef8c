//! Catch-up subscriptions: a named reader of the whole log that goes on where it stopped, whatever
//! happened to its process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgConnection, PgExecutor};

use crate::log::Recorded;
use crate::store::{Error, Store};

/// Stands behind an `update` that is a transaction by itself.
const UNHURRIED: &str =
    "from (select set_config('synchronous_commit', 'off', true) offset 0) unhurried";

/// How long it may stay unrecorded that events were passed while others follow.
const UNRECORDED: Duration = Duration::from_millis(50);

/// A named position in the log. Two readers of one name can't both move it.
#[derive(Debug)]
pub struct Subscription {
    store: Store,
    name: String,
    position: i64,
    /// What the database knows of it, and since when.
    recorded: i64,
    at: Instant,
    fence: i64,
    most: usize,
}

impl Subscription {
    /// Goes on where the subscription of that name stood; a new one begins after `from`. Whoever
    /// moves it has to see to it that they are the only one.
    pub async fn resume(store: &Store, name: &str, from: i64) -> Result<Self, Error> {
        Self::take_over(store, name, from, 0).await
    }

    /// The same for the holder of a lease. Who read under an older one can't move it any more.
    pub async fn take_over(
        store: &Store,
        name: &str,
        from: i64,
        fence: i64,
    ) -> Result<Self, Error> {
        let taken: Option<(i64, i64)> = sqlx::query_as(
            "insert into subscriptions as s (name, position, fence) values ($1, $2, $3)
             on conflict (name) do update set fence = greatest(s.fence, $3)
              where s.fence <= $3 or $3 = 0
             returning position, fence",
        )
        .bind(name)
        .bind(from)
        .bind(fence)
        .fetch_optional(store.worker())
        .await?;
        let Some((position, fence)) = taken else { return Err(lost(name)) };
        let (store, name) = (store.clone(), name.to_owned());
        let (recorded, at) = (position, Instant::now());
        Ok(Subscription { store, name, position, recorded, at, fence, most: 1 })
    }

    /// How far the subscription of that name has come; 0 where it has not begun.
    pub async fn stands(store: &Store, name: &str) -> Result<i64, Error> {
        let position = sqlx::query_scalar("select position from subscriptions where name = $1");
        let position: Option<i64> = position.bind(name).fetch_optional(store.pool()).await?;
        Ok(position.unwrap_or_default())
    }

    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next events, at most `limit`; waits until there are any.
    pub async fn next(&mut self, limit: i64) -> Result<Vec<Arc<Recorded>>, Error> {
        loop {
            let page = self.ready(limit).await?;
            if !page.is_empty() {
                return Ok(page);
            }
            self.store.wait_past(self.position).await;
        }
    }

    /// The next events that are there now. Where there are none, everybody can know it.
    pub async fn ready(&mut self, limit: i64) -> Result<Vec<Arc<Recorded>>, Error> {
        let page = self.store.follow(self.position, limit).await?;
        if page.is_empty() && self.recorded < self.position {
            self.record().await?;
        }
        Ok(page)
    }

    /// Of how many events one transaction may do the work: of one for who has just begun, and of twice as
    /// many with each that moved on. Whoever failed begins again, and where every fiftieth question to
    /// the database fails, who takes on much at once never gets to the end of it.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Moves on to `position` within the transaction that did the work. Refused if another reader
    /// of this name moved or took over meanwhile: the transaction must then be rolled back.
    pub async fn advance(&mut self, db: &mut PgConnection, position: i64) -> Result<(), Error> {
        self.move_to(position, db, "").await?;
        self.most = self.most.saturating_mul(2);
        Ok(())
    }

    /// Moves on past what nothing had to be done about. A crash may forget that: then it is read
    /// once more. So it is recorded only now and then while there is more to read.
    pub async fn pass(&mut self, position: i64) -> Result<(), Error> {
        self.position = position;
        match self.at.elapsed() < UNRECORDED {
            true => Ok(()),
            false => self.record().await,
        }
    }

    /// Records what was passed. The commit waits for no disk, which the statement says of itself,
    /// being all of its transaction.
    async fn record(&mut self) -> Result<(), Error> {
        let worker = self.store.worker().clone();
        self.move_to(self.position, &worker, UNHURRIED).await?;
        // Somebody may be waiting for this reader to come so far.
        self.store.progress().tell();
        Ok(())
    }

    async fn move_to(
        &mut self,
        position: i64,
        db: impl PgExecutor<'_>,
        beside: &str,
    ) -> Result<(), Error> {
        let moved = sqlx::query(&format!(
            "update subscriptions set position = $3, updated_at = now() {beside}
              where name = $1 and position = $2 and fence = $4"
        ))
        .bind(&self.name)
        .bind(self.recorded)
        .bind(position)
        .bind(self.fence)
        .execute(db)
        .await?;
        if moved.rows_affected() == 0 {
            return Err(lost(&self.name));
        }
        (self.position, self.recorded, self.at) = (position, position, Instant::now());
        Ok(())
    }
}

fn lost(name: &str) -> Error {
    Error::LostSubscription(name.to_owned())
}
