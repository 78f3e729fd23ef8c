//! Keeps the planner's picture of young tables true. PostgreSQL itself looks at a table about a
//! minute after it grew; until then it takes an inbox for empty, and sorts all of it for each page,
//! or looks for a stream among all events of its organisation.

use std::time::Duration;

use event_store::Database;
use sqlx::PgPool;
use tokio::sync::watch;

/// How often tables are looked at that changed.
const ROUND: Duration = Duration::from_secs(2);

/// Looks now and then, until `stop` says so.
pub async fn run(database: Database, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(ROUND) => {}
        }
        if let Err(error) = refresh(&database.owner).await {
            tracing::debug!(%error, "Statistics were left to autovacuum");
        }
    }
}

/// Analyzes the tables that are half new since somebody did; tells how many. What another process
/// is at, or a rebuild has locked, is left to it.
pub async fn refresh(owner: &PgPool) -> sqlx::Result<usize> {
    let outdated: Vec<String> = sqlx::query_scalar(
        "select relid::regclass::text from pg_stat_user_tables
          where (schemaname = 'read_data' or relname in
                  ('claims', 'effects', 'events', 'idempotency_keys', 'personal_keys'))
            and n_mod_since_analyze > 200 + n_live_tup / 2",
    )
    .fetch_all(owner)
    .await?;
    for table in &outdated {
        sqlx::query(&format!("analyze (skip_locked) {table}")).execute(owner).await?;
    }
    Ok(outdated.len())
}
