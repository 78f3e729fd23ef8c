//! The store: the one value through which the log is written and read.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use crate::appender::{Appender, Request};
use crate::batch::{Append, Claim, Clear, Refusal, Written};
use crate::claims::Claims;
use crate::codec::Codec;
use crate::database::{Database, WAIT};
use crate::keyring::Keyring;
use crate::keys::{KeyError, MasterKey};
use crate::lease::Leases;
use crate::log::{self, Recorded};
use crate::news::News;
use crate::recent::Recent;
use crate::secrets::secret_of;
use crate::sessions::Sessions;
use crate::tenant::{TOLD, within};

/// How many appends may wait before callers do.
const WAITING: usize = 4096;
/// Other processes are told of news at most this often.
const NOTICE: Duration = Duration::from_millis(25);
/// How long a reader trusts that silence means no news.
const POLL: Duration = Duration::from_millis(200);
const NOTICE_CHANNEL: &str = "verbatim_log";

/// Where an append went: its first and last position, and when. Without events, `last` is where
/// the log stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: i64,
    pub last: i64,
    pub recorded_at: DateTime<Utc>,
}

/// Why the store could not do what it was asked. Only `Refused` is an answer; the others are
/// failures of the machinery.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    #[error("the key store failed: {0}")]
    Keys(Arc<KeyError>),
    #[error("a personal value of {subject} can't be written: the person was erased")]
    Erased { subject: Uuid },
    #[error("an erasure happened meanwhile; encrypt and send again")]
    EncryptAgain,
    #[error("personal data can't be encrypted: {0}")]
    Sealing(Arc<serde_json::Error>),
    #[error("a token of personal data is damaged or stands where it was not written")]
    BadToken,
    #[error("an append without events or an idempotency record")]
    Empty,
    #[error("subscription {0} was moved by another reader")]
    LostSubscription(String),
    #[error("the lease of {0} was lost")]
    LostLease(String),
    #[error("the store is shutting down")]
    Closed,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Error::Database(Arc::new(error))
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Error::Keys(Arc::new(error))
    }
}

/// Where record times come from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    Database,
    /// The demo's own, so that its day looks like a day. `None` inside: the database's again.
    Told(Arc<RwLock<Option<DateTime<Utc>>>>),
}

impl Clock {
    pub(crate) fn told(&self) -> Option<DateTime<Utc>> {
        match self {
            Clock::Database => None,
            Clock::Told(time) => time.read().map_or(None, |time| *time),
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        // The database keeps microseconds: what is finer would be lost on the way there.
        self.told().unwrap_or_else(Utc::now).trunc_subsecs(6)
    }
}

/// Writes and reads the log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Sessions,
    worker: PgPool,
    pub(crate) codec: Codec,
    clock: Clock,
    appends: mpsc::Sender<Request>,
    head: watch::Sender<i64>,
    progress: News,
    present: News,
    past: News,
    epoch: i32,
    erasures_seen: Arc<AtomicI64>,
    round_trips: Arc<AtomicU64>,
    leases: Leases,
    recent: Arc<Recent>,
    claims: Claims,
}

impl Store {
    /// Opens the log, and starts the tasks that serve it; they end with the last clone.
    pub async fn open(
        database: &Database,
        master: MasterKey,
        clock: Clock,
    ) -> Result<Store, Error> {
        let (pool, worker) = (database.app.clone(), database.worker.clone());
        check_master_key(&pool, &master).await?;
        let keyring = Keyring::new(pool.clone(), master);
        let (head, _) = watch::channel(log::head(&pool).await?);
        let epoch = log::epoch(&pool).await?;
        let erasures: Option<i64> =
            sqlx::query_scalar("select max(no) from erasures").fetch_one(&pool).await?;
        let erasures_seen = Arc::new(AtomicI64::new(erasures.unwrap_or_default()));
        let round_trips = Arc::new(AtomicU64::new(0));
        let (appends, inbox) = mpsc::channel(WAITING);
        let appender = Appender {
            pool: pool.clone(),
            keyring: keyring.clone(),
            clock: clock.clone(),
            head: head.clone(),
            erasures_seen: erasures_seen.clone(),
            round_trips: round_trips.clone(),
            gone: AtomicBool::new(false),
            versions: Mutex::default(),
        };
        let stop = tokio::spawn(appender.run(inbox));
        tokio::spawn(watch_others(pool.clone(), head.clone(), stop));
        Ok(Store {
            claims: Claims::of(pool.clone()),
            pool,
            worker,
            codec: Codec { keyring },
            clock,
            appends,
            head,
            progress: News::default(),
            present: News::default(),
            past: News::default(),
            epoch,
            erasures_seen,
            round_trips,
            leases: Leases::of(database),
            recent: Arc::default(),
        })
    }

