//! HTTP: reads the request, asks, answers. No business rule lives here.

mod address;
mod answers;
pub mod app;
mod asker;
mod auth;
mod body;
mod command;
mod cors;
mod docs;
mod dry_run;
mod envelope;
mod file;
mod head;
mod idempotent;
mod lately;
mod limits;
mod measures;
mod openapi;
mod page;
mod patience;
mod phone;
mod position;
mod problem;
mod query;
mod reach;
mod reading;
mod refused;
mod region;
mod routes;
mod shared;
pub mod terms;
mod time;
mod together;
mod trace;
#[doc(hidden)]
pub mod untrusted;

pub use app::{Application, Serves, State};
pub use measures::describe;
pub use openapi::document;
