//! The log's end, as it grows: each process reads new events once and hands what is told of them to
//! whoever listens. Who comes late or falls behind reads the log.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::broadcast::{self, Receiver, Sender};
use uuid::Uuid;

use crate::tenant::within;
use crate::{Error, Recorded, Store};

/// Notices that one listener may lag behind before it has lost the thread.
const KEPT: usize = 1024;
const PAGE: i64 = 500;
const PAUSE: Duration = Duration::from_millis(250);

/// That something was recorded, without what it says.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Notice {
    pub position: i64,
    pub tenant_id: Uuid,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub actor: String,
    pub correlation_id: Uuid,
    pub recorded_at: DateTime<Utc>,
}

const COLUMNS: &str = "position, tenant_id, aggregate_type, aggregate_id, sequence, event_type, \
     actor, correlation_id, recorded_at";

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tail {
    store: Store,
    sender: Sender<Notice>,
}

impl Tail {
    pub fn of(store: Store) -> Tail {
        Tail { store, sender: broadcast::channel(KEPT).0 }
    }

    /// Hears of everything that is recorded after the position that the store knows now.
    pub fn listen(&self) -> Receiver<Notice> {
        self.sender.subscribe()
    }

    /// Reads and tells, for ever.
    pub async fn run(self) {
        let mut told = self.store.head();
        loop {
            self.store.wait_past(told).await;
            // The head first: who begins to listen after it was read begins there or later.
            let head = self.store.head();
            if self.sender.receiver_count() == 0 {
                told = head;
                continue;
            }
            // Not beyond that head: listeners begin there.
            match self.store.follow(told, PAGE.min(head - told)).await {
                Ok(page) => {
                    for event in page {
                        told = event.position;
                        // Nobody may listen any more.
                        let _ = self.sender.send(Notice::of(&event));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "The end of the log can't be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Notice {
    fn of(event: &Recorded) -> Notice {
        Notice {
            position: event.position,
            tenant_id: event.tenant_id,
            aggregate_type: event.aggregate_type.clone(),
            aggregate_id: event.aggregate_id.clone(),
            sequence: event.sequence,
            event_type: event.event_type.clone(),
            actor: event.actor.clone(),
            correlation_id: event.correlation_id,
            recorded_at: event.recorded_at,
        }
    }
}

impl Store {
    /// What was recorded in an organisation after one position and up to another, `limit` at most.
    pub async fn notices(
        &self,
        tenant: Uuid,
        after: i64,
        until: i64,
        limit: i64,
    ) -> Result<Vec<Notice>, Error> {
        let query = within(&format!(
            "select {COLUMNS} from events
              where tenant_id = t.id and position > $2 and position <= $3
              order by position limit $4"
        ));
        Ok(sqlx::query_as(&format!("{query} order by position"))
            .bind(tenant)
            .bind(after)
            .bind(until)
            .bind(limit)
            .fetch_all(self.pool())
            .await?)
    }
}
