//! A unit of work: the aggregates it loads, what it decides about them, and what it claims.

use std::any::Any;
use std::sync::Arc;

use domain::{Aggregate, event};
use event_store::{Append, Claim, NewEvent, StreamAppend, log};
use uuid::Uuid;

use crate::{Cached, Commands, Error, Meta, Refusal, context, envelope, event_id};

/// One try at a decision over any number of aggregates.
pub struct Work<'a> {
    commands: &'a Commands,
    meta: &'a Meta,
    streams: Vec<Stream>,
    claims: Vec<Claim>,
    answer: Option<(u16, Vec<u8>)>,
    events: usize,
}

struct Stream {
    kind: &'static str,
    id: Uuid,
    state: Box<dyn Any + Send + Sync>,
    /// Makes a copy that may be remembered.
    share: fn(&(dyn Any + Send + Sync)) -> Option<Arc<dyn Any + Send + Sync>>,
    loaded: i64,
    from_cache: bool,
    events: Vec<NewEvent>,
}

impl Stream {
    fn version(&self) -> i64 {
        self.loaded + self.events.len() as i64
    }
}

fn share<A: Aggregate>(state: &(dyn Any + Send + Sync)) -> Option<Arc<dyn Any + Send + Sync>> {
    Some(Arc::new(state.downcast_ref::<A>()?.clone()))
}

impl<'a> Work<'a> {
    pub(crate) fn new(commands: &'a Commands, meta: &'a Meta) -> Self {
        let (streams, claims) = (vec![], vec![]);
        Work { commands, meta, streams, claims, answer: None, events: 0 }
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
            stream.events.push(written(id, event));
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

    /// The version that the aggregate has after this work.
    pub fn version<A: Aggregate>(&self, id: Uuid) -> i64 {
        let stream = self.streams.iter().find(|stream| stream.kind == A::TYPE && stream.id == id);
        stream.map_or(0, Stream::version)
    }

    /// Refuses unless the aggregate stands where the client saw it.
    pub async fn expect<A: Aggregate>(&mut self, id: Uuid, expected: i64) -> Result<(), Error> {
        let index = self.stream::<A>(id).await?;
        match self.streams[index].version() {
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

    async fn stream<A: Aggregate>(&mut self, id: Uuid) -> Result<usize, Error> {
        let same = |stream: &Stream| stream.kind == A::TYPE && stream.id == id;
        if let Some(index) = self.streams.iter().position(same) {
            return Ok(index);
        }
        let tenant = self.meta.tenant;
        let remembered = self.commands.remembered::<A>(tenant, id)?;
        let from_cache = remembered.is_some();
        let (state, loaded) = match remembered {
            Some(remembered) => remembered,
            None => self.commands.load::<A>(tenant, id).await?,
        };
        self.streams.push(Stream {
            kind: A::TYPE,
            id,
            state: Box::new(state),
            share: share::<A>,
            loaded,
            from_cache,
            events: vec![],
        });
        Ok(self.streams.len() - 1)
    }

    pub(crate) fn has_events(&self) -> bool {
        self.events > 0
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
        if let (Some(record), Some((status, body))) = (&mut append.idempotency, &self.answer) {
            record.status = i32::from(*status);
            let store = &self.commands.store;
            record.response = Some(store.wrap_answer(self.meta.tenant, &record.key, body)?);
        }
        Ok(append)
    }

    /// Keeps what was recorded for the next command; tells how many events that were.
    pub(crate) fn remember(self) -> usize {
        for stream in self.streams {
            let key = (stream.kind, stream.id);
            let (tenant, version) = (self.meta.tenant, stream.version());
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
fn written<E: serde::Serialize>(event_id: Uuid, event: &E) -> NewEvent {
    let payload = serde_json::to_value(event).unwrap_or_default();
    let event_type = match &payload {
        serde_json::Value::Object(object) => object.keys().next().cloned().unwrap_or_default(),
        serde_json::Value::String(name) => name.clone(),
        _ => String::new(),
    };
    NewEvent { event_id, event_type, event_version: event::VERSION.to_owned(), payload }
}
