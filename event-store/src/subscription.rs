//! Catch-up subscriptions: a named reader of the whole log that goes on where it stopped, whatever
//! happened to its process.

use sqlx::PgConnection;

use crate::log::{self, Recorded};
use crate::store::{Error, Store};

/// A named position in the log. Two readers of one name can't both move it.
#[derive(Debug)]
pub struct Subscription {
    store: Store,
    name: String,
    position: i64,
}

impl Subscription {
    /// Goes on where the subscription of that name stood; a new one begins after `from`.
    pub async fn resume(store: &Store, name: &str, from: i64) -> Result<Self, Error> {
        let position = sqlx::query_scalar(
            "with made as (insert into subscriptions (name, position) values ($1, $2)
                           on conflict do nothing returning position)
             select position from made union all
             select position from subscriptions where name = $1 limit 1",
        )
        .bind(name)
        .bind(from)
        .fetch_one(store.worker())
        .await?;
        Ok(Subscription { store: store.clone(), name: name.to_owned(), position })
    }

    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next events, at most `limit`; waits until there are any.
    pub async fn next(&self, limit: i64) -> Result<Vec<Recorded>, Error> {
        loop {
            let page = self.ready(limit).await?;
            if !page.is_empty() {
                return Ok(page);
            }
            self.store.wait_past(self.position).await;
        }
    }

    /// The next events that are there now.
    pub async fn ready(&self, limit: i64) -> Result<Vec<Recorded>, Error> {
        Ok(log::page(self.store.worker(), self.position, i64::MAX, limit).await?)
    }

    /// Moves on to `position` within the transaction that did the work. Refused if another reader
    /// of this name moved meanwhile: the transaction must then be rolled back.
    pub async fn advance(&mut self, db: &mut PgConnection, position: i64) -> Result<(), Error> {
        let moved = sqlx::query(
            "update subscriptions set position = $3, updated_at = now()
              where name = $1 and position = $2",
        )
        .bind(&self.name)
        .bind(self.position)
        .bind(position)
        .execute(db)
        .await?;
        if moved.rows_affected() == 0 {
            return Err(Error::LostSubscription(self.name.clone()));
        }
        self.position = position;
        Ok(())
    }
}
