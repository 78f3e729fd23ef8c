//! Who carries out which effect: claims, and how they end. A claim holds as long as its claimer is
//! there and its lease runs; then whoever finds it lets it go.

use std::time::Duration;

use event_store::Store;
use event_store::holder::Holder;

use super::{COLUMNS, Effect, Outcome};
use crate::Error;

/// How long an attempt may take, all told. Clients' own timeouts are shorter.
const LEASE: Duration = Duration::from_secs(90);
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// A line that has sent enough rests at least this long, so that many can go when it wakes.
const ROUNDED: Duration = Duration::from_millis(200);
/// One that claims effects.
pub(super) struct Claimer(Holder);

impl Claimer {
    pub(super) async fn come(store: &Store) -> Result<Claimer, Error> {
        Ok(Claimer(Holder::come(store.worker()).await.map_err(failed)?))
    }

    /// Takes due effects, of each order key only the first that is not settled; and unclear ones to
    /// look into. What is taken is not due any more, until somebody wakes it.
    pub(super) async fn claim(
        &mut self,
        kind: &str,
        attempts: usize,
        looks: usize,
    ) -> Result<Vec<Effect>, Error> {
        let query = format!(
            "with due as (
               select id from effects e
                where kind = $1 and state = 'pending' and due_at <= clock_timestamp()
                  and not exists (select from effects o
                       where o.order_key = e.order_key and o.position < e.position
                         and o.state in ('pending', 'attempting'))
                  and not exists (select from line_rests r
                       where r.line = e.line and r.kind = $1 and r.until > clock_timestamp()
                         and r.since <= clock_timestamp())
                order by due_at limit $2 for update skip locked),
             unclear as (
               select id from effects
                where kind = $1 and state = 'unknown' and due_at <= clock_timestamp()
                  and lease_until is null
                order by due_at limit $3 for update skip locked)
             update effects set
                    state = case state when 'pending' then 'attempting' else state end,
                    holder = $4, lease = gen_random_uuid(), lease_until = clock_timestamp() + $5,
                    due_at = 'infinity', attempts = attempts + 1
              where id in (select id from due union all select id from unclear)
             returning {COLUMNS}"
        );
        sqlx::query_as(&query)
            .bind(kind)
            .bind(i64::try_from(attempts).unwrap_or(i64::MAX))
            .bind(i64::try_from(looks).unwrap_or(i64::MAX))
            .bind(self.0.number())
            .bind(LEASE)
            .fetch_all(self.0.connection())
            .await
            .map_err(failed)
    }

    /// Lets go what nobody is about any more. An attempt whose lease ran out, or whose process is
    /// gone, may have reached the provider.
    pub(super) async fn release(&mut self, kind: &str) -> Result<(), Error> {
        sqlx::query(
            "update effects set
                    state = case when state = 'attempting' and idempotent then 'pending'
                                 else 'unknown' end,
                    reason = case state when 'attempting' then 'the attempt was interrupted'
                                        else reason end,
                    lease_until = null, due_at = clock_timestamp(), updated_at = clock_timestamp()
              where kind = $1 and state in ('attempting', 'unknown') and lease_until is not null
                and (lease_until < clock_timestamp()
                  or holder not in (select number from holders))",
        )
        .bind(kind)
        .execute(self.0.connection())
        .await
        .map_err(failed)?;
        self.set_right(kind).await
    }

    /// What was put off by a clock that was ahead, and has been set right since, is due. `now()`
    /// because the index serves it, and a second for those who touch a row at this moment.
    async fn set_right(&mut self, kind: &str) -> Result<(), Error> {
        sqlx::query(
            "update effects set due_at = clock_timestamp(), updated_at = clock_timestamp()
              where kind = $1 and state in ('pending', 'unknown') and due_at <> 'infinity'
                and updated_at > now() + interval '1 second'",
        )
        .bind(kind)
        .execute(self.0.connection())
        .await
        .map_err(failed)?;
        Ok(())
    }
}

fn failed(error: sqlx::Error) -> Error {
    event_store::Error::from(error).into()
}

