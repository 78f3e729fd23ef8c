//! The SQL of the write side: the log, its guards, and the roles that may touch them. One linear
//! history, embedded in the programs; a file that has landed is never edited.

/// Applies what is missing, in order.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./sql");
