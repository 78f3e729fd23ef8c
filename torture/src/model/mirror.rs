//! What the log should hold of one world, and what it should answer: exact, and in memory.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_store::{Append, Appended, NewEvent, Refusal};
use serde_json::Value;
use uuid::Uuid;

use super::personal::{self, KeyName};
use super::work::{Came, Work};

/// One event, its personal values in clear.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) stream: String,
    pub(crate) sequence: i64,
    pub(crate) name: String,
    pub(crate) payload: Value,
    pub(crate) metadata: Value,
    pub(crate) actor: String,
    pub(crate) command: Option<Uuid>,
    pub(crate) correlation: Uuid,
    pub(crate) causation: Option<Uuid>,
    pub(crate) at: DateTime<Utc>,
}

/// What is kept under an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) position: i64,
    pub(crate) status: i32,
    pub(crate) answer: Option<Vec<u8>>,
    pub(crate) at: DateTime<Utc>,
}

/// Events by their positions.
pub(crate) type Events = BTreeMap<i64, Arc<Event>>;
/// Who has what, by organisation, scope and value.
pub(crate) type Claims = BTreeMap<(Uuid, String, Vec<u8>), String>;

/// All that is there of a world.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Holds {
    pub(crate) events: Events,
    pub(crate) records: BTreeMap<Vec<u8>, Record>,
    pub(crate) claims: Claims,
    /// Whether the key is there still.
    pub(crate) keys: BTreeMap<KeyName, bool>,
}

impl Holds {
    /// What is wrong with what was found, if this should be there.
    pub(crate) fn differences(&self, found: &Holds) -> Vec<String> {
        let mut wrong = differences("event", &self.events, &found.events);
        wrong.extend(differences("idempotency record", &self.records, &found.records));
        wrong.extend(differences("claim", &self.claims, &found.claims));
        wrong.extend(differences("key", &self.keys, &found.keys));
        wrong
    }
}

pub(crate) fn differences<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Vec<String> {
    let unlike = expected.iter().filter_map(|(name, expected)| match found.get(name) {
        Some(found) if found == expected => None,
        Some(found) => Some(format!("{what} {name:?}: expected {expected:?}, found {found:?}")),
        None => Some(format!("{what} {name:?} is not there: expected {expected:?}")),
    });
    let invented = found.iter().filter(|(name, _)| !expected.contains_key(name));
    let invented = invented.map(|(name, found)| format!("nobody wrote {what} {name:?}: {found:?}"));
    unlike.chain(invented).collect()
}

/// As readers see events when some are gone whom they tell of.
pub(crate) fn veiled(events: &Events, gone: &BTreeSet<Uuid>) -> Events {
    if gone.is_empty() {
        return events.clone();
    }
    let veil = |event: &Event| {
        let mut event = event.clone();
        personal::veil(&mut event.payload, gone);
        personal::veil(&mut event.metadata, gone);
        Arc::new(event)
    };
    events.iter().map(|(position, event)| (*position, veil(event))).collect()
}

/// What an append must be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Written,
    /// It was written before, there.
    Done(Appended),
    Refused(Refusal),
    /// Any of several streams that stand elsewhere may be told of.
    Version(BTreeSet<i64>),
    Erased(BTreeSet<Uuid>),
}

#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    pub(crate) tenant: Uuid,
    pub(crate) holds: Holds,
    /// The positions of each stream's events.
    pub(crate) streams: BTreeMap<String, Vec<i64>>,
    pub(crate) gone: BTreeSet<Uuid>,
    /// Where and when something of this world was written last.
    last: i64,
    at: Option<DateTime<Utc>>,
}

impl Mirror {
    pub(crate) fn of(tenant: Uuid) -> Mirror {
        let (holds, streams, gone) = Default::default();
        Mirror { tenant, holds, streams, gone, last: 0, at: None }
    }

    pub(crate) fn version(&self, stream: &str) -> i64 {
        self.streams.get(stream).map_or(0, |positions| positions.len() as i64)
    }

    /// What the log should hold, as it is read.
    pub(crate) fn as_read(&self) -> Holds {
        Holds { events: veiled(&self.holds.events, &self.gone), ..self.holds.clone() }
    }

    /// The reasons in the order in which they are told.
    pub(crate) fn expects(&self, work: &Work) -> Expected {
        let people = work.keys().into_iter().map(|(subject, _)| subject);
        let gone: BTreeSet<Uuid> = people.filter(|subject| self.gone.contains(subject)).collect();
        if !gone.is_empty() {
            return Expected::Erased(gone);
        }
        let Append { tenant, streams, claims, idempotency, .. } = &work.append;
        let (mut foreign, mut versions) = (false, BTreeSet::new());
        for stream in streams {
            let actual = self.version(&stream.aggregate_id);
            if actual > 0 && *tenant != self.tenant {
                foreign = true;
            } else if actual != stream.expected {
                versions.insert(actual);
            }
        }
        if let Some(done) = self.known(work).filter(|_| !streams.is_empty()) {
            return Expected::Done(done);
        }
        if foreign {
            return Expected::Refused(Refusal::Foreign);
        }
        if idempotency.as_ref().is_some_and(|record| self.holds.records.contains_key(&record.key)) {
            return Expected::Refused(Refusal::IdempotencyKeyUsed);
        }
        let taken = claims.iter().find_map(|claim| {
            let name = (claim.tenant, claim.scope.clone(), claim.value.clone());
            let owner = self.holds.claims.get(&name)?.clone();
            Some(Refusal::Claimed { scope: claim.scope.clone(), owner })
        });
        match taken {
            Some(taken) => Expected::Refused(taken),
            None if versions.is_empty() => Expected::Written,
            None => Expected::Version(versions),
        }
    }