    /// Appends a unit of work: encrypts its personal data, waits for its batch, and tells where it
    /// went or why not. When the answer was lost on the way it is sent again until there is one.
    pub async fn append(&self, append: Append) -> Result<Appended, Error> {
        let empty = append.streams.iter().all(|stream| stream.events.is_empty());
        if empty && append.idempotency.is_none() {
            return Err(Error::Empty);
        }
        let span = tracing::debug_span!(
            "append",
            correlation_id = %append.correlation_id,
            streams = append.streams.len(),
            position = Empty,
            "error.type" = Empty
        );
        let outcome = self.append_until_answered(append).instrument(span.clone()).await;
        match &outcome {
            Ok(appended) => span.record("position", appended.last),
            Err(Error::Refused(_)) => &span,
            Err(_) => span.record("error.type", "failed"),
        };
        outcome
    }

    async fn append_until_answered(&self, mut append: Append) -> Result<Appended, Error> {
        // Who begins with this append has no keys yet; if somebody was faster, the append tells.
        let mut new = beginning(&append);
        let clear = Clear::of(&mut append);
        loop {
            let erasures_seen = self.erasures_seen.load(Ordering::Acquire);
            let keys = self.codec.obtain(append.tenant, clear.values(), &new).await?;
            let written = Arc::new(Written::new(append, &clear, keys)?);
            let (answer, answered) = oneshot::channel();
            // What is kept of it here is freed here: where batches are made that would be in
            // everybody's way.
            let request = Request { written: Arc::clone(&written), erasures_seen, answer };
            self.appends.send(request).await.map_err(|_| Error::Closed)?;
            match answered.await.map_err(|_| Error::Closed)? {
                Err(Error::EncryptAgain) => new.clear(),
                outcome => return outcome,
            }
            append = written.append.clone();
        }
    }

    /// What serves requests: it sees the rows of the organisation that its statement tells.
    pub fn pool(&self) -> &Sessions {
        &self.pool
    }

    /// What follows the log for all organisations: policies and their effects.
    pub fn worker(&self) -> &PgPool {
        &self.worker
    }

    /// What this process may do alone.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The newest position that this process has heard of.
    pub fn head(&self) -> i64 {
        *self.head.borrow()
    }

    /// What those tell who follow the log in this process, but for those who feed read models.
    pub fn progress(&self) -> &News {
        &self.progress
    }

    /// What those tell who feed the read models of how things stand.
    pub fn present(&self) -> &News {
        &self.present
    }

    /// What those tell who feed the read models of what happened.
    pub fn past(&self) -> &News {
        &self.past
    }

    /// Changes with each erasure that this process hears of.
    pub fn erasures(&self) -> u64 {
        self.codec.keyring.forgotten()
    }

    /// How many batches were sent: what group commit saves can be seen here.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Waits until the log has grown past `position`, or long enough to look again.
    pub async fn wait_past(&self, position: i64) {
        let mut head = self.head.subscribe();
        let _ = timeout(POLL, head.wait_for(|head| *head > position)).await;
    }

    /// Up to `limit` events after `position`, for those who follow the log: what one of them has
    /// just read the others get from memory.
    pub async fn follow(&self, position: i64, limit: i64) -> Result<Vec<Arc<Recorded>>, Error> {
        Ok(self.recent.page(&self.worker, position, limit, self.head()).await?)
    }

    /// The keyed hash by which a personal value of this tenant is looked up.
    pub fn lookup(&self, tenant: Uuid, parts: &[&[u8]]) -> [u8; 32] {
        self.codec.keyring.master.lookup(tenant, parts)
    }

    /// Who holds what of this: all claims whose scope and value's beginning are asked for.
    pub async fn claims(
        &self,
        tenant: Uuid,
        wanted: &[(&str, Vec<u8>)],
    ) -> Result<Vec<Claim>, Error> {
        self.claims.find(tenant, wanted).await
    }

