//! Verbatim from outside: a running system over a real database, one database a test.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod access;
mod analytics;
mod api_keys;
mod attempts;
mod audit;
mod auth;
mod channels;
mod contacts;
mod contract;
mod conversations;
mod coverage;
mod effects;
mod events;
mod fixtures;
mod hostile;
mod inbox;
mod invitations;
mod lately;
mod log;
mod media;
mod members;
mod messages;
mod openapi;
mod payouts;
mod platform;
mod postgres_es;
mod processes;
mod rate_limits;
mod read_models;
mod support;
mod sweep;
mod teams;
mod templates;
mod tenancy;
mod tickets;
mod tidy;
mod together;
mod untrusted;
mod webhooks;
mod workspace;
