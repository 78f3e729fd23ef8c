//! What one append asks for, and how waiting appends are put together into a batch that the
//! database takes in one round trip.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// A unit of work: events for one or more streams, all or nothing, with at most one idempotency
/// record, and claims.
#[derive(Clone, Debug)]
pub struct Append {
    pub tenant: Uuid,
    pub actor: String,
    pub command_id: Option<Uuid>,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    /// An object of strings.
    pub metadata: Value,
    pub streams: Vec<StreamAppend>,
    pub claims: Vec<Claim>,
    pub idempotency: Option<IdempotencyRecord>,
}

/// New events of one stream, which must stand at `expected` (0: not exist) when they come.
#[derive(Clone, Debug)]
pub struct StreamAppend {
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub expected: i64,
    pub events: Vec<NewEvent>,
}

#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event_id: Uuid,
    pub event_type: String,
    pub event_version: String,
    pub payload: Value,
}

/// What must be unique in an organisation: a keyed hash in a scope, and who has it. Under the nil
/// tenant it is unique among all organisations.
#[derive(Clone, Debug)]
pub struct Claim {
    pub tenant: Uuid,
    pub scope: String,
    pub value: Vec<u8>,
    pub owner: String,
}

/// One key, one outcome: kept with the events that it caused.
#[derive(Clone, Debug)]
pub struct IdempotencyRecord {
    pub key: Vec<u8>,
    pub fingerprint: Vec<u8>,
    pub status: i32,
    /// The answer's bytes, encrypted.
    pub response: Option<Vec<u8>>,
}

/// Why an append was not taken. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the stream belongs to another organisation")]
    Foreign,
    #[error("the idempotency key was used already")]
    IdempotencyKeyUsed,
    #[error("{scope} is taken by {owner}")]
    Claimed { scope: String, owner: String },
    #[error("a stream stands at version {actual}, not where it was expected")]
    Version { actual: i64 },
}

/// Most appends and bytes of payload in one batch: what keeps a round trip within milliseconds.
const MOST_APPENDS: usize = 512;
const MOST_BYTES: usize = 4 << 20;

/// An append with its payloads encrypted and written out, as the batch sends it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) append: Append,
    /// Payload texts, in the order of the append's events.
    pub(crate) payloads: Vec<String>,
    pub(crate) metadata: String,
    pub(crate) bytes: usize,
}

impl Written {
    pub(crate) fn new(append: Append) -> Self {
        let events = append.streams.iter().flat_map(|stream| &stream.events);
        let payloads: Vec<String> = events.map(|event| event.payload.to_string()).collect();
        let metadata = append.metadata.to_string();
        let bytes = payloads.iter().map(String::len).sum::<usize>() + metadata.len();
        Written { append, payloads, metadata, bytes }
    }

    pub(crate) fn events(&self) -> usize {
        self.payloads.len()
    }
}

/// Decides which appends may travel together.
#[derive(Default)]
pub(crate) struct Admission {
    /// The version that each stream will have, and the group that takes it there.
    streams: HashMap<(String, String), (i64, usize)>,
    claims: HashSet<(Uuid, String, Vec<u8>)>,
    keys: HashSet<(Uuid, Vec<u8>)>,
    /// For each append its group: appends that share a stream stand and fall together.
    groups: Vec<usize>,
    bytes: usize,
}

impl Admission {
    /// Takes the append into the batch if what it needs is free there: each of its streams is new
    /// to the batch or will stand at the version it expects; its claims and key are nobody else's.
    pub(crate) fn admit(&mut self, written: &Written) -> bool {
        let append = &written.append;
        let full = self.groups.len() >= MOST_APPENDS
            || (self.bytes > 0 && self.bytes + written.bytes > MOST_BYTES);
        if full || !self.fits(append) {
            return false;
        }
        let mut group = self.groups.len();
        for stream in &append.streams {
            let name = (stream.aggregate_type.clone(), stream.aggregate_id.clone());
            if let Some((_, other)) = self.streams.get(&name) {
                group = self.join(group, *other);
            }
        }
        for stream in &append.streams {
            let name = (stream.aggregate_type.clone(), stream.aggregate_id.clone());
            let version = stream.expected + stream.events.len() as i64;
            self.streams.insert(name, (version, group));
        }
        self.groups.push(group);
        self.bytes += written.bytes;
        let claim = |claim: &Claim| (claim.tenant, claim.scope.clone(), claim.value.clone());
        self.claims.extend(append.claims.iter().map(claim));
        self.keys.extend(append.idempotency.iter().map(|i| (append.tenant, i.key.clone())));
        true
    }

    fn fits(&self, append: &Append) -> bool {
        let expected = |stream: &StreamAppend| {
            let name = (stream.aggregate_type.clone(), stream.aggregate_id.clone());
            self.streams.get(&name).is_none_or(|(version, _)| *version == stream.expected)
        };
        let unclaimed = |claim: &Claim| {
            !self.claims.contains(&(claim.tenant, claim.scope.clone(), claim.value.clone()))
        };
        let unused = |i: &IdempotencyRecord| !self.keys.contains(&(append.tenant, i.key.clone()));
        append.streams.iter().all(expected)
            && append.claims.iter().all(unclaimed)
            && append.idempotency.iter().all(unused)
    }

    fn join(&mut self, one: usize, other: usize) -> usize {
        let (from, to) = (one.max(other), one.min(other));
        self.groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        self.streams.values_mut().filter(|(_, g)| *g == from).for_each(|(_, g)| *g = to);
        to
    }

