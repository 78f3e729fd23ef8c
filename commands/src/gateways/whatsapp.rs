//! WhatsApp's Cloud API: what its webhooks say, and whether they are genuine.

pub mod signature;
pub mod webhook;
