//! What this crate tells operators in numbers, and what each number means.

use metrics::{describe_counter, describe_gauge, describe_histogram};
use sqlx::PgPool;

use crate::{Database, Store};

/// Says what the numbers mean, to whoever collects them.
pub fn describe() {
    describe_counter!("verbatim_appended_events_total", "Events that this process appended.");
    describe_histogram!(
        "verbatim_append_duration_seconds",
        "How long the database took for a batch of appends, a lost answer included."
    );
    describe_histogram!("verbatim_append_batch_events", "Events in a batch.");
    describe_histogram!("verbatim_append_batch_appends", "Units of work that shared a batch.");
    describe_gauge!("verbatim_log_position", "The newest position that this process heard of.");
    describe_gauge!(
        "verbatim_database_connections",
        "Connections that a role holds, idle or at work."
    );
    describe_gauge!("verbatim_database_connections_most", "How many a role may hold.");
}

/// Tells what is looked at only when somebody asks: where the log stands, and the pools.
pub fn look(store: &Store, database: &Database) {
    metrics::gauge!("verbatim_log_position").set(store.head() as f64);
    let Database { owner, projector, worker, app } = database;
    for (role, pool) in [("owner", owner), ("projector", projector), ("worker", worker)] {
        tell_pool(role, pool, (0, 0, 0));
    }
    tell_pool("app", app.pool(), app.beside());
}

/// `beside` the pool: how many are held, how many of them rest, and how many there may be.
fn tell_pool(role: &'static str, pool: &PgPool, (held, resting, most): (usize, usize, u32)) {
    let (held, idle) = (pool.size() as usize + held, pool.num_idle() + resting);
    for (state, count) in [("idle", idle), ("at_work", held.saturating_sub(idle))] {
        metrics::gauge!("verbatim_database_connections", "role" => role, "state" => state)
            .set(count as f64);
    }
    metrics::gauge!("verbatim_database_connections_most", "role" => role)
        .set(f64::from(pool.options().get_max_connections() + most));
}
