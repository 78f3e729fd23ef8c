//! Takes pages of the log into one generation of a read model, and puts aside what can't be taken.

use std::collections::HashSet;

use event_store::log;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, PgPool};

use crate::generation::{self, Generation};
use crate::model::Source;
use crate::recorded::meaning;
use crate::stops::Stops;
use crate::working_set::{Fault, InTable, WAITING, WorkingSet};
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
    pub(crate) stops: Stops,
    /// Put aside and not written yet; written and not yet told.
    letters: Vec<DeadLetter>,
    untold: Vec<DeadLetter>,
    /// What there is to load.
    pub(crate) table: InTable,
}

impl Feed {
    pub(crate) async fn open(
        pool: &PgPool,
        model: &'static dyn Model,
        generation: Generation,
    ) -> Result<Self, Error> {
        let stops = Stops::load(pool, model, Some(generation.generation)).await?;
        // Where nothing was ever written there is nothing to load either.
        let blank = generation.position == 0;
        Ok(Feed {
            model,
            table: if blank { InTable::Only(HashSet::new()) } else { InTable::Any },
            generation,
            rows: model.working_set(),
            stops,
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
        if let Some(keys) = self.wanted(page) {
            self.load(db, &keys).await?;
        }
        self.apply(page);
        Ok(())
    }

    /// The keys that a page touches and that have to be loaded first, as a JSON array.
    pub(crate) fn wanted(&mut self, page: &[Decoded]) -> Option<String> {
        let source = self.model.source();
        let known = page.iter().flatten().filter(|event| source.covers(&event.stored));
        let known: Vec<&Recorded> = known.collect();
        match source {
            // A row of a position that was not reached yet can't be there.
            Source::Position => self.rows.want(&known, &InTable::Only(HashSet::new())),
            Source::Stream(_) | Source::Bucket => self.rows.want(&known, &self.table),
        }
    }

    pub(crate) async fn load(&mut self, db: &mut PgConnection, keys: &str) -> Result<(), Error> {
        let generation = self.generation.generation;
        generation::load(db, self.model, generation, keys, &mut *self.rows).await
    }

    /// Folds a page whose rows are in memory.
    pub(crate) fn apply(&mut self, page: &[Decoded]) {
        let source = self.model.source();
        for event in page.iter().filter(|event| source.covers(stored(event))) {
            fold_or_stop(&mut *self.rows, event, &mut self.stops, &mut self.letters);
        }
    }

    /// Writes what was folded since the last time.
    pub(crate) async fn write(&mut self, db: &mut PgConnection) -> Result<(), Error> {
        let generation = self.generation.generation;
        self.keep_letters(db).await?;
        generation::write(db, self.model, generation, &mut *self.rows).await?;
        self.table = InTable::Any;
        Ok(())
    }

    /// The same by bulk copy, for a table that nobody else writes. Between two calls no row may be
    /// forgotten without the table's being told.
    pub(crate) async fn copy(&mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        let generation = self.generation.generation;
        self.keep_letters(db).await?;
        generation::copy(db, self.model, generation, &mut *self.rows).await
    }

    async fn keep_letters(&mut self, db: &mut PgConnection) -> sqlx::Result<()> {
        let generation = self.generation.generation;
        let letters = std::mem::take(&mut self.letters);
        if !letters.is_empty() {
            self.untold.extend(keep(db, self.model, generation, letters).await?);
        }
        Ok(())
    }

    pub(crate) async fn take(
        &mut self,
        db: &mut PgConnection,
        page: &[Decoded],
    ) -> Result<(), Error> {
        self.fold(db, page).await?;
        self.write(db).await
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
        let (stops, told) = (self.stops.clone(), self.untold.len());
        let mut savepoint = db.begin().await?;
        let taken = self.take(&mut savepoint, piece).await;
        if taken.is_ok() && !trial {
            savepoint.commit().await?;
            return Ok(None);
        }
        savepoint.rollback().await?;
        self.stops = stops;
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
            self.stops.stop(key.clone(), position);
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
        let position = stored(event).position;
        keys.retain(|key| !self.stops.holds(key, position));
        let mut culprits = vec![];
        for key in &keys {
            let stops = self.stops.clone();
            for other in keys.iter().filter(|other| *other != key) {
                self.stops.stop(other.clone(), position);
            }
            let refused = self.attempt(db, std::slice::from_ref(event), true).await?;
            self.stops = stops;
            culprits.extend(refused.map(|reason| Fault { key: key.clone(), reason }));
        }
        if culprits.is_empty() {
            let together = |key| Fault { key, reason: refusal.clone() };
            culprits = keys.into_iter().map(together).collect();
        }
        Ok(culprits)
    }

    /// Some of what stood still goes on, and its rows in the table are new.
    pub(crate) fn release(&mut self, stops: Stops) {
        self.stops = stops;
        self.rows.clear();
        self.table = InTable::Any;
    }

    /// Says what was put aside, once that is committed.
    pub(crate) fn tell(&mut self) {
        let model = self.model.name();
        for DeadLetter { key, position, reason } in self.untold.drain(..) {
            metrics::counter!("verbatim_dead_letters_total", "model" => model).increment(1);
            match reason == WAITING {
                true => tracing::debug!(model, position, key, "An event waits for one before it"),
                false => tracing::error!(model, position, key, reason, "An event was put aside"),
            }
        }
    }
}

/// An event that a read model could not take in, or that waits behind one.
pub(crate) struct DeadLetter {
    key: String,
    position: i64,
    reason: String,
}

/// Puts letters down; returns those that are news.
async fn keep(
    db: &mut PgConnection,
    model: &dyn Model,
    generation: i32,
    letters: Vec<DeadLetter>,
) -> sqlx::Result<Vec<DeadLetter>> {
    let keys: Vec<&str> = letters.iter().map(|letter| letter.key.as_str()).collect();
    let positions: Vec<i64> = letters.iter().map(|letter| letter.position).collect();
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    let news: Vec<(String, i64, String)> = sqlx::query_as(
        "insert into dead_letters (model, generation, key, position, reason)
         select $1, $2, key, position, left(reason, 500)
           from unnest($3::text[], $4::bigint[], $5::text[]) l(key, position, reason)
         on conflict do nothing returning key, position, reason",
    )
    .bind(model.name())
    .bind(generation)
    .bind(&keys)
    .bind(&positions)
    .bind(&reasons)
    .fetch_all(db)
    .await?;
    Ok(news
        .into_iter()
        .map(|(key, position, reason)| DeadLetter { key, position, reason })
        .collect())
}

pub(crate) fn stored(event: &Decoded) -> &log::Recorded {
    match event {
        Ok(recorded) => &recorded.stored,
        Err(undecodable) => &undecodable.0,
    }
}

/// A stream among stopped keys. What is too long for the index of dead letters goes by its hash.
pub(crate) fn stream_key(stored: &log::Recorded) -> String {
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
    stops: &mut Stops,
    letters: &mut Vec<DeadLetter>,
) {
    let stored = stored(event);
    let position = stored.position;
    let faults = match event {
        Err(undecodable) => {
            let stream = stream_key(stored);
            let left_out = stops.leaves_out(&stream, position);
            let fault = Fault { key: stream, reason: undecodable.1.clone() };
            (!left_out).then_some(fault).into_iter().collect()
        }
        Ok(_) if !stops.is_empty() && stops.leaves_out(&stream_key(stored), position) => vec![],
        Ok(recorded) if !stops.is_empty() && stops.holds(&stream_key(stored), position) => {
            let touches = !rows.keys(recorded).is_empty();
            touches.then(|| Fault::waiting(stream_key(stored))).into_iter().collect()
        }
        Ok(recorded) => rows.fold(recorded, stops),
    };
    for Fault { key, reason } in faults {
        stops.stop(key.clone(), position);
        letters.push(DeadLetter { key, position, reason });
    }
}
