//! Effects: calls to providers that events asked for. An attempt is committed before its call is
//! made, and its lease outlasts the call; so whatever happens to the process, it is known that a
//! call may have been made, and it is never made again blindly.

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_store::Store;
use event_store::tenant::within;
use sqlx::PgConnection;
use tokio::sync::watch;
use uuid::Uuid;

use crate::Error;

/// How long an attempt may take, all told. Clients' own timeouts are shorter.
pub const LEASE: Duration = Duration::from_secs(90);
/// Effects that one process attempts at once.
const AT_ONCE: i64 = 16;
/// How often a worker looks for what has become due when nobody wakes it.
const POLL: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What a policy asks for.
#[derive(Clone, Debug)]
pub struct NewEffect {
    /// The same id is the same effect: asking twice asks once.
    pub id: Uuid,
    pub tenant: Uuid,
    pub kind: &'static str,
    pub aggregate: Uuid,
    pub position: i64,
    pub order_key: Uuid,
    pub line: Uuid,
    /// Whether the provider recognises a repeat.
    pub idempotent: bool,
}

/// An effect under attempt, or one whose attempt is looked into.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Effect {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub kind: String,
    pub aggregate: Uuid,
    pub position: i64,
    pub line: Uuid,
    pub idempotent: bool,
    pub attempts: i32,
    pub lease: Option<Uuid>,
}

const COLUMNS: &str = "id, tenant_id, kind, aggregate, position, line, idempotent, attempts, lease";

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Certainly not done; to be tried again, not before `after` if the provider said so.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
    /// The same for everything on this line, whose limit is reached.
    LineRests {
        after: Duration,
        reason: String,
    },
    /// Refused for good: a person must decide.
    Dead {
        reason: String,
    },
    /// Perhaps done. To be looked into.
    Unclear {
        reason: String,
    },
}

/// Carries out the effects of one kind.
pub trait Executor {
    const KIND: &'static str;

    /// Makes the call and tells the aggregate what came of it.
    fn attempt(&self, effect: &Effect) -> impl Future<Output = Result<Outcome, Error>>;

    /// Finds out what became of an attempt whose outcome is not known.
    fn reconcile(&self, effect: &Effect) -> impl Future<Output = Result<Outcome, Error>>;
}

