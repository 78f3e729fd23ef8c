//! What one append asks for, and how waiting appends are put together into a batch that the
//! database takes in one round trip.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem::take;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::codec::sealed::Sealing;
use crate::keyring::{Keys, NewKey};
use crate::store::Error;

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
    /// Whose key it is. Under the nil tenant it is nobody's that an organisation is known of, or
    /// the answer holds credentials; the record is short-lived.
    pub tenant: Uuid,
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
pub(crate) const MOST_APPENDS: usize = 512;
const MOST_BYTES: usize = 4 << 20;

/// What an append holds personal data in, before it is encrypted; with the ids that the tokens in it
/// will be bound to.
pub(crate) struct Clear {
    payloads: Vec<(Uuid, Value)>,
    metadata: (Uuid, Value),
}

impl Clear {
    /// Takes it out of the append.
    pub(crate) fn of(append: &mut Append) -> Self {
        let events = append.streams.iter_mut().flat_map(|stream| &mut stream.events);
        let payloads = events.map(|event| (event.event_id, take(&mut event.payload))).collect();
        let metadata = (append.command_id.unwrap_or_default(), take(&mut append.metadata));
        Clear { payloads, metadata }
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.payloads.iter().chain([&self.metadata]).map(|(_, value)| value)
    }
}

/// An append as the batch sends it: what was taken out of it is encrypted, and written out.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) append: Append,
    /// Those among the keys of its personal data that it makes.
    pub(crate) made: Vec<NewKey>,
    /// Texts, in the order of the append's events.
    payloads: Vec<String>,
    metadata: String,
}

impl Written {
    /// With the keys of all that is clear, and those among them that have to be made.
    pub(crate) fn new(
        append: Append,
        clear: &Clear,
        (keys, made): (Keys, Vec<NewKey>),
    ) -> Result<Self, Error> {
        let tenant = append.tenant;
        let write =
            |(id, value): &(Uuid, Value)| Sealing { tenant, event: *id, keys: &keys }.write(value);
        let payloads = clear.payloads.iter().map(write).collect::<Result<_, _>>()?;
        let metadata = write(&clear.metadata)?;
        Ok(Written { append, made, payloads, metadata })
    }

    pub(crate) fn events(&self) -> usize {
        self.payloads.len()
    }

    fn bytes(&self) -> usize {
        self.payloads.iter().chain([&self.metadata]).map(String::len).sum()
    }
}

/// Decides which appends may travel together. What they need is told by its hash: if two things had
/// the same, somebody would wait for, or fall with, somebody else, and come with the next batch.
#[derive(Default)]
pub(crate) struct Admission {
    hasher: RandomState,
    /// The version that each stream will have, and the group that takes it there.
    streams: HashMap<u64, (i64, usize)>,
    /// Claims, idempotency keys, and keys that are made.
    taken: HashSet<u64>,
    /// For each append its group: appends that share a stream stand and fall together.
    groups: Vec<usize>,
    bytes: usize,
}

impl Admission {
    /// Takes the append into the batch if what it needs is free there: each of its streams is new
    /// to the batch or will stand at the version it expects; its claims and keys are nobody else's.
    pub(crate) fn admit(&mut self, written: &Written) -> bool {
        let (bytes, needs) = (written.bytes(), self.needs(written));
        let large = self.bytes > 0 && self.bytes + bytes > MOST_BYTES;
        let streams: Vec<(u64, &StreamAppend)> =
            written.append.streams.iter().map(|stream| (self.stream(stream), stream)).collect();
        let fits = streams.iter().all(|(name, stream)| {
            self.streams.get(name).is_none_or(|(version, _)| *version == stream.expected)
        });
        if large || self.is_full() || !fits || needs.iter().any(|need| self.taken.contains(need)) {
            return false;
        }
        let mut group = self.groups.len();
        for (name, _) in &streams {
            if let Some((_, other)) = self.streams.get(name) {
                group = self.join(group, *other);
            }
        }
        for (name, stream) in streams {
            let version = stream.expected + stream.events.len() as i64;
            self.streams.insert(name, (version, group));
        }
        self.groups.push(group);
        self.bytes += bytes;
        self.taken.extend(needs);
        true
    }

