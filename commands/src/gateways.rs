//! What enters and leaves the building: one module per provider.

pub mod whatsapp;
