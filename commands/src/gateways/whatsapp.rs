//! WhatsApp's Cloud API: what we ask of it, what its webhooks say, and whether they are genuine.

pub mod graph;
pub mod signature;
pub mod webhook;
