//! Slows a rebuild down where it would make the live read models late, or reads slow.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgPool;

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(250);
/// A rebuild that is never let on would never end: so long it waits before a page at most.
const LONGEST: Duration = Duration::from_secs(2);

pub(crate) struct Brake {
    pool: PgPool,
    budget: Option<Duration>,
    looked: Mutex<Option<Instant>>,
    on: AtomicBool,
    /// How often it has waited for as long as `EVERY`.
    rests: AtomicU32,
}

impl Brake {
    pub(crate) fn new(pool: &PgPool, budget: Option<Duration>) -> Self {
        let (on, rests) = (AtomicBool::new(false), AtomicU32::new(0));
        Brake { pool: pool.clone(), budget, looked: Mutex::new(None), on, rests }
    }

    /// Waits as long as what is live is later than it may be, but not for ever.
    pub(crate) async fn wait(&self) {
        let Some(budget) = self.budget else { return };
        let until = Instant::now() + LONGEST;
        while self.is_over(budget).await && Instant::now() < until {
            tokio::time::sleep(EVERY).await;
            self.rests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// For how long it has kept the rebuild waiting.
    pub(crate) fn waited(&self) -> Duration {
        EVERY * self.rests.load(Ordering::Relaxed)
    }

    async fn is_over(&self, budget: Duration) -> bool {
        if !self.is_time() {
            return self.on.load(Ordering::Relaxed);
        }
        let began = Instant::now();
        // A database that doesn't answer will be told of by whoever reads pages.
        let lag = live_lag(&self.pool).await.unwrap_or_default();
        let over = lag.max(began.elapsed()) > budget;
        if over != self.on.swap(over, Ordering::Relaxed) {
            let lag = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
            tracing::info!(over, lag, "A rebuild heeds what is live");
        }
        over
    }

    fn is_time(&self) -> bool {
        let Ok(mut looked) = self.looked.lock() else { return false };
        let due = looked.is_none_or(|at| at.elapsed() >= EVERY);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }
}

/// For how long the oldest event that the feeder has not taken in has been there. Nothing, where
/// nobody feeds: who doesn't run can't be kept waiting.
async fn live_lag(pool: &PgPool) -> sqlx::Result<Duration> {
    let lag: Option<f64> = sqlx::query_scalar(
        "select extract(epoch from clock_timestamp() - e.recorded_at)::float8
           from (select min(g.position) as position from generations g
                   join leases l on l.name = $1 and holds(l.holder, l.until)
                  where g.state = 'live' and g.fence = l.fence) fed
           join events e on e.position = fed.position + 1",
    )
    .bind(crate::live::LEASE)
    .fetch_optional(pool)
    .await?;
    Ok(Duration::try_from_secs_f64(lag.unwrap_or_default()).unwrap_or_default())
}
