//! What the business knows: aggregates, their commands, events and refusals, and the values they
//! are made of. No IO, no clock, no randomness, no framework.

pub mod aggregate;
pub mod api_key;
pub mod attempts;
pub mod channel;
pub mod contact;
pub mod conversation;
pub mod event;
pub mod invitation;
pub mod message;
pub mod operation;
pub mod organization;
pub mod payout;
pub mod personal;
pub mod presence;
pub mod secret;
pub mod session;
pub mod staff;
pub mod team;
pub mod template;
pub mod ticket;
pub mod ticket_counter;
#[doc(hidden)]
pub mod untrusted;
pub mod upcast;
pub mod user;
pub mod visit;

pub use aggregate::{Actor, Aggregate, Context};
pub use event::Event;
pub use personal::{Class, Personal};
