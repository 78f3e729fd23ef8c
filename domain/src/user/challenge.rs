//! Something that only the right person can answer, within a time and once: a code or token that
//! was mailed to them, or the second step of a login whose first was passed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the answer opens.
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

    /// How many challenges may be open at once. Anybody can ask for a code, which must not shut out
    /// who asked before; all else goes to the person alone, and the newest is the one that counts.
    fn most(self) -> usize {
        match self {
            Purpose::LoginCode => 5,
            _ => 1,
        }
    }
}

/// A challenge that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Challenge {
    pub purpose: Purpose,
    /// The secret that holds the answer.
    pub id: Uuid,
    pub expires_at: DateTime<Utc>,
}

/// Those of one person, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Challenges(Vec<Challenge>);

impl Challenges {
    /// Whether this one waits for its answer.
    pub fn is_open(&self, purpose: Purpose, id: Uuid, now: DateTime<Utc>) -> bool {
        let is = |it: &Challenge| it.purpose == purpose && it.id == id && now < it.expires_at;
        self.0.iter().any(is)
    }

    pub fn newest(&self, purpose: Purpose) -> Option<&Challenge> {
        self.0.iter().rfind(|it| it.purpose == purpose)
    }

    pub(super) fn add(&mut self, challenge: Challenge) {
        let purpose = challenge.purpose;
        self.0.push(challenge);
        let of_purpose = self.0.iter().filter(|it| it.purpose == purpose).count();
        let mut too_many = of_purpose.saturating_sub(purpose.most());
        // The oldest go first.
        self.0.retain(|it| {
            let goes = too_many > 0 && it.purpose == purpose;
            too_many -= usize::from(goes);
            !goes
        });
    }

    /// One was answered: no other is needed.
    pub(super) fn close(&mut self, purpose: Purpose) {
        self.0.retain(|it| it.purpose != purpose);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
