//! The log: opening its database, appending, reading, subscribing, and keeping personal data
//! encrypted in it. It knows no business noun.

mod aead;
mod appender;
mod batch;
pub mod claims;
pub mod codec;
pub mod database;
pub mod embedded;
pub mod holder;
mod keyring;
pub mod keys;
pub mod lease;
pub mod log;
pub mod measures;
pub mod news;
pub mod rate_limit;
mod recent;
mod secrets;
pub mod sessions;
pub mod store;
pub mod subscription;
mod sweep;
pub mod tail;
pub mod tenant;
pub mod transaction;
#[doc(hidden)]
pub mod untrusted;
mod versions;

pub use batch::{Append, Claim, IdempotencyRecord, NewEvent, Refusal, StreamAppend};
pub use database::Database;
pub use keys::MasterKey;
pub use log::Recorded;
pub use sessions::Sessions;
pub use store::{Appended, Clock, Error, Store};
