//! Transactions that nobody forgets. When whoever begins one goes away before the database has
//! answered, sqlx 0.8 gives the session back as if nothing had begun; the next to have it would work
//! within a transaction that nobody commits. So a task of its own begins it, which stays: what it
//! has begun for nobody is rolled back.

use sqlx::{PgPool, Postgres, Transaction};

/// Begins a transaction on a session of the pool.
pub async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    begin_with(pool, "begin").await
}

/// The same, with more than the beginning in the first round trip.
pub async fn begin_with(
    pool: &PgPool,
    statement: &'static str,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await });
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
