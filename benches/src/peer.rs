//! What people build with stock cqrs-es and postgres-es, from the registry and as their books say.

pub(crate) mod app;
pub(crate) mod conversation;
pub(crate) mod views;

/// The tables that postgres-es comes with (its `db/init.sql`), with one for each view.
pub(crate) const SCHEMA: &str = include_str!("peer/schema.sql");