    pub(crate) fn groups(&self) -> &[usize] {
        &self.groups
    }
}

/// The batch as the arrays that the `append` function takes; see its comment for their meaning.
#[derive(Default)]
pub(crate) struct Arrays<'a> {
    pub(crate) e_append: Vec<i32>,
    pub(crate) e_type: Vec<&'a str>,
    pub(crate) e_id: Vec<&'a str>,
    pub(crate) e_seq: Vec<i64>,
    pub(crate) e_name: Vec<&'a str>,
    pub(crate) e_ver: Vec<&'a str>,
    pub(crate) e_payload: Vec<&'a str>,
    pub(crate) e_meta: Vec<&'a str>,
    pub(crate) e_tenant: Vec<Uuid>,
    pub(crate) e_event: Vec<Uuid>,
    pub(crate) e_actor: Vec<&'a str>,
    pub(crate) e_command: Vec<Option<Uuid>>,
    pub(crate) e_corr: Vec<Uuid>,
    pub(crate) e_cause: Vec<Option<Uuid>>,
    pub(crate) s_append: Vec<i32>,
    pub(crate) s_tenant: Vec<Uuid>,
    pub(crate) s_type: Vec<&'a str>,
    pub(crate) s_id: Vec<&'a str>,
    pub(crate) s_expected: Vec<i64>,
    pub(crate) s_event: Vec<Uuid>,
    pub(crate) i_append: Vec<i32>,
    pub(crate) i_last: Vec<i32>,
    pub(crate) i_tenant: Vec<Uuid>,
    pub(crate) i_key: Vec<&'a [u8]>,
    pub(crate) i_print: Vec<&'a [u8]>,
    pub(crate) i_status: Vec<i32>,
    pub(crate) i_response: Vec<Option<&'a [u8]>>,
    pub(crate) c_append: Vec<i32>,
    pub(crate) c_tenant: Vec<Uuid>,
    pub(crate) c_scope: Vec<&'a str>,
    pub(crate) c_value: Vec<&'a [u8]>,
    pub(crate) c_owner: Vec<&'a str>,
}

impl<'a> Arrays<'a> {
    pub(crate) fn of(batch: &'a [&'a Written]) -> Self {
        let mut arrays = Arrays::default();
        let mut touched = HashSet::new();
        for (number, written) in (1..).zip(batch) {
            arrays.push(number, written, &mut touched);
        }
        arrays
    }

    fn push(
        &mut self,
        number: i32,
        written: &'a Written,
        touched: &mut HashSet<(&'a str, &'a str)>,
    ) {
        let append = &written.append;
        let mut payloads = written.payloads.iter();
        for stream in &append.streams {
            let (kind, id) = (stream.aggregate_type.as_str(), stream.aggregate_id.as_str());
            if let Some(event) = stream.events.first().filter(|_| touched.insert((kind, id))) {
                self.s_append.push(number);
                self.s_tenant.push(append.tenant);
                self.s_type.push(kind);
                self.s_id.push(id);
                self.s_expected.push(stream.expected);
                self.s_event.push(event.event_id);
            }
            for (sequence, event) in (stream.expected + 1..).zip(&stream.events) {
                self.e_append.push(number);
                self.e_type.push(kind);
                self.e_id.push(id);
                self.e_seq.push(sequence);
                self.e_name.push(&event.event_type);
                self.e_ver.push(&event.event_version);
                self.e_payload.extend(payloads.next().map(String::as_str));
                self.e_meta.push(&written.metadata);
                self.e_tenant.push(append.tenant);
                self.e_event.push(event.event_id);
                self.e_actor.push(&append.actor);
                self.e_command.push(append.command_id);
                self.e_corr.push(append.correlation_id);
                self.e_cause.push(append.causation_id);
            }
        }
        if let Some(record) = &append.idempotency {
            self.i_append.push(number);
            self.i_last.push(self.e_append.len() as i32);
            self.i_tenant.push(append.tenant);
            self.i_key.push(&record.key);
            self.i_print.push(&record.fingerprint);
            self.i_status.push(record.status);
            self.i_response.push(record.response.as_deref());
        }
        for claim in &append.claims {
            self.c_append.push(number);
            self.c_tenant.push(claim.tenant);
            self.c_scope.push(&claim.scope);
            self.c_value.push(&claim.value);
            self.c_owner.push(&claim.owner);
        }
    }
}

/// One reason that the database gave against one append of a batch (0: against all).
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Reason {
    pub(crate) append: usize,
    pub(crate) why: Why,
    pub(crate) detail: Option<String>,
}

/// In the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Why {
    Done,
    Foreign,
    Idempotency,
    Claim,
    Version,
    Erasures,
}

impl Reason {
    /// `None`: the append was written before, by us.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let detail = self.detail.as_deref().unwrap_or_default();
        Some(match self.why {
            Why::Done => return None,
            Why::Foreign => Refusal::Foreign,
            Why::Idempotency => Refusal::IdempotencyKeyUsed,
            Why::Claim => {
                let (scope, owner) = detail.split_once(' ').unwrap_or((detail, ""));
                Refusal::Claimed { scope: scope.to_owned(), owner: owner.to_owned() }
            }
            Why::Version | Why::Erasures => {
                Refusal::Version { actual: detail.parse().unwrap_or_default() }
            }
        })
    }
}

/// What the `append` function answers.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Answer {
    pub(crate) first: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) refused: Option<sqlx::types::Json<Vec<Reason>>>,
}
