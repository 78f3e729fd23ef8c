//! What tests stand on: a database of their own, and a whole server over it.

mod app;
mod database;

pub(crate) use app::App;
pub(crate) use database::TestDatabase;
