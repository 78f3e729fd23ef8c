//! A unit of work: the aggregates it loads, what it decides about them, and what it claims.

use std::any::Any;
use std::sync::Arc;

use domain::{Aggregate, event};
use event_store::{Append, Claim, NewEvent, StreamAppend, log};
use uuid::Uuid;

use crate::dry_run::{Plan, Planned};
use crate::{Cached, Commands, Error, Meta, Refusal, context, envelope, event_id};

/// One try at a decision over any number of aggregates.
pub struct Work<'a> {
    commands: &'a Commands,
    meta: &'a Meta,
    streams: Vec<Stream>,
    claims: Vec<Claim>,
    answer: Option<(u16, Vec<u8>)>,
    events: usize,
    refused: Vec<(String, Refusal)>,
}

struct Stream {
    kind: &'static str,
    id: Uuid,
    state: Box<dyn Any + Send + Sync>,
    /// Makes a copy that may be remembered.
    share: fn(&(dyn Any + Send + Sync)) -> Option<Arc<dyn Any + Send + Sync>>,
    loaded: i64,
    /// The version in which clients knew it then.
    stood_at: i64,
    from_cache: bool,
    events: Vec<NewEvent>,
}

impl Stream {
    /// The number of its last event.
    fn last(&self) -> i64 {
        self.loaded + self.events.len() as i64
    }

    fn version<A: Aggregate>(&self) -> i64 {
        let state: Option<&A> = self.state.downcast_ref();
        state.map_or(0, |state| state.version(self.last()))
    }
}

fn share<A: Aggregate>(state: &(dyn Any + Send + Sync)) -> Option<Arc<dyn Any + Send + Sync>> {
    Some(Arc::new(state.downcast_ref::<A>()?.clone()))
}

impl<'a> Work<'a> {
    pub(crate) fn new(commands: &'a Commands, meta: &'a Meta) -> Self {
        let (streams, claims, refused) = (vec![], vec![], vec![]);
        Work { commands, meta, streams, claims, answer: None, events: 0, refused }
    }

    pub fn meta(&self) -> &Meta {
        self.meta
    }

    pub fn commands(&self) -> &Commands {
        self.commands
    }

    /// The aggregate as this unit of work sees it, its own decisions included.
    pub async fn get<A: Aggregate>(&mut self, id: Uuid) -> Result<&A, Error> {
        let index = self.stream::<A>(id).await?;
        self.streams[index].state.downcast_ref().ok_or(Error::Contended)
    }

    /// Nobody has recorded anything of this aggregate: its id was made for it just now.
    pub fn fresh<A: Aggregate>(&mut self, id: Uuid) {
        self.take_up(id, A::default(), 0, false);
    }

    /// Decides a command; what follows from it is recorded when the work is done.
    pub async fn execute<A: Aggregate>(
        &mut self,
        id: Uuid,
        command: A::Command,
    ) -> Result<usize, Error>
    where
        Refusal: From<A::Error>,
    {
        let context = context(self.meta, &self.commands.store);
        let index = self.stream::<A>(id).await?;
        let stream = &mut self.streams[index];
        let state: &mut A = stream.state.downcast_mut().ok_or(Error::Contended)?;
        let events = state.decide(command, &context).map_err(Refusal::from)?;
        for event in &events {
            state.evolve(event);
            self.events += 1;
            let id = event_id(self.meta.command_id, self.events);
            stream.events.push(written::<A>(id, event));
        }
        Ok(events.len())
    }

    /// All events of an aggregate, this work's own included, with personal values opened.
    pub async fn history<A: Aggregate>(&mut self, id: Uuid) -> Result<Vec<A::Event>, Error> {
        let index = self.stream::<A>(id).await?;
        let pool = self.commands.store.pool();
        let loaded = self.streams[index].loaded;
        let stored = log::stream_of(pool, self.meta.tenant, A::TYPE, &id.to_string(), 0)
            .await
            .map_err(event_store::Error::from)?;
        let mut events = vec![];
        for event in stored.iter().filter(|event| event.sequence <= loaded) {
            events.push(self.commands.decode::<A>(event, true).await?);
        }
        for event in &self.streams[index].events {
            let own = serde_json::from_value(event.payload.clone());
            events.push(own.map_err(|_| Error::Contended)?);
        }
        Ok(events)
    }

    /// The version in which clients know the aggregate after this work.
    pub fn version<A: Aggregate>(&self, id: Uuid) -> i64 {
        let stream = self.streams.iter().find(|stream| stream.kind == A::TYPE && stream.id == id);
        stream.map_or(0, Stream::version::<A>)
    }

    /// Refuses unless the aggregate stands where the client saw it.
    pub async fn expect<A: Aggregate>(&mut self, id: Uuid, expected: i64) -> Result<(), Error> {
        let index = self.stream::<A>(id).await?;
        match self.streams[index].version::<A>() {
            actual if actual == expected => Ok(()),
            actual => Err(Refusal::Version { expected, actual }.into()),
        }
    }

    /// Claims a value of a scope for an owner; the work falls if somebody has it.
    pub fn claim(&mut self, scope: &str, value: Vec<u8>, owner: String) {
        self.claims.push(Claim { tenant: self.meta.tenant, scope: scope.to_owned(), value, owner });
    }

    /// The same, but nobody in any organisation may have it.
    pub fn claim_of_all(&mut self, scope: &str, value: Vec<u8>, owner: String) {
        self.claims.push(Claim { tenant: Uuid::nil(), scope: scope.to_owned(), value, owner });
    }

