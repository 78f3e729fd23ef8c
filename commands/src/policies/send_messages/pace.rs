//! Our own pace, so that WhatsApp has no reason to refuse: per line, and per line and recipient
//! (Meta's documentation of throughput and of pair rate limits). All processes share it.

use std::time::Duration;

use event_store::Store;
use event_store::rate_limit::Limit;
use uuid::Uuid;

use crate::Error;
use crate::effects::Outcome;

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    line: Limit,
    pair: Limit,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace::per_second(80)
    }
}

impl Pace {
    /// So many messages a second from each line; to one recipient one in six seconds, of which 45
    /// may go ahead of their time.
    pub fn per_second(messages: u16) -> Pace {
        Pace {
            line: Limit { burst: i32::from(messages), per: Duration::from_secs(1) },
            pair: Limit { burst: 45, per: Duration::from_secs(45 * 6) },
        }
    }

    /// Another limit for one recipient.
    pub fn to_one(self, pair: Limit) -> Pace {
        Pace { pair, ..self }
    }

    /// `None` where a message may go now.
    pub(super) async fn holds(
        &self,
        store: &Store,
        line: Uuid,
        contact: Uuid,
    ) -> Result<Option<Outcome>, Error> {
        let (line, contact) = (line.as_bytes(), contact.as_bytes());
        let all = store.take_token(&[b"whatsapp.line", line], self.line).await?;
        if !all.allowed {
            let reason = "the line sends as much as it may".to_owned();
            return Ok(Some(Outcome::LineHeld { after: all.retry_after, reason }));
        }
        let pair = store.take_token(&[b"whatsapp.pair", line, contact], self.pair).await?;
        if !pair.allowed {
            let reason = "the recipient has had many messages of late".to_owned();
            return Ok(Some(Outcome::Held { after: pair.retry_after, reason }));
        }
        Ok(None)
    }
}
