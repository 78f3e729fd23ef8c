//! Secrets never enter an event: they live encrypted in the store's table `secrets`, and events
//! carry only where to find them and how to recognise them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Points at a secret and says which one it is without giving it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    pub id: Uuid,
    /// The first eight bytes of a keyed hash, in hex.
    pub fingerprint: String,
}
