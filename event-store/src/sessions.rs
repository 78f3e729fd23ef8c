//! Sessions that answer requests, handed from one statement to the next. sqlx's pool asks each
//! session whether it is well whenever it comes back, which doubles the round trips of whatever is
//! short: here one whose statement went well is kept, and trusted for a moment. Those who ask take
//! turns on the few that are kept: a database does more for a few sessions than for many at once.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, join_all, join3};
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use scopeguard::{ScopeGuard, guard};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{ConnectOptions, Connection, Describe, Either, Error, Execute, Executor};
use sqlx::{PgConnection, PgPool, Postgres};
use tokio::runtime::{Handle, Id};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::database::{RESTED, WAIT};

/// What an open log holds of its pool all the time: the appender's two lanes, and who hears of news.
const HELD: u32 = 3;
/// How long a statement has a turn, and how long one waits for a turn before one asks the pool.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a session may take to open, or to say that it is well, before another one is looked for.
const SILENT: Duration = Duration::from_secs(1);
/// How long a session counts whose statement nobody waits for, or whose database has gone silent.
const ABANDONED: Duration = Duration::from_secs(15);

/// A pool, and sessions that are kept beside it. Runs statements like the pool does; whoever wants a
/// transaction asks the pool. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    pool: PgPool,
    /// As many as may be kept have a room, and as many statements a turn.
    most: u32,
    kept: Arc<Mutex<Vec<Kept>>>,
    rooms: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

struct Kept {
    session: PgConnection,
    /// Where it was opened. There its answers come in: another runtime's thread has to be woken to
    /// take them.
    home: Id,
    opened: Instant,
    used: Instant,
    _room: OwnedSemaphorePermit,
}

/// A session for one statement.
enum Taken {
    Kept(ScopeGuard<Loan, fn(Loan)>),
    Pooled(PoolConnection<Postgres>),
}

struct Loan {
    kept: Kept,
    sessions: Sessions,
}

/// What becomes of a session whose statement failed, or whose caller went away. The database may be at
/// it still: so long the session counts.
fn abandon(Loan { mut kept, sessions }: Loan) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            if matches!(timeout(ABANDONED, kept.session.ping()).await, Ok(Ok(()))) {
                sessions.keep(kept);
            }
        });
    }
}

impl Taken {
    /// It has answered, and may answer somebody else.
    fn done(self) {
        if let Taken::Kept(loan) = self {
            let Loan { kept, sessions } = ScopeGuard::into_inner(loan);
            sessions.keep(kept);
        }
    }
}

