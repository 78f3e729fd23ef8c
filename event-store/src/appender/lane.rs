//! A way to the database for one batch at a time.

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};
use tokio::time::{Instant, timeout};

use crate::database::{RESTED, WAIT};

/// Its session is kept: to take one from the pool and give it back would cost more round trips than
/// the append.
#[derive(Default)]
pub(super) struct Lane {
    session: Option<PoolConnection<Postgres>>,
    used: Option<Instant>,
}

impl Lane {
    /// The kept session, or another one where it is gone, and whether it is another. One that rested
    /// is asked first, and not for long: what has vanished from the network gives no answer at all.
    pub(super) async fn session(
        &mut self,
        pool: &PgPool,
    ) -> sqlx::Result<(&mut PgConnection, bool)> {
        if let Some(session) = &mut self.session
            && self.used.is_none_or(|used| used.elapsed() > RESTED)
            && !matches!(timeout(WAIT, session.ping()).await, Ok(Ok(())))
        {
            self.drop_session();
        }
        self.used = Some(Instant::now());
        let (session, is_another) = match self.session.take() {
            Some(session) => (session, false),
            None => (pool.acquire().await?, true),
        };
        Ok((self.session.insert(session), is_another))
    }

    /// It must not go back to the pool, which would ask it once more.
    pub(super) fn drop_session(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.close_on_drop();
        }
    }
}
