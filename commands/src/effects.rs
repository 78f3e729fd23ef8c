//! Effects: calls to providers that events asked for. An attempt is committed before its call is
//! made, and its lease outlasts the call; so whatever happens to the process, it is known that a
//! call may have been made, and it is never made again blindly.

mod claims;
mod worker;

use std::time::Duration;

use chrono::{DateTime, Utc};
use event_store::Store;
use event_store::tenant::within;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
pub use worker::{attempt_due, run};

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
    /// Each attempt has its own.
    pub lease: Option<Uuid>,
    pub state: String,
}

impl Effect {
    /// The command that tells something of this attempt. A repeat of the same telling causes the
    /// same events; another attempt's causes others.
    pub(crate) fn telling(&self, number: usize) -> Uuid {
        crate::event_id(self.lease.unwrap_or(self.id), number)
    }
}

const COLUMNS: &str =
    "id, tenant_id, kind, aggregate, position, line, idempotent, attempts, lease, state";

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
    /// Perhaps done, and there is nobody to ask: only news of it can tell.
    AwaitsNews {
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

/// Lets an effect that is unclear be looked into now.
pub async fn look(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set due_at = clock_timestamp() where id = $1 and state = 'unknown'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Lets an effect that was given up be looked into once more.
pub async fn look_again(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = 'unknown', due_at = clock_timestamp(),
                updated_at = clock_timestamp()
          where id = $1 and state = 'dead'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Lets an effect be tried, or looked into, now. One that is under way, or done, is looked into when
/// it has ended: who wakes it may know more than its answer will say.
pub async fn wake(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = case state when 'done' then 'unknown' else state end,
                due_at = clock_timestamp(), updated_at = clock_timestamp()
          where id = $1 and state <> 'dead'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
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

/// Closes an effect that needs nothing more: a person gave it up, or there was evidence of it.
pub async fn close(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = 'done', lease = null, lease_until = null,
                updated_at = clock_timestamp()
          where id = $1 and state in ('dead', 'unknown')",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}