/// Asks for an effect, in the transaction that moves the policy on.
pub async fn ask(db: &mut PgConnection, effect: &NewEffect) -> sqlx::Result<()> {
    sqlx::query(
        "insert into effects (id, tenant_id, kind, aggregate, position, order_key, line, idempotent)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind(effect.id)
    .bind(effect.tenant)
    .bind(effect.kind)
    .bind(effect.aggregate)
    .bind(effect.position)
    .bind(effect.order_key)
    .bind(effect.line)
    .bind(effect.idempotent)
    .execute(db)
    .await?;
    Ok(())
}

/// Asks anew for an effect that was given up.
pub async fn ask_again(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = 'pending', attempts = 0, reason = null,
                due_at = clock_timestamp(), updated_at = clock_timestamp()
          where id = $1 and state = 'dead'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Attempts effects of one kind as they become due, until `stop` says so. Any number of processes
/// share the work.
pub async fn run<E: Executor>(store: Store, executor: E, mut stop: watch::Receiver<bool>) {
    loop {
        let round = async {
            match attempt_due(&store, &executor).await {
                Ok(0) => tokio::time::sleep(POLL).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(kind = E::KIND, %error, "Effects could not be attempted");
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = round => {}
        }
    }
}

/// Attempts what is due now, and looks into what is unclear; tells how many effects that were.
pub async fn attempt_due<E: Executor>(store: &Store, executor: &E) -> Result<usize, Error> {
    expire(store, E::KIND).await?;
    let due = claim(store, E::KIND).await?;
    let unclear = claim_unclear(store, E::KIND).await?;
    let count = due.len() + unclear.len();
    let attempts = due.iter().map(|effect| async {
        let outcome = executor.attempt(effect).await;
        settle(store, effect, outcome).await
    });
    let inquiries = unclear.iter().map(|effect| async {
        let outcome = executor.reconcile(effect).await;
        settle(store, effect, outcome).await
    });
    let (attempts, inquiries) = tokio::join!(
        futures_util::future::join_all(attempts),
        futures_util::future::join_all(inquiries)
    );
    attempts.into_iter().chain(inquiries).collect::<Result<Vec<()>, Error>>()?;
    Ok(count)
}

/// An attempt whose lease ran out may have reached the provider.
async fn expire(store: &Store, kind: &str) -> Result<(), Error> {
    sqlx::query(
        "update effects set state = case when idempotent then 'pending' else 'unknown' end,
                reason = 'the attempt was interrupted', due_at = clock_timestamp(),
                updated_at = clock_timestamp()
          where kind = $1 and state = 'attempting' and lease_until < clock_timestamp()",
    )
    .bind(kind)
    .execute(store.worker())
    .await
    .map_err(event_store::Error::from)?;
    Ok(())
}

/// Takes due effects, of each order key only the first that is not settled.
async fn claim(store: &Store, kind: &str) -> Result<Vec<Effect>, Error> {
    let query = format!(
        "update effects set state = 'attempting', lease = gen_random_uuid(),
                lease_until = clock_timestamp() + $2, attempts = attempts + 1,
                updated_at = clock_timestamp()
          where id in (
            select id from effects e
             where kind = $1 and state = 'pending' and due_at <= clock_timestamp()
               and not exists (select from effects o
                    where o.order_key = e.order_key and o.position < e.position
                      and o.state in ('pending', 'attempting'))
             order by due_at limit $3 for update skip locked)
         returning {COLUMNS}"
    );
    Ok(sqlx::query_as(&query)
        .bind(kind)
        .bind(LEASE)
        .bind(AT_ONCE)
        .fetch_all(store.worker())
        .await
        .map_err(event_store::Error::from)?)
}

/// Takes unclear effects to look into, keeping others away from them for the time of a lease.
async fn claim_unclear(store: &Store, kind: &str) -> Result<Vec<Effect>, Error> {
    let query = format!(
        "update effects set lease = gen_random_uuid(), due_at = clock_timestamp() + $2,
                attempts = attempts + 1
          where id in (select id from effects
             where kind = $1 and state = 'unknown' and due_at <= clock_timestamp()
             order by due_at limit $3 for update skip locked)
         returning {COLUMNS}"
    );
    Ok(sqlx::query_as(&query)
        .bind(kind)
        .bind(LEASE)
        .bind(AT_ONCE)
        .fetch_all(store.worker())
        .await
        .map_err(event_store::Error::from)?)
}

/// Records what an attempt came to, unless its lease was lost meanwhile.
async fn settle(
    store: &Store,
    effect: &Effect,
    outcome: Result<Outcome, Error>,
) -> Result<(), Error> {
    let (state, pause, reason) = match outcome {
        Ok(Outcome::Done) => ("done", None, None),
        Ok(Outcome::Dead { reason }) => ("dead", None, Some(reason)),
        Ok(Outcome::Unclear { reason }) => ("unknown", Some(backoff(effect)), Some(reason)),
        Ok(Outcome::Retry { after, reason }) => {
            ("pending", Some(backoff(effect).max(after.unwrap_or_default())), Some(reason))
        }
        Ok(Outcome::LineRests { after, reason }) => {
            rest_line(store, effect, after).await?;
            ("pending", Some(after), Some(reason))
        }
        // The call may have been made before our own machinery failed.
        Err(error) if !effect.idempotent => ("unknown", Some(FIRST_PAUSE), Some(error.to_string())),
        Err(error) => ("pending", Some(backoff(effect)), Some(error.to_string())),
    };
    metrics::counter!("verbatim_effects_total", "kind" => effect.kind.clone(), "outcome" => state)
        .increment(1);
    sqlx::query(
        "update effects set state = $3, reason = $4, lease_until = null,
                due_at = clock_timestamp() + $5, updated_at = clock_timestamp()
          where id = $1 and lease = $2",
    )
    .bind(effect.id)
    .bind(effect.lease)
    .bind(state)
    .bind(reason)
    .bind(pause.unwrap_or_default())
    .execute(store.worker())
    .await
    .map_err(event_store::Error::from)?;
    Ok(())
}

async fn rest_line(store: &Store, effect: &Effect, pause: Duration) -> Result<(), Error> {
    sqlx::query(
        "update effects set due_at = greatest(due_at, clock_timestamp() + $3)
          where line = $1 and kind = $2 and state = 'pending'",
    )
    .bind(effect.line)
    .bind(&effect.kind)
    .bind(pause)
    .execute(store.worker())
    .await
    .map_err(event_store::Error::from)?;
    Ok(())
}

/// Twice as long each time, with up to a half more so that many don't come back together.
fn backoff(effect: &Effect) -> Duration {
    let doublings = u32::try_from(effect.attempts - 1).unwrap_or_default().min(12);
    let pause = (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE);
    let jitter = u64::from(effect.lease.map_or(0, |lease| lease.as_bytes()[15]));
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 1024);
    Duration::from_millis(millis + millis * jitter / 512)
}

/// The effect of this id, if it is the tenant's.
pub async fn find(store: &Store, tenant: Uuid, id: Uuid) -> Result<Option<Effect>, Error> {
    let query =
        within(&format!("select {COLUMNS} from effects where tenant_id = t.id and id = $2"));
    Ok(sqlx::query_as(&query)
        .bind(tenant)
        .bind(id)
        .fetch_optional(store.pool())
        .await
        .map_err(event_store::Error::from)?)
}

/// An effect that waits for a person, or for news.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Open {
    pub id: Uuid,
    pub aggregate: Uuid,
    pub state: String,
    pub reason: Option<String>,
    pub attempts: i32,
    pub updated_at: DateTime<Utc>,
}

/// Effects that were given up or whose outcome is not known, the newest first.
pub async fn open(store: &Store, tenant: Uuid, kind: &str, limit: i64) -> Result<Vec<Open>, Error> {
    let query = within(
        "select id, aggregate, state, reason, attempts, updated_at from effects
          where tenant_id = t.id and kind = $2 and state in ('dead', 'unknown')
          order by updated_at desc limit $3",
    );
    Ok(sqlx::query_as(&format!("{query} order by updated_at desc"))
        .bind(tenant)
        .bind(kind)
        .bind(limit)
        .fetch_all(store.pool())
        .await
        .map_err(event_store::Error::from)?)
}

/// How many effects of a kind stand where, and why: rows of `(state, reason, count)`.
pub async fn statistics(
    store: &Store,
    tenant: Uuid,
    kind: &str,
) -> Result<Vec<(String, Option<String>, i64)>, Error> {
    let query = within(
        "select state, reason, count(*) as times from effects where tenant_id = t.id and kind = $2
            and state <> 'done' group by 1, 2",
    );
    Ok(sqlx::query_as(&format!("{query} order by times desc"))
        .bind(tenant)
        .bind(kind)
        .fetch_all(store.pool())
        .await
        .map_err(event_store::Error::from)?)
}

/// Closes an effect that a person gave up.
pub async fn close(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = 'done', updated_at = clock_timestamp()
          where id = $1 and state in ('dead', 'unknown')",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}
