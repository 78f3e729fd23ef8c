//! Effects: calls to providers that events asked for. An attempt is committed before its call is
//! made, and its lease outlasts the call; so whatever happens to the process, it is known that a
//! call may have been made, and it is never made again blindly.

mod claims;
mod worker;

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Actor;
use event_store::Store;
use event_store::log::Recorded;
use event_store::tenant::within;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Error, Meta};
pub use worker::{attempt_due, run};

/// What a policy asks for.
#[derive(Clone, Debug)]
pub struct NewEffect {
    /// The same id is the same effect: asking twice asks once.
    pub id: Uuid,
    pub kind: &'static str,
    pub aggregate: Uuid,
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
    /// The event that asked for it last.
    pub cause: Option<Uuid>,
    /// The request that caused that.
    pub correlation_id: Uuid,
}

impl Effect {
    /// A command of the policy's that tells something of this effect: it belongs to the request that
    /// the effect follows from.
    pub(crate) fn meta(&self, policy: &str, command: Uuid) -> Meta {
        Meta {
            command_id: command,
            correlation_id: self.correlation_id,
            causation_id: self.cause,
            ..Meta::new(self.tenant_id, Actor::Policy(policy.into()))
        }
    }

    /// The command that tells something of this attempt. A repeat of the same telling causes the
    /// same events; another attempt's causes others.
    pub(crate) fn telling(&self, number: usize) -> Uuid {
        crate::event_id(self.lease.unwrap_or(self.id), number)
    }
}

/// Where an effect stands that is not done.
pub(crate) const OPEN: &[&str] = &["pending", "attempting", "unknown", "dead"];

const COLUMNS: &str =
    "id, tenant_id, kind, aggregate, position, line, idempotent, attempts, lease, state, cause,
     coalesce(correlation_id, id) as correlation_id";

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
    /// Not attempted: by our own pace the recipient has had enough for now.
    Held {
        after: Duration,
        reason: String,
    },
    /// Not attempted, nor is anything else on this line: by our own pace it has sent enough for now.
    LineHeld {
        after: Duration,
        reason: String,
    },
    /// The same, as news has told already, with the reason.
    Failed,
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

/// Asks for an effect that follows from an event, in the transaction that moves the policy on.
pub async fn ask(db: &mut PgConnection, event: &Recorded, effect: &NewEffect) -> sqlx::Result<()> {
    sqlx::query(
        "insert into effects (id, tenant_id, kind, aggregate, position, order_key, line, idempotent,
                              cause, correlation_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (id) do update set
                cause = excluded.cause, correlation_id = excluded.correlation_id",
    )
    .bind(effect.id)
    .bind(event.tenant_id)
    .bind(effect.kind)
    .bind(effect.aggregate)
    .bind(event.position)
    .bind(effect.order_key)
    .bind(effect.line)
    .bind(effect.idempotent)
    .bind(event.event_id)
    .bind(event.correlation_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Asks anew for an effect that was given up: it follows from this event now.
pub async fn ask_again(db: &mut PgConnection, event: &Recorded, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update effects set state = 'pending', attempts = 0, reason = null,
                cause = $2, correlation_id = $3,
                due_at = clock_timestamp(), updated_at = clock_timestamp()
          where id = $1 and state = 'dead'",
    )
    .bind(id)
    .bind(event.event_id)
    .bind(event.correlation_id)
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

/// The provider has told why it came to nothing. One that is under way is looked into when it ends.
pub async fn blame(db: &mut PgConnection, id: Uuid, reason: &str) -> sqlx::Result<()> {
    sqlx::query("update effects set reason = $2 where id = $1")
        .bind(id)
        .bind(reason)
        .execute(&mut *db)
        .await?;
    wake(db, id).await
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

/// Where a page of them ends: when it was changed last, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

/// Effects that were given up or whose outcome is not known, the newest first, behind `after`.
pub async fn open(
    store: &Store,
    tenant: Uuid,
    kind: &str,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Open>, Error> {
    let query = within(
        "select id, aggregate, state, reason, attempts, updated_at from effects
          where tenant_id = t.id and kind = $2 and state in ('dead', 'unknown')
            and (updated_at, id) < (coalesce($3, 'infinity'), coalesce($4, $6))
          order by updated_at desc, id desc limit $5",
    );
    Ok(sqlx::query_as(&format!("{query} order by updated_at desc, id desc"))
        .bind(tenant)
        .bind(kind)
        .bind(after.map(|(at, _)| at))
        .bind(after.map(|(_, id)| id))
        .bind(limit)
        .bind(Uuid::max())
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

/// How many effects of all organisations stand where, but those that are done: rows of
/// `(kind, state, count)`.
pub(crate) async fn open_by_state(store: &Store) -> Result<Vec<(String, String, i64)>, Error> {
    // From one organisation to the next: what is done, which is nearly all, is not looked at.
    Ok(sqlx::query_as(
        "with recursive tenants as (
           (select tenant_id from effects order by tenant_id limit 1)
           union all
           select (select e.tenant_id from effects e where e.tenant_id > t.tenant_id
                    order by e.tenant_id limit 1)
             from tenants t where t.tenant_id is not null)
         select kind, state, sum(times)::bigint from tenants t
          cross join lateral (select kind, state, count(*) as times from effects e
            where e.tenant_id = t.tenant_id and state = any($1) group by 1, 2 offset 0) e
          group by 1, 2",
    )
    .bind(OPEN)
    .fetch_all(store.worker())
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
