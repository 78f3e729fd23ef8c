//! Something that only the right person can answer, within a time and once: a code or token that
//! was mailed to them, or the second step of a login whose first was passed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the answer opens. A person has at most one open challenge for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    EmailVerification,
    /// Of an organisation to who isn't a user yet.
    Invitation,
    LoginCode,
    PasswordReset,
    SecondFactor,
}

impl Purpose {
    /// Whether the answer is mailed, so that whoever has it reads the person's mail.
    pub fn is_mailed(self) -> bool {
        self != Purpose::SecondFactor
    }
}

/// A challenge that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    /// The secret that holds the answer.
    pub id: Uuid,
    pub expires_at: DateTime<Utc>,
}

impl Challenge {
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}