impl Deref for Taken {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Taken::Kept(loan) => &loan.kept.session,
            Taken::Pooled(session) => session,
        }
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Taken::Kept(loan) => &mut loan.kept.session,
            Taken::Pooled(session) => session,
        }
    }
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
    /// Of so many connections half of what nobody has for long is kept, and the pool may have the rest.
    pub(crate) fn of(connections: u32, pool: impl FnOnce(u32) -> PgPool) -> Sessions {
        let most = connections.saturating_sub(HELD) / 2;
        Sessions::with(pool(connections - most), most)
    }

    /// Keeps none.
    pub fn unkept(pool: PgPool) -> Sessions {
        Sessions::with(pool, 0)
    }

    fn with(pool: PgPool, most: u32) -> Sessions {
        let permits = || Arc::new(Semaphore::new(most as usize));
        Sessions { pool, most, kept: Arc::default(), rooms: permits(), turns: permits() }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How many are kept beside the pool, those at work included; how many of them rest; and how many
    /// there may be.
    pub(crate) fn beside(&self) -> (usize, usize, u32) {
        (self.most as usize - self.rooms.available_permits(), self.kept().len(), self.most)
    }

    /// Waits until all sessions have come back, and ends them.
    pub async fn close(&self) {
        // From here on none is kept any more.
        let pool = self.pool.close();
        self.turns.close();
        let resting = std::mem::take(&mut *self.kept());
        let end = async |Kept { session, _room, .. }| {
            // It has answered all that it was asked; how it ends changes nothing.
            let _ = session.close().await;
        };
        let at_work = self.rooms.acquire_many(self.most);
        let (.., _all) = join3(pool, join_all(resting.into_iter().map(end)), at_work).await;
        self.rooms.close();
    }

    /// A kept session for who has a turn, one of the pool's for others, or where none can be had.
    async fn take(&self, has_turn: bool) -> Result<Taken, Error> {
        let found = timeout(WAIT, async {
            if has_turn && let Some(kept) = self.rested_or_opened().await {
                let loan = Loan { kept, sessions: self.clone() };
                return Ok(Taken::Kept(guard(loan, abandon)));
            }
            Ok(Taken::Pooled(self.pool.acquire().await?))
        });
        found.await.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if self.most == 0 {
            return None;
        }
        timeout(PATIENCE, self.turns.clone().acquire_owned()).await.ok()?.ok()
    }

    /// One that rests and is at home here; a new one, while there is room; or one that rests at all.
    async fn rested_or_opened(&self) -> Option<Kept> {
        let here = Handle::current().id();
        loop {
            let mut kept = match self.resting(|kept| kept.home == here) {
                Some(kept) => kept,
                None => match self.open(here).await {
                    Some(new) => return Some(new),
                    None => self.resting(|_| true)?,
                },
            };
            if self.is_well(&mut kept).await {
                return Some(kept);
            }
        }
    }

    async fn open(&self, home: Id) -> Option<Kept> {
        let room = self.rooms.clone().try_acquire_owned().ok()?;
        let session = timeout(SILENT, self.pool.connect_options().connect()).await.ok()?.ok()?;
        let now = Instant::now();
        Some(Kept { session, home, opened: now, used: now, _room: room })
    }

    /// Of those that rest and are such, the one that has done so for the shortest time.
    fn resting(&self, is_such: impl Fn(&Kept) -> bool) -> Option<Kept> {
        let lifetime = self.pool.options().get_max_lifetime().unwrap_or(Duration::MAX);
        let mut kept = self.kept();
        kept.retain(|kept| kept.opened.elapsed() < lifetime);
        let found = kept.iter().rposition(is_such)?;
        Some(kept.remove(found))
    }

    /// One that rested for long is asked. Where one says nothing the others have probably vanished, too.
    async fn is_well(&self, kept: &mut Kept) -> bool {
        if kept.used.elapsed() < RESTED {
            return true;
        }
        match timeout(SILENT, kept.session.ping()).await {
            Ok(told) => told.is_ok(),
            Err(_) => {
                self.kept().clear();
                false
            }
        }
    }

    fn keep(&self, mut session: Kept) {
        session.used = Instant::now();
        let mut kept = self.kept();
        if !self.pool.is_closed() {
            kept.push(session);
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
            let mut turn = sessions.turn().await;
            let mut taken = sessions.take(turn.is_some()).await?;
            let fetched: Vec<_> =
                within_turn(&mut turn, taken.fetch_many(query).try_collect()).await?;
            taken.done();
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
            let mut turn = sessions.turn().await;
            let mut taken = sessions.take(turn.is_some()).await?;
            let fetched = within_turn(&mut turn, taken.fetch_optional(query)).await?;
            taken.done();
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
        async move { sessions.take(false).await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e, 'q: 'e>(
        self,
        sql: &'q str,
    ) -> BoxFuture<'e, Result<Describe<Postgres>, Error>> {
        let sessions = self.clone();
        async move { sessions.take(false).await?.describe(sql).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    use super::*;

    #[tokio::test]
    async fn whoever_asks_the_pool_itself_finds_a_session_however_many_rest() {
        for most in 1..40 {
            let pool = |most| {
                let options = PgPoolOptions::new().max_connections(most);
                options.connect_lazy_with(PgConnectOptions::new())
            };
            let sessions = Sessions::of(most, pool);
            let left = sessions.pool().options().get_max_connections();
            assert_eq!(sessions.most + left, most);
            assert!(sessions.most == 0 || left > HELD, "{left} of {most}");
        }
    }
}
