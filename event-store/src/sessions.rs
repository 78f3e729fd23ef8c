//! Sessions that answer requests, handed from one statement to the next. sqlx's pool asks each
//! session whether it is well whenever it comes back, which doubles the round trips of whatever is
//! short: here one whose statement went well is kept, and trusted for a moment. Those who ask take
//! turns on the few that are kept: a database does more for a few sessions than for many at once.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, PgPool, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::database::RESTED;

/// What an open log holds of its pool all the time: the appender's two lanes, and who hears of news.
const HELD: usize = 3;
/// How long a statement has a turn, and how long one waits for a turn before one asks the pool.
const PATIENCE: Duration = Duration::from_millis(50);

/// A pool beside which some of its sessions are kept. Runs statements like the pool does; whoever
/// wants a transaction asks the pool. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pool: PgPool,
    kept: Arc<Mutex<Vec<Kept>>>,
    /// As many as are kept at the most.
    turns: Arc<Semaphore>,
    most: usize,
}

struct Kept {
    session: PoolConnection<Postgres>,
    since: Instant,
}

/// A session for one statement; without a turn it goes back to the pool.
struct Taken {
    session: PoolConnection<Postgres>,
    turn: Option<OwnedSemaphorePermit>,
}

/// Waits for a statement, whose turn somebody else gets if it takes long.
async fn within_turn<F: Future>(turn: &mut Option<OwnedSemaphorePermit>, answer: F) -> F::Output {
    let mut answer = pin!(answer);
    match timeout(PATIENCE, &mut answer).await {
        Ok(answered) => answered,
        Err(_) => {
            *turn = None;
            answer.await
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.pool).finish()
    }
}

impl Sessions {
    /// Keeps half of what the pool may hold and nobody else has for long.
    pub(crate) fn of(pool: PgPool) -> Sessions {
        let most = pool.options().get_max_connections() as usize;
        Sessions::with(pool, most.saturating_sub(HELD) / 2)
    }

    /// Keeps none.
    pub fn unkept(pool: PgPool) -> Sessions {
        Sessions::with(pool, 0)
    }

    fn with(pool: PgPool, most: usize) -> Sessions {
        Sessions { pool, kept: Arc::default(), turns: Arc::new(Semaphore::new(most)), most }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How many are kept now.
    pub(crate) fn resting(&self) -> usize {
        self.kept().len()
    }

    /// Waits until all sessions have come back, and ends them.
    pub async fn close(&self) {
        // From here on none is kept any more, and the pool waits for those that are.
        let closing = self.pool.close();
        self.kept().clear();
        closing.await;
    }

    async fn take(&self) -> Result<Taken, Error> {
        let turn = self.turn().await;
        let session = match turn {
            Some(_) => self.kept_or_new().await?,
            None => self.pool.acquire().await?,
        };
        Ok(Taken { session, turn })
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if self.most == 0 {
            return None;
        }
        timeout(PATIENCE, self.turns.clone().acquire_owned()).await.ok()?.ok()
    }

    /// The session that rested for the shortest time. The pool asks those that rested for long.
    async fn kept_or_new(&self) -> Result<PoolConnection<Postgres>, Error> {
        loop {
            let kept = self.kept().pop();
            match kept {
                Some(Kept { session, since }) if since.elapsed() < RESTED => return Ok(session),
                Some(long_rested) => drop(long_rested),
                None => return self.pool.acquire().await,
            }
        }
    }

    /// Only for one whose statement went well: any other goes back to the pool, which asks it. So
    /// does one for which somebody may be waiting there.
    fn keep(&self, taken: Taken) {
        let Taken { session, turn: Some(_turn) } = taken else { return };
        let most = self.pool.options().get_max_connections();
        let free = self.pool.size() < most || self.pool.num_idle() > 0;
        let mut kept = self.kept();
        if free && !self.pool.is_closed() {
            kept.push(Kept { session, since: Instant::now() });
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor<'_> for &Sessions {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        let fetched = async move {
            let mut taken = sessions.take().await?;
            let Taken { session, turn } = &mut taken;
            let fetched: Vec<_> =
                within_turn(turn, session.fetch_many(query).try_collect()).await?;
            sessions.keep(taken);
            Ok::<_, Error>(stream::iter(fetched).map(Ok))
        };
        stream::once(fetched).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let sessions = self.clone();
        let fetched = async move {
            let mut taken = sessions.take().await?;
            let Taken { session, turn } = &mut taken;
            let fetched = within_turn(turn, session.fetch_optional(query)).await?;
            sessions.keep(taken);
            Ok(fetched)
        };
        fetched.boxed()
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement<'q>, Error>> {
        let sessions = self.clone();
        async move { sessions.take().await?.session.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e, 'q: 'e>(
        self,
        sql: &'q str,
    ) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        let sessions = self.clone();
        async move { sessions.take().await?.session.describe(sql).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    use super::*;

    #[tokio::test]
    async fn whoever_asks_the_pool_itself_finds_a_session_however_many_rest() {
        for most in 1..40 {
            let pool = PgPoolOptions::new()
                .max_connections(most)
                .connect_lazy_with(PgConnectOptions::new());
            let kept = Sessions::of(pool).most;
            assert!(kept == 0 || kept + HELD < most as usize, "{kept} of {most}");
        }
    }
}
