//! Takes pages of the log into one generation of a read model, and puts aside what can't be taken.

use std::collections::HashSet;

use event_store::log;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgPool};

use crate::generation::{self, Generation};
use crate::recorded::meaning;
use crate::working_set::{Fault, WorkingSet};
use crate::{Error, Model, Recorded};

/// A decoded event, or the stored one with the reason why it can't be.
pub(crate) type Decoded = Result<Recorded, Box<(log::Recorded, String)>>;

pub(crate) fn decode(stored: log::Recorded) -> Decoded {
    match meaning(&stored) {
        Ok(event) => Ok(Recorded { stored, event }),
        Err(error) => Err(Box::new((stored, error.to_string()))),
    }
}

/// One generation, the rows of it that are in memory, and what stands still in it.
pub(crate) struct Feed {
    pub(crate) model: &'static dyn Model,
    pub(crate) generation: Generation,
    pub(crate) rows: Box<dyn WorkingSet>,
    /// Keys and streams that a fault has stopped.
    stopped: HashSet<String>,
    /// Put aside and not written yet; written and not yet told.
    letters: Vec<DeadLetter>,
    untold: Vec<DeadLetter>,
    /// Nothing was ever written: then there is nothing to load either.
    blank: bool,
}

impl Feed {
    pub(crate) async fn open(
        pool: &PgPool,
        model: &'static dyn Model,
        generation: Generation,
    ) -> sqlx::Result<Self> {
        let stopped: Vec<String> = sqlx::query_scalar(
            "select distinct key from dead_letters where model = $1 and generation = $2",
        )
        .bind(model.name())
        .bind(generation.generation)
        .fetch_all(pool)
        .await?;
        Ok(Feed {
            model,
            blank: generation.position == 0,
            generation,
            rows: model.working_set(),
            stopped: stopped.into_iter().collect(),
            letters: vec![],
            untold: vec![],
        })
    }

    /// Folds a page in memory.
    pub(crate) async fn fold(
        &mut self,
        db: &mut PgConnection,
        page: &[Decoded],
    ) -> Result<(), Error> {
        let known: Vec<&Recorded> = page.iter().flatten().collect();
        let generation = self.generation.generation;
        if let Some(keys) = self.rows.want(&known).filter(|_| !self.blank) {
            generation::load(db, self.model, generation, &keys, &mut *self.rows).await?;
        }
        for event in page {
            fold_or_stop(&mut *self.rows, event, &mut self.stopped, &mut self.letters);
        }
        Ok(())
    }

    /// Writes what was folded since the last time.
    pub(crate) async fn write(&mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        let generation = self.generation.generation;
        for letter in std::mem::take(&mut self.letters) {
            if letter.keep(db, self.model, generation).await? {
                self.untold.push(letter);
            }
        }
        generation::write(db, self.model, generation, &mut *self.rows).await?;
        self.blank = false;
        Ok(())
    }

    pub(crate) async fn take(
        &mut self,
        db: &mut PgConnection,
        page: &[Decoded],
    ) -> Result<(), Error> {
        self.fold(db, page).await?;
        Ok(self.write(db).await?)
    }

    /// Takes what the database lets in of a page: one that it refuses is halved until the culprit
    /// is alone, and only the culprit's key stands still. Needs a transaction.
    pub(crate) async fn take_piecemeal(
        &mut self,
        db: &mut PgConnection,
        page: &[Decoded],
    ) -> Result<(), Error> {
        let mut pieces = vec![page];
        while let Some(piece) = pieces.pop() {
            let Some(refusal) = self.attempt(db, piece, false).await? else { continue };
            if let [event] = piece {
                self.put_aside(db, event, refusal).await?;
            } else {
                let (first, second) = piece.split_at(piece.len() / 2);
                pieces.extend([second, first]);
            }
        }
        Ok(())
    }

    /// Takes a piece within a savepoint. One that the database refuses leaves everything as it
    /// was, and its reason is the answer; a mere trial leaves everything as it was anyway.
    async fn attempt(
        &mut self,
        db: &mut PgConnection,
        piece: &[Decoded],
        trial: bool,
    ) -> Result<Option<String>, Error> {
        let (stopped, told) = (self.stopped.clone(), self.untold.len());
        let mut savepoint = db.begin().await?;
        let taken = self.take(&mut savepoint, piece).await;
        if taken.is_ok() && !trial {
            savepoint.commit().await?;
            return Ok(None);
        }
        savepoint.rollback().await?;
        self.stopped = stopped;
        self.rows.clear();
        self.letters.clear();
        self.untold.truncate(told);
        match taken {
            Ok(()) => Ok(None),
            Err(error) => error.refusal().map(Some).ok_or(error),
        }
    }