    /// The outcome kept under an idempotency key: fingerprint, position, status, answer.
    pub async fn outcome(&self, tenant: Uuid, key: &[u8]) -> Result<Option<Outcome>, Error> {
        let outcome: Option<Outcome> = sqlx::query_as(&within(
            "select fingerprint, position, status, response from idempotency_keys
              where tenant_id = t.id and key = $2",
        ))
        .bind(tenant)
        .bind(key)
        .fetch_optional(&self.pool)
        .await?;
        let Some(mut outcome) = outcome else { return Ok(None) };
        if let Some(wrapped) = &mut outcome.response {
            *wrapped = self.codec.keyring.master.unwrap(wrapped, &answer_of(tenant, key))?;
        }
        Ok(Some(outcome))
    }

    /// Encrypts an answer that an idempotency record keeps.
    pub fn wrap_answer(&self, tenant: Uuid, key: &[u8], answer: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.codec.keyring.master.wrap(answer, &answer_of(tenant, key))?)
    }
}

/// What is kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Outcome {
    pub fingerprint: Vec<u8>,
    pub position: i64,
    pub status: i32,
    pub response: Option<Vec<u8>>,
}

/// A database belongs to the master key that first opened it: with another one nothing could be
/// read, and what was written would be lost to the first.
async fn check_master_key(pool: &Sessions, master: &MasterKey) -> Result<(), Error> {
    let bound_to = secret_of(Uuid::nil(), Uuid::nil());
    let mark = master.wrap(b"verbatim", &bound_to)?;
    sqlx::query(&format!(
        "insert into secrets (id, tenant_id, kind, ciphertext)
         select t.id, t.id, 'master_key_check', $2 from {TOLD} on conflict do nothing"
    ))
    .bind(Uuid::nil())
    .bind(mark)
    .execute(pool)
    .await?;
    let kept: Vec<u8> = sqlx::query_scalar("select ciphertext from secret($1)")
        .bind(Uuid::nil())
        .fetch_one(pool)
        .await?;
    master.unwrap(&kept, &bound_to)?;
    Ok(())
}

/// The aggregates whose first events these are.
fn beginning(append: &Append) -> HashSet<Uuid> {
    let first = append.streams.iter().filter(|stream| stream.expected == 0);
    first.filter_map(|stream| stream.aggregate_id.parse().ok()).collect()
}

fn answer_of(tenant: Uuid, key: &[u8]) -> Vec<u8> {
    [b"answer".as_slice(), tenant.as_bytes(), key].concat()
}

/// Tells those who follow the log, if it was not known to have come so far.
pub(crate) fn raise(head: &watch::Sender<i64>, found: i64) {
    head.send_if_modified(|head| {
        let moved = found > *head;
        *head = found.max(*head);
        moved
    });
}

/// Tells other processes of news, and hears of theirs. NOTIFY stays outside the append: inside, it
/// would serialise commits across the whole cluster.
async fn watch_others(
    pool: Sessions,
    head: watch::Sender<i64>,
    appender: tokio::task::JoinHandle<()>,
) {
    let told = tell(pool.clone(), head.subscribe());
    let seen = look(&pool, &head);
    let heard = hear(&pool, &head);
    tokio::select! { _ = appender => {}, () = told => {}, () = seen => {}, () = heard => {} }
}

async fn tell(pool: Sessions, mut head: watch::Receiver<i64>) {
    while head.changed().await.is_ok() {
        let position = *head.borrow_and_update();
        let told = sqlx::query("select pg_notify($1, $2)")
            .bind(NOTICE_CHANNEL)
            .bind(position.to_string())
            .execute(&pool)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "Other processes were not told of new events; they poll");
        }
        sleep(NOTICE).await;
    }
}

/// Looks for all who follow: news may be lost with the session that hears of them.
async fn look(pool: &Sessions, head: &watch::Sender<i64>) {
    loop {
        sleep(POLL).await;
        // Its session may have gone silent.
        if let Ok(Ok(found)) = timeout(WAIT, log::head(pool)).await {
            raise(head, found);
        }
    }
}

async fn hear(pool: &Sessions, head: &watch::Sender<i64>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(pool.pool()).await
            && listener.listen(NOTICE_CHANNEL).await.is_ok()
        {
            while let Ok(notice) = listener.recv().await {
                raise(head, notice.payload().parse().unwrap_or_default());
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}