/// Records what an attempt or a look came to, unless its lease was lost meanwhile. What was woken
/// while it was under way is not done with that.
pub(super) async fn settle(
    store: &Store,
    effect: &Effect,
    outcome: Result<Outcome, Error>,
) -> Result<(), Error> {
    let held = matches!(outcome, Ok(Outcome::Held { .. } | Outcome::LineHeld { .. }));
    let (state, pause, reason) = match outcome {
        Ok(Outcome::Done) => ("done", None, None),
        Ok(Outcome::Dead { reason }) => ("dead", None, Some(reason)),
        Ok(Outcome::Failed) => ("dead", None, None),
        Ok(Outcome::Unclear { reason }) => ("unknown", Some(until_next_look(effect)), Some(reason)),
        Ok(Outcome::AwaitsNews { reason }) => ("unknown", None, Some(reason)),
        Ok(Outcome::Retry { after, reason }) => {
            ("pending", Some(backoff(effect).max(after.unwrap_or_default())), Some(reason))
        }
        Ok(Outcome::LineRests { after, reason }) => {
            rest_line(store, effect, after).await?;
            ("pending", Some(backoff(effect).max(after)), Some(reason))
        }
        Ok(Outcome::Held { after, reason }) => ("pending", Some(after), Some(reason)),
        Ok(Outcome::LineHeld { after, reason }) => {
            rest_line(store, effect, after.max(ROUNDED)).await?;
            ("pending", Some(Duration::ZERO), Some(reason))
        }
        // The call may have been made before our own machinery failed.
        Err(error) if !effect.idempotent => ("unknown", Some(FIRST_PAUSE), Some(error.to_string())),
        Err(error) => ("pending", Some(backoff(effect)), Some(error.to_string())),
    };
    tracing::Span::current().record("outcome", state);
    metrics::counter!("verbatim_effects_total", "kind" => effect.kind.clone(), "outcome" => state)
        .increment(1);
    sqlx::query(
        "update effects set reason = coalesce($4, reason), lease_until = null,
                state = case when due_at <> 'infinity' and $3 = 'done' then 'unknown' else $3 end,
                due_at = case due_at when 'infinity' then coalesce(clock_timestamp() + $5, due_at)
                                     else due_at end,
                attempts = attempts - $6,
                updated_at = clock_timestamp()
          where id = $1 and lease = $2",
    )
    .bind(effect.id)
    .bind(effect.lease)
    .bind(state)
    .bind(reason)
    .bind(pause)
    .bind(i32::from(held))
    .execute(store.worker())
    .await
    .map_err(failed)?;
    Ok(())
}

async fn rest_line(store: &Store, effect: &Effect, pause: Duration) -> Result<(), Error> {
    sqlx::query(
        "insert into line_rests as r values ($1, $2, clock_timestamp() + $3)
         on conflict (line, kind) do update set since = excluded.since,
                until = case when r.since > excluded.since then excluded.until
                             else greatest(r.until, excluded.until) end",
    )
    .bind(effect.line)
    .bind(&effect.kind)
    .bind(pause)
    .execute(store.worker())
    .await
    .map_err(failed)?;
    Ok(())
}

/// Twice as long each time, with up to a half more so that many don't come back together.
fn backoff(effect: &Effect) -> Duration {
    growing(effect, 2.0, LONGEST_PAUSE)
}

/// A look costs the provider little, and somebody waits to know.
fn until_next_look(effect: &Effect) -> Duration {
    growing(effect, 1.5, LONGEST_LOOK)
}

fn growing(effect: &Effect, growth: f64, longest: Duration) -> Duration {
    let pause = FIRST_PAUSE.as_secs_f64() * growth.powi((effect.attempts - 1).clamp(0, 30));
    let jitter = f64::from(effect.lease.map_or(0, |lease| lease.as_bytes()[15])) / 512.0;
    let millis = pause.min(longest.as_secs_f64()) * (1.0 + jitter) * 1_000.0;
    Duration::from_millis(millis as u64)
}
