//! When a message of ours is queued, or tried again, it goes to the channel's provider.

pub const KIND: &str = "whatsapp.send";
