//! Takes decisions and records them: the only crate that changes anything.

pub mod access;
pub mod attempts;
pub mod channels;
pub mod dry_run;
pub mod effects;
pub mod error;
pub mod gateways;
pub mod intake;
pub mod measures;
pub mod members;
pub mod names;
pub mod policies;
pub mod presence;
pub mod setup;
pub mod sourced;
mod stored;
pub mod sweep;
pub mod teams;
pub mod templates;
pub mod turns;
#[doc(hidden)]
pub mod untrusted;
pub mod work;

use std::any::Any;
use std::sync::Arc;

use domain::{Actor, Aggregate, Context, Personal};
use event_store::codec::Opened;
use event_store::{Append, IdempotencyRecord, Store, log};
use quick_cache::sync::Cache;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

pub use attempts::Refused;
pub use dry_run::DryRun;
pub use error::{Error, Refusal};
use turns::{Turn, Turns};
pub use work::Work;

/// Hot aggregates that a process remembers.
const CACHED: usize = 50_000;
/// How often a decision is taken anew when others were faster.
const TRIES: usize = 12;

/// On whose behalf a command runs, and what it belongs to.
#[derive(Clone, Debug)]
pub struct Meta {
    pub tenant: Uuid,
    pub actor: Actor,
    /// A repeat with the same id causes the same events, and none if they are there.
    pub command_id: Uuid,
    pub correlation_id: Uuid,
    pub causation_id: Option<Uuid>,
    /// An object of strings; personal ones marked.
    pub metadata: Value,
    pub idempotency: Option<IdempotencyKey>,
    /// Given where nothing may be recorded.
    pub dry_run: Option<DryRun>,
    /// Who sees only conversations that are theirs or nobody's; others don't exist for them.
    pub sees_own_only: Option<Uuid>,
}

/// A client's key and what it was used for, both as keyed hashes.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Under which it is kept: the organisation's, or the nil id where nobody is signed in or the
    /// answer holds credentials, which is forgotten in minutes.
    pub tenant: Uuid,
    pub key: Vec<u8>,
    pub fingerprint: Vec<u8>,
}

impl Meta {
    pub fn new(tenant: Uuid, actor: Actor) -> Self {
        let id = Uuid::now_v7();
        Meta {
            tenant,
            actor,
            command_id: id,
            correlation_id: id,
            causation_id: None,
            metadata: Value::Object(serde_json::Map::new()),
            idempotency: None,
            dry_run: None,
            sees_own_only: None,
        }
    }
}

/// What became of a unit of work.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    pub value: T,
    /// The last position that it wrote, or without events the one it was decided at.
    pub position: i64,
    pub events: usize,
}

#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) tenant: Uuid,
    pub(crate) version: i64,
    pub(crate) state: Arc<dyn Any + Send + Sync>,
}

/// Runs commands against the log. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    store: Store,
    cache: Arc<Cache<(&'static str, Uuid), Cached>>,
    /// The contacts that were last found under the claims of people. A guess of what to ask, no answer.
    met: Arc<Cache<Vec<u8>, Uuid>>,
    /// Writers of one process on the same stream take turns instead of racing.
    turns: Turns<Uuid>,
    /// Changes when an effect may have become due.
    due: watch::Sender<()>,
    refused: Refused,
    /// Changes when a letter is asked for.
    asked: watch::Sender<()>,
}

impl Commands {
    pub fn new(store: Store) -> Self {
        let (cache, met) = (Arc::new(Cache::new(CACHED)), Arc::new(Cache::new(CACHED)));
        let (due, _) = watch::channel(());
        let (refused, (asked, _)) = (Refused::default(), watch::channel(()));
        Commands { store, cache, met, turns: Turns::default(), due, refused, asked }
    }

    pub(crate) fn due(&self) -> &watch::Sender<()> {
        &self.due
    }

    /// What was refused, until the log is told.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    pub(crate) fn asked(&self) -> &watch::Sender<()> {
        &self.asked
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// One command on one aggregate. See [`Self::transact`].
    pub async fn execute<A: Aggregate>(
        &self,
        id: Uuid,
        command: impl Fn() -> A::Command,
        meta: &Meta,
    ) -> Result<Outcome<i64>, Error>
    where
        Refusal: From<A::Error>,
    {
        let _turn = self.turn(id).await;
        self.transact(meta, async |work: &mut Work| {
            work.execute::<A>(id, command()).await?;
            Ok(work.version::<A>(id))
        })
        .await
    }

    /// Where the log stands now, whichever process wrote to it last. Whatever was decided before is
    /// true of the log up to there.
    pub async fn head(&self) -> Result<i64, Error> {
        Ok(log::head(self.store.pool()).await.map_err(event_store::Error::from)?)
    }

    /// Waits for one's turn among this process's writers of a stream.
    pub async fn turn(&self, id: Uuid) -> Turn<Uuid> {
        self.turns.turn(id).await
    }

    /// Decides and records a unit of work: all or nothing. When another writer was faster, the
    /// decision is taken again on what is true then, so `decide` may run several times.
    ///
    /// A refusal, or a decision that changes nothing, is checked against the log before it is
    /// told: it may have been taken on remembered state that is out of date.
    pub async fn transact<T>(
        &self,
        meta: &Meta,
        decide: impl AsyncFn(&mut Work) -> Result<T, Error>,
    ) -> Result<Outcome<T>, Error> {
        measures::command(meta, self.decide_and_record(meta, decide)).await
    }

