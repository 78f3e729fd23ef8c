//! HTTP: reads the request, asks, answers. No business rule lives here.

mod answers;
pub mod app;
mod auth;
mod body;
mod command;
mod envelope;
mod idempotent;
mod page;
mod phone;
mod position;
mod problem;
mod reach;
mod reading;
mod routes;
mod trace;

pub use app::{Application, State};
