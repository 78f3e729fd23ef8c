//! Makes sure that of all processes only one does a thing at a time.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

/// How often one that stands by looks whether it is its turn.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits until nobody else holds the lock. It is held until the connection is dropped, by whatever
/// way: a process that dies gives it back.
pub(crate) async fn alone(pool: &PgPool, lock: i64) -> sqlx::Result<PoolConnection<Postgres>> {
    let mut connection = pool.acquire().await?;
    loop {
        let got: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(lock)
            .fetch_one(&mut *connection)
            .await?;
        if got {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    // It must not return to the pool, or the lock would outlive its holder.
    connection.close_on_drop();
    Ok(connection)
}
