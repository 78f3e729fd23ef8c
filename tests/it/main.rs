//! Verbatim from outside: a running system over a real database, one database a test.

mod fixtures;
mod log;
mod postgres_es;
mod read_models;
mod support;
mod tidy;
