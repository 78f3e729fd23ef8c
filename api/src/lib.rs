//! HTTP: reads the request, asks, answers. No business rule lives here.

mod address;
mod answers;
pub mod app;
mod auth;
mod body;
mod command;
mod cors;
mod docs;
mod envelope;
mod idempotent;
mod limits;
mod openapi;
mod page;
mod patience;
mod phone;
mod position;
mod problem;
mod reach;
mod reading;
mod region;
mod routes;
pub mod terms;
mod trace;

pub use app::{Application, State};
pub use openapi::document;