    /// What a repeat with the same idempotency key is answered.
    pub fn answer(&mut self, status: u16, body: Vec<u8>) {
        self.answer = Some((status, body));
    }

    /// Notes that a part of what was asked for is refused, and the rest is not; `part` says which.
    pub fn refuse(&mut self, part: String, refusal: Refusal) {
        self.refused.push((part, refusal));
    }

    async fn stream<A: Aggregate>(&mut self, id: Uuid) -> Result<usize, Error> {
        let same = |stream: &Stream| stream.kind == A::TYPE && stream.id == id;
        if let Some(index) = self.streams.iter().position(same) {
            return Ok(index);
        }
        let tenant = self.meta.tenant;
        let remembered = self.commands.remembered::<A>(tenant, id);
        let from_cache = remembered.is_some();
        let (state, loaded) = match remembered {
            Some(remembered) => remembered,
            None => self.commands.load::<A>(tenant, id).await?,
        };
        self.take_up(id, state, loaded, from_cache);
        Ok(self.streams.len() - 1)
    }

    fn take_up<A: Aggregate>(&mut self, id: Uuid, state: A, loaded: i64, from_cache: bool) {
        self.streams.push(Stream {
            kind: A::TYPE,
            id,
            stood_at: state.version(loaded),
            state: Box::new(state),
            share: share::<A>,
            loaded,
            from_cache,
            events: vec![],
        });
    }

    /// Refuses where somebody has what this work claims, as the append would.
    pub(crate) async fn check_claims(&self) -> Result<(), Error> {
        for claim in &self.claims {
            let wanted = [(claim.scope.as_str(), claim.value.clone())];
            let taken = self.commands.store.claims(claim.tenant, &wanted).await?;
            if let Some(taken) = taken.into_iter().find(|taken| taken.value == claim.value) {
                let (scope, owner) = (taken.scope, taken.owner);
                return Err(Refusal::Taken { scope, owner }.into());
            }
        }
        Ok(())
    }

    /// What this work would record behind a position.
    pub(crate) fn plan(self, position: i64) -> Plan {
        let stood_at = self.streams.first().map(|stream| stream.stood_at).filter(|it| *it > 0);
        let planned = |stream: Stream| {
            let Stream { kind, id, loaded, events, .. } = stream;
            let numbered = events.into_iter().zip(loaded + 1..);
            numbered.map(move |(event, version)| Planned { kind, id, version, event })
        };
        let events = self.streams.into_iter().flat_map(planned).collect();
        Plan { position, stood_at, events, refused: self.refused }
    }

    pub(crate) fn has_events(&self) -> bool {
        self.events > 0
    }

    /// Whether a repeat is to be told the same, even if nothing happened.
    pub(crate) fn keeps_answer(&self) -> bool {
        self.meta.idempotency.is_some() && self.answer.is_some()
    }

    /// Whether everything that was remembered is still so. What isn't is forgotten.
    pub(crate) async fn is_current(&self) -> Result<bool, Error> {
        let mut current = true;
        for stream in self.streams.iter().filter(|stream| stream.from_cache) {
            let id = stream.id.to_string();
            let version =
                log::version_of(self.commands.store.pool(), self.meta.tenant, stream.kind, &id)
                    .await
                    .map_err(event_store::Error::from)?;
            if version != stream.loaded {
                self.commands.cache.remove(&(stream.kind, stream.id));
                current = false;
            }
        }
        Ok(current)
    }

    pub(crate) fn append(&self) -> Result<Append, Error> {
        let mut append = envelope(self.meta);
        append.claims.clone_from(&self.claims);
        append.streams = self
            .streams
            .iter()
            .filter(|stream| !stream.events.is_empty())
            .map(|stream| StreamAppend {
                aggregate_type: stream.kind.to_owned(),
                aggregate_id: stream.id.to_string(),
                expected: stream.loaded,
                events: stream.events.clone(),
            })
            .collect();
        match (&mut append.idempotency, &self.answer) {
            (Some(record), Some((status, body))) => {
                record.status = i32::from(*status);
                let store = &self.commands.store;
                record.response = Some(store.wrap_answer(record.tenant, &record.key, body)?);
            }
            // Something happened, and was refused all the same: a repeat is looked at anew.
            _ => append.idempotency = None,
        }
        Ok(append)
    }

    /// Keeps what was recorded for the next command; tells how many events that were.
    pub(crate) fn remember(self) -> usize {
        for stream in self.streams {
            let key = (stream.kind, stream.id);
            let (tenant, version) = (self.meta.tenant, stream.last());
            if let Some(state) = (stream.share)(stream.state.as_ref()) {
                self.commands.cache.insert(key, Cached { tenant, version, state });
            }
        }
        self.events
    }

    /// Another writer was faster: what this work remembered is out of date.
    pub(crate) fn forget(self) {
        for stream in self.streams {
            self.commands.cache.remove(&(stream.kind, stream.id));
        }
    }
}

/// The event as the log keeps it. Serde names the variant: `{"Assigned": {…}}`, or `"Blocked"`.
fn written<A: Aggregate>(event_id: Uuid, event: &A::Event) -> NewEvent {
    let payload = serde_json::to_value(event).unwrap_or_default();
    let event_type = match &payload {
        serde_json::Value::Object(object) => object.keys().next().cloned().unwrap_or_default(),
        serde_json::Value::String(name) => name.clone(),
        _ => String::new(),
    };
    let event_version = event::version(A::TYPE, &event_type).to_owned();
    NewEvent { event_id, event_type, event_version, payload }
}
