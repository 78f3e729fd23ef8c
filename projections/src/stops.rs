//! What stands still in a generation since a fault, and what a person decided to leave out.

use std::collections::{HashMap, HashSet};

use domain::operation::{self, Operation};
use domain::{Aggregate, Event};
use event_store::log;
use sqlx::{Acquire, PgConnection, Postgres};

use crate::{Error, Model};

/// Keys, as JSON or as the name of a stream, by which events are held back.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    /// From which position on a key stands still.
    since: HashMap<String, i64>,
    /// Keys that go on without the event at a position.
    left_out: HashMap<i64, HashSet<String>>,
}

impl Stops {
    /// Those of a generation; without one, only what is left out everywhere. Within a transaction
    /// they are those of its snapshot.
    pub(crate) async fn load<'c>(
        db: impl Acquire<'c, Database = Postgres>,
        model: &dyn Model,
        generation: Option<i32>,
    ) -> Result<Self, Error> {
        let mut db = db.acquire().await?;
        let since: Vec<(String, i64)> = sqlx::query_as(
            "select key, min(position) from dead_letters
              where model = $1 and generation = $2 group by key",
        )
        .bind(model.name())
        .bind(generation)
        .fetch_all(&mut *db)
        .await?;
        let mut stops = Stops { since: since.into_iter().collect(), left_out: HashMap::new() };
        for (key, position) in left_out(&mut db, model).await? {
            stops.left_out.entry(position).or_default().insert(key);
        }
        Ok(stops)
    }

    /// Whether no event is held back at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.since.is_empty() && self.left_out.is_empty()
    }

    pub(crate) fn holds(&self, key: &str, position: i64) -> bool {
        self.since.get(key).is_some_and(|since| position >= *since)
    }

    pub(crate) fn leaves_out(&self, key: &str, position: i64) -> bool {
        self.left_out.get(&position).is_some_and(|keys| keys.contains(key))
    }

    pub(crate) fn stop(&mut self, key: String, position: i64) {
        let since = self.since.entry(key).or_insert(position);
        *since = position.min(*since);
    }

    /// Lets a key go on; returns from which position on it stood still.
    pub(crate) fn release(&mut self, key: &str) -> Option<i64> {
        self.since.remove(key)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.since.keys().cloned().collect()
    }
}

/// What the log says that a model leaves out.
async fn left_out(db: &mut PgConnection, model: &dyn Model) -> Result<Vec<(String, i64)>, Error> {
    let query = format!(
        "select {} from events where aggregate_type = $1 and event_type = 'LetterSkipped'",
        log::COLUMNS
    );
    let stored: Vec<log::Recorded> =
        sqlx::query_as(&query).bind(Operation::TYPE).fetch_all(db).await?;
    let mut left_out = vec![];
    for stored in stored {
        if let Event::Operation(operation::Event::LetterSkipped {
            model: of, key, position, ..
        }) = crate::recorded::meaning(&stored)?
            && of == model.name()
        {
            left_out.push((key, position));
        }
    }
    Ok(left_out)
}
