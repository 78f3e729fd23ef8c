//! Verbatim from outside: a running system over a real database, one database a test.

mod analytics;
mod audit;
mod contacts;
mod contract;
mod conversations;
mod fixtures;
mod inbox;
mod log;
mod postgres_es;
mod processes;
mod read_models;
mod support;
mod tenancy;
mod tidy;
mod webhooks;
