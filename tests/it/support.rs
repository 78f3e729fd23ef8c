//! What tests stand on: a database of their own, and a whole server over it.

mod app;
mod database;

#[allow(unused_imports)]
pub(crate) use app::{App, Answer, LINE, Organization, VERIFY_TOKEN};
pub(crate) use database::TestDatabase;
