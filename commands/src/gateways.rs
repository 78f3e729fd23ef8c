//! What enters and leaves the building: one module per provider.

pub mod http;
mod json;
pub mod pawapay;
pub mod smtp;
pub mod whatsapp;
