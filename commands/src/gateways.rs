//! What enters and leaves the building: one module per provider.

pub mod http;
pub mod pawapay;
pub mod smtp;
pub mod whatsapp;
