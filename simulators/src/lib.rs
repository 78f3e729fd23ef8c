//! Stand-ins for the providers that customers and money reach us through, for the demo, the tests
//! and the benchmarks: what WhatsApp would send (`whatsapp`), and servers on this machine that
//! speak the Graph API (`graph`), pawaPay's (`pawapay`) and SMTP (`smtp`), and go wrong as a test
//! asks.

use std::sync::{Mutex, MutexGuard, PoisonError};

mod chance;

pub mod graph;
pub mod pawapay;
mod post;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod rehearsal;
pub mod script;
mod server;
pub mod smtp;
pub mod whatsapp;

pub use post::{Patience, Posted};

/// A test that failed while it held the lock shall not fail the others too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