    async fn decide_and_record<T>(
        &self,
        meta: &Meta,
        decide: impl AsyncFn(&mut Work) -> Result<T, Error>,
    ) -> Result<Outcome<T>, Error> {
        let mut last = None;
        for _ in 0..TRIES {
            let mut work = Work::new(self, meta);
            let decided = decide(&mut work).await;
            if let (Ok(_), Some(dry_run)) = (&decided, &meta.dry_run) {
                if !work.is_current().await? {
                    continue;
                }
                work.check_claims().await?;
                dry_run.leave(work.plan(self.head().await?));
                return Err(Error::DryRun);
            }
            let value = match decided {
                Ok(value) if work.has_events() => value,
                Err(Error::Failed(error)) => return Err(error.into()),
                decided => {
                    if !work.is_current().await? {
                        continue;
                    }
                    match decided {
                        // A change of nothing is an outcome too: a later repeat is told the same.
                        Ok(value) if work.keeps_answer() => value,
                        decided => {
                            let value = decided?;
                            let position = self.head().await?;
                            return Ok(Outcome { value, position, events: 0 });
                        }
                    }
                }
            };
            match self.store.append(work.append()?).await {
                Ok(appended) => {
                    let events = work.remember();
                    return Ok(Outcome { value, position: appended.last, events });
                }
                Err(event_store::Error::Refused(refusal)) => {
                    work.forget();
                    let error = Error::from(refusal);
                    // A claim that is still taken after the decision was taken again stays taken.
                    let again = last.replace(error.to_string());
                    let hopeless = match &error {
                        Error::KeyUsed | Error::Refused(Refusal::NotFound) => true,
                        Error::Refused(Refusal::Taken { .. }) => again == last,
                        _ => false,
                    };
                    if hopeless {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }

    /// The aggregate as it is now, and its version; the default at version 0 if it isn't, or is another
    /// organisation's. Of one that is remembered only what is new is read.
    pub async fn load<A: Aggregate>(&self, tenant: Uuid, id: Uuid) -> Result<(A, i64), Error> {
        let (state, version) = self.remembered(tenant, id).unwrap_or_default();
        self.fold(tenant, id, state, version).await
    }

    /// The aggregate as this process last saw it; another one may have changed it since.
    pub(crate) fn remembered<A: Aggregate>(&self, tenant: Uuid, id: Uuid) -> Option<(A, i64)> {
        let cached = self.cache.get(&(A::TYPE, id)).filter(|cached| cached.tenant == tenant)?;
        cached.state.downcast_ref::<A>().cloned().map(|state| (state, cached.version))
    }

    async fn fold<A: Aggregate>(
        &self,
        tenant: Uuid,
        id: Uuid,
        mut state: A,
        mut version: i64,
    ) -> Result<(A, i64), Error> {
        let id = id.to_string();
        let pool = self.store.pool();
        // Another organisation's aggregate is one that does not exist.
        let events = log::stream_of(pool, tenant, A::TYPE, &id, version)
            .await
            .map_err(event_store::Error::from)?;
        for event in events {
            version = event.sequence;
            state.evolve(&self.decode::<A>(&event, A::OPENS_PERSONAL).await?);
        }
        Ok((state, version))
    }

    /// A text about a person out of an aggregate that does not open its personal values. It is in
    /// the clear where this process has set it itself, and a token where it was read.
    pub async fn opened<T: Serialize>(
        &self,
        tenant: Uuid,
        value: Option<&Personal<T>>,
    ) -> Result<Option<String>, Error> {
        Ok(match value {
            Some(Personal::Clear(clear)) => {
                let value = serde_json::to_value(&clear.value).ok();
                value.and_then(|value| value.as_str().map(str::to_owned))
            }
            Some(Personal::Encrypted(token)) => {
                let opened = self.store.codec().open_tokens(tenant, &[token]).await?;
                opened.first().and_then(Opened::read)
            }
            Some(Personal::Erased) | None => None,
        })
    }

    pub(crate) async fn decode<A: Aggregate>(
        &self,
        event: &log::Recorded,
        open: bool,
    ) -> Result<A::Event, Error> {
        if !open {
            return stored::decode(event);
        }
        let mut payload: Value = stored::decode(event)?;
        self.store.codec().open(event.tenant_id, event.event_id, &mut payload).await?;
        serde_json::from_value(payload).map_err(|error| Error::Undecodable {
            position: event.position,
            reason: error.to_string(),
        })
    }
}

/// The id of a command's n-th event: the same command gives the same ids.
pub(crate) fn event_id(command: Uuid, number: usize) -> Uuid {
    let hash = Sha256::new()
        .chain_update(b"verbatim/event/1")
        .chain_update(command.as_bytes())
        .chain_update((number as u64).to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

pub(crate) fn context(meta: &Meta, store: &Store) -> Context {
    Context { tenant: meta.tenant, actor: meta.actor.clone(), now: store.clock().now() }
}

/// What an append carries besides its streams.
pub(crate) fn envelope(meta: &Meta) -> Append {
    Append {
        tenant: meta.tenant,
        actor: meta.actor.to_string(),
        command_id: Some(meta.command_id),
        correlation_id: meta.correlation_id,
        causation_id: meta.causation_id,
        metadata: meta.metadata.clone(),
        streams: vec![],
        claims: vec![],
        idempotency: meta.idempotency.as_ref().map(|idempotency| IdempotencyRecord {
            tenant: idempotency.tenant,
            key: idempotency.key.clone(),
            fingerprint: idempotency.fingerprint.clone(),
            status: 0,
            response: None,
        }),
    }
}