    pub(crate) fn is_full(&self) -> bool {
        self.groups.len() >= MOST_APPENDS
    }

    fn stream(&self, stream: &StreamAppend) -> u64 {
        self.hasher.hash_one((&stream.aggregate_type, &stream.aggregate_id))
    }

    /// What only one append of a batch can have.
    fn needs(&self, written: &Written) -> Vec<u64> {
        let Written { append, made, .. } = written;
        let hash = &self.hasher;
        let claims = append.claims.iter();
        let claims = claims.map(|claim| hash.hash_one((claim.tenant, &claim.scope, &claim.value)));
        let record = append.idempotency.iter();
        let record = record.map(|record| hash.hash_one((record.tenant, &record.key)));
        let made = made.iter().map(|key| hash.hash_one((append.tenant, key.name)));
        claims.chain(record).chain(made).collect()
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

/// The batch as the arrays that the functions `append_batch` and `append_known` take; their meaning is
/// told in the migrations `append` and `append_events`.
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
    pub(crate) k_append: Vec<i32>,
    pub(crate) k_tenant: Vec<Uuid>,
    pub(crate) k_subject: Vec<Uuid>,
    pub(crate) k_class: Vec<i16>,
    pub(crate) k_wrapped: Vec<&'a [u8]>,
}

impl<'a> Arrays<'a> {
    /// Streams that the caller vouches for are not told of.
    pub(crate) fn of(
        batch: &[&'a Written],
        mut vouched: impl FnMut(Uuid, &StreamAppend) -> bool,
    ) -> Self {
        let mut arrays = Arrays::default();
        let mut touched = HashSet::new();
        for (number, written) in (1..).zip(batch) {
            arrays.push(number, written, |stream| {
                let name = (stream.aggregate_type.as_str(), stream.aggregate_id.as_str());
                touched.insert(name) && !vouched(written.append.tenant, stream)
            });
        }
        arrays
    }

    fn push(
        &mut self,
        number: i32,
        written: &'a Written,
        mut is_told: impl FnMut(&'a StreamAppend) -> bool,
    ) {
        let append = &written.append;
        let mut payloads = written.payloads.iter();
        for stream in &append.streams {
            let (kind, id) = (stream.aggregate_type.as_str(), stream.aggregate_id.as_str());
            if let Some(event) = stream.events.first().filter(|_| is_told(stream)) {
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
            self.i_tenant.push(record.tenant);
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
        for key in &written.made {
            let (subject, class) = key.name;
            self.k_append.push(number);
            self.k_tenant.push(append.tenant);
            self.k_subject.push(subject);
            self.k_class.push(i16::from(class));
            self.k_wrapped.push(&key.wrapped);
        }
    }
}

impl Arrays<'_> {
    /// Appends; where the log is known to have `ended`, by the function that answers null if it has
    /// not, or if the batch can't be written without looking closer.
    pub(crate) async fn append(
        &self,
        session: &mut PgConnection,
        groups: &[i32],
        erasures_seen: Option<i64>,
        ended: Option<i64>,
        clock: Option<DateTime<Utc>>,
    ) -> sqlx::Result<Option<Answer>> {
        let call = |function| self.call(function, groups, erasures_seen, ended, clock);
        if let Some(end) = ended {
            let at: Option<DateTime<Utc>> =
                call("append_known").build_query_scalar().fetch_one(session).await?;
            return Ok(at.map(|at| Answer { first: end + 1, at, refused: None }));
        }
        let Json(answer) = call("append_batch").build_query_scalar().fetch_one(session).await?;
        Ok(Some(answer))
    }

    /// The call of a function with what there is.
    fn call<'q>(
        &'q self,
        function: &'static str,
        groups: &'q [i32],
        erasures_seen: Option<i64>,
        ended: Option<i64>,
        clock: Option<DateTime<Utc>>,
    ) -> QueryBuilder<'q, Postgres> {
        let mut sql = QueryBuilder::new(format!("select {function}("));
        let mut told = sql.separated(", ");
        told.push_bind(&self.e_append).push_bind(&self.e_type).push_bind(&self.e_id);
        told.push_bind(&self.e_seq).push_bind(&self.e_name).push_bind(&self.e_ver);
        told.push_bind(&self.e_payload).push_bind(&self.e_meta).push_bind(&self.e_tenant);
        told.push_bind(&self.e_event).push_bind(&self.e_actor).push_bind(&self.e_command);
        told.push_bind(&self.e_corr).push_bind(&self.e_cause);
        told.push_bind(groups).push_bind(erasures_seen).push_bind(ended).push_bind(clock);
        if !self.s_append.is_empty() {
            told.push("s_append => ").push_bind_unseparated(&self.s_append);
            told.push("s_tenant => ").push_bind_unseparated(&self.s_tenant);
            told.push("s_type => ").push_bind_unseparated(&self.s_type);
            told.push("s_id => ").push_bind_unseparated(&self.s_id);
            told.push("s_expected => ").push_bind_unseparated(&self.s_expected);
            told.push("s_event => ").push_bind_unseparated(&self.s_event);
        }
        if !self.i_append.is_empty() {
            told.push("i_append => ").push_bind_unseparated(&self.i_append);
            told.push("i_last => ").push_bind_unseparated(&self.i_last);
            told.push("i_tenant => ").push_bind_unseparated(&self.i_tenant);
            told.push("i_key => ").push_bind_unseparated(&self.i_key);
            told.push("i_print => ").push_bind_unseparated(&self.i_print);
            told.push("i_status => ").push_bind_unseparated(&self.i_status);
            told.push("i_response => ").push_bind_unseparated(&self.i_response);
        }
        if !self.c_append.is_empty() {
            told.push("c_append => ").push_bind_unseparated(&self.c_append);
            told.push("c_tenant => ").push_bind_unseparated(&self.c_tenant);
            told.push("c_scope => ").push_bind_unseparated(&self.c_scope);
            told.push("c_value => ").push_bind_unseparated(&self.c_value);
            told.push("c_owner => ").push_bind_unseparated(&self.c_owner);
        }
        if !self.k_append.is_empty() {
            told.push("k_append => ").push_bind_unseparated(&self.k_append);
            told.push("k_tenant => ").push_bind_unseparated(&self.k_tenant);
            told.push("k_subject => ").push_bind_unseparated(&self.k_subject);
            told.push("k_class => ").push_bind_unseparated(&self.k_class);
            told.push("k_wrapped => ").push_bind_unseparated(&self.k_wrapped);
        }
        told.push_unseparated(")");
        sql
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
    Keys,
    Erasures,
}

impl Reason {
    /// What its caller is told.
    pub(crate) fn verdict(&self) -> Verdict {
        let detail = self.detail.as_deref().unwrap_or_default();
        Verdict::Refused(match self.why {
            Why::Done => return Verdict::Done,
            // Tokens under a key that is gone, or that nobody will find.
            Why::Keys | Why::Erasures => return Verdict::EncryptAgain,
            Why::Foreign => Refusal::Foreign,
            Why::Idempotency => Refusal::IdempotencyKeyUsed,
            Why::Claim => {
                let (scope, owner) = detail.split_once(' ').unwrap_or((detail, ""));
                Refusal::Claimed { scope: scope.to_owned(), owner: owner.to_owned() }
            }
            Why::Version => Refusal::Version { actual: detail.parse().unwrap_or_default() },
        })
    }
}

pub(crate) enum Verdict {
    /// The append was written before, by us.
    Done,
    EncryptAgain,
    Refused(Refusal),
}

/// What became of a batch.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Answer {
    pub(crate) first: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) refused: Option<Vec<Reason>>,
}

impl Answer {
    /// Whether the whole batch is refused for this reason.
    pub(crate) fn is(&self, why: Why) -> bool {
        self.refused.iter().flatten().any(|reason| reason.why == why)
    }
}