    /// Where this very append stands already.
    pub(crate) fn known(&self, work: &Work) -> Option<Appended> {
        if let Some(stream) = work.append.streams.first() {
            let index = usize::try_from(stream.expected).ok()?;
            let first = *self.streams.get(&stream.aggregate_id)?.get(index)?;
            let event = self.holds.events.get(&first)?;
            let same = stream.events.first()?.event_id == event.id;
            let last = first + work.events() - 1;
            return same.then_some(Appended { first, last, recorded_at: event.at });
        }
        let asked = work.append.idempotency.as_ref()?;
        let record = self.holds.records.get(&asked.key)?;
        let (last, recorded_at) = (record.position, record.at);
        let same = record.fingerprint == asked.fingerprint;
        same.then_some(Appended { first: last + 1, last, recorded_at })
    }

    /// Goes on with what came of an append, or says what is wrong with it.
    pub(crate) fn judge(&mut self, work: &Work, came: &Came) -> Result<(), String> {
        let expected = self.expects(work);
        let known = self.known(work);
        let right = match (&expected, came) {
            // What was there before is found again, whatever a new one would be told.
            (_, Came::Found(at)) if known.is_some() => known == Some(*at),
            (_, Came::Nothing) => known.is_none(),
            (Expected::Written, Came::Written(at) | Came::Found(at)) => {
                let right = self.goes_on_with(work, at);
                if right {
                    self.take(work, at);
                }
                right
            }
            (Expected::Done(there), Came::Written(at)) => there == at,
            (Expected::Refused(refusal), Came::Refused(told)) => refusal == told,
            (Expected::Version(any), Came::Refused(Refusal::Version { actual })) => {
                any.contains(actual)
            }
            (Expected::Erased(gone), Came::Erased(subject)) => gone.contains(subject),
            _ => false,
        };
        let wrong = || format!("expected {expected:?}, came {came:?}, of {work:?}");
        if right { Ok(()) } else { Err(wrong()) }
    }

    /// Whether it has a position for each event, after all that was there, and a time not before.
    fn goes_on_with(&self, work: &Work, at: &Appended) -> bool {
        at.last - at.first + 1 == work.events()
            && at.first > self.last
            && (work.events() == 0 || self.at.is_none_or(|before| before <= at.recorded_at))
    }

    fn take(&mut self, work: &Work, at: &Appended) {
        let append = &work.append;
        let mut positions = at.first..;
        for stream in &append.streams {
            for (sequence, (event, position)) in
                (stream.expected + 1..).zip(stream.events.iter().zip(&mut positions))
            {
                let event = event_of(append, &stream.aggregate_id, sequence, event, at.recorded_at);
                self.holds.events.insert(position, Arc::new(event));
                self.streams.entry(stream.aggregate_id.clone()).or_default().push(position);
                self.at = Some(at.recorded_at);
            }
        }
        if let Some(asked) = &append.idempotency {
            let record = Record {
                fingerprint: asked.fingerprint.clone(),
                position: at.last,
                status: asked.status,
                answer: work.answer.clone(),
                at: at.recorded_at,
            };
            self.holds.records.insert(asked.key.clone(), record);
        }
        for claim in &append.claims {
            let name = (claim.tenant, claim.scope.clone(), claim.value.clone());
            self.holds.claims.insert(name, claim.owner.clone());
        }
        for key in work.keys() {
            self.holds.keys.entry(key).or_insert(true);
        }
        self.last = at.last;
    }

    /// A person is forgotten, and stays so.
    pub(crate) fn erase(&mut self, subject: Uuid) {
        self.gone.insert(subject);
        self.holds.keys.extend(personal::keys_of(subject).map(|key| (key, false)));
    }
}

fn event_of(
    append: &Append,
    stream: &str,
    sequence: i64,
    event: &NewEvent,
    at: DateTime<Utc>,
) -> Event {
    Event {
        id: event.event_id,
        stream: stream.to_owned(),
        sequence,
        name: event.event_type.clone(),
        payload: event.payload.clone(),
        metadata: append.metadata.clone(),
        actor: append.actor.clone(),
        command: append.command_id,
        correlation: append.correlation_id,
        causation: append.causation_id,
        at,
    }
}