    /// Stops the keys on whose account an event is refused, and takes the event into its others.
    async fn put_aside(
        &mut self,
        db: &mut PgConnection,
        event: &Decoded,
        refusal: String,
    ) -> Result<(), Error> {
        let position = stored(event).position;
        for Fault { key, reason } in self.culprits(db, event, refusal).await? {
            self.stopped.insert(key.clone());
            self.letters.push(DeadLetter { key, position, reason });
        }
        self.take(db, std::slice::from_ref(event)).await
    }

    /// Tries each key of a refused event without the others.
    async fn culprits(
        &mut self,
        db: &mut PgConnection,
        event: &Decoded,
        refusal: String,
    ) -> Result<Vec<Fault>, Error> {
        let mut keys = event.as_ref().map_or(vec![], |event| self.rows.keys(event));
        keys.retain(|key| !self.stopped.contains(key));
        let mut culprits = vec![];
        for key in &keys {
            let stopped = self.stopped.clone();
            self.stopped.extend(keys.iter().filter(|other| *other != key).cloned());
            let refused = self.attempt(db, std::slice::from_ref(event), true).await?;
            self.stopped = stopped;
            culprits.extend(refused.map(|reason| Fault { key: key.clone(), reason }));
        }
        if culprits.is_empty() {
            let together = |key| Fault { key, reason: refusal.clone() };
            culprits = keys.into_iter().map(together).collect();
        }
        Ok(culprits)
    }

    /// Says what was put aside, once that is committed.
    pub(crate) fn tell(&mut self) {
        for DeadLetter { key, position, reason } in self.untold.drain(..) {
            let model = self.model.name();
            metrics::counter!("verbatim_dead_letters_total", "model" => model).increment(1);
            tracing::error!(model, position, key, reason, "An event was put aside");
        }
    }
}

/// An event that a read model could not take in, or that waits behind one.
pub(crate) struct DeadLetter {
    key: String,
    position: i64,
    reason: String,
}

impl DeadLetter {
    /// Whether it is news.
    async fn keep(
        &self,
        db: &mut PgConnection,
        model: &dyn Model,
        generation: i32,
    ) -> sqlx::Result<bool> {
        let kept = sqlx::query(
            "insert into dead_letters (model, generation, key, position, reason)
             values ($1, $2, $3, $4, left($5, 500)) on conflict do nothing",
        )
        .bind(model.name())
        .bind(generation)
        .bind(&self.key)
        .bind(self.position)
        .bind(&self.reason)
        .execute(db)
        .await?;
        Ok(kept.rows_affected() > 0)
    }
}

fn stored(event: &Decoded) -> &log::Recorded {
    match event {
        Ok(recorded) => &recorded.stored,
        Err(undecodable) => &undecodable.0,
    }
}

/// A stream among stopped keys. What is too long for the index of dead letters goes by its hash.
fn stream_key(stored: &log::Recorded) -> String {
    let stream = format!("{}/{}", stored.aggregate_type, stored.aggregate_id);
    if stream.len() <= 1_000 {
        return stream;
    }
    format!("sha256:{}", hex::encode(Sha256::digest(stream)))
}

/// Folds one event. A fault stops its key, and an event that can't be decoded its stream, not the
/// world: it and what follows for that key are put aside.
pub(crate) fn fold_or_stop(
    rows: &mut dyn WorkingSet,
    event: &Decoded,
    stopped: &mut HashSet<String>,
    letters: &mut Vec<DeadLetter>,
) {
    let stored = stored(event);
    let stream = stream_key(stored);
    let faults = match event {
        Err(undecodable) => vec![Fault { key: stream, reason: undecodable.1.clone() }],
        Ok(recorded) if !stopped.is_empty() && stopped.contains(&stream) => {
            let touches = !rows.keys(recorded).is_empty();
            touches.then(|| Fault::waiting(stream)).into_iter().collect()
        }
        Ok(recorded) => rows.fold(recorded, stopped),
    };
    for Fault { key, reason } in faults {
        stopped.insert(key.clone());
        letters.push(DeadLetter { key, position: stored.position, reason });
    }
}
