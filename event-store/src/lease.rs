//! What only one process at a time does. Its lease is renewed every second; another process takes it
//! when its holder is gone, or has been silent for some seconds. Whoever lost it may not know that
//! yet: each write of what it does is fenced where it is written.

use std::convert::Infallible;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::PgPool;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use crate::holder::Holder;
use crate::{Database, Error};

/// How long a lease holds that is not renewed.
const VALID: Duration = Duration::from_secs(4);
const RENEWED: Duration = Duration::from_secs(1);
/// How often one that stands by looks whether a lease is free.
const PAUSE: Duration = Duration::from_millis(500);

/// The right to do something alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: String,
    fence: i64,
}

impl Lease {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Higher than that of everybody who had this lease before.
    pub fn fence(&self) -> i64 {
        self.fence
    }
}

/// Takes leases for a process, and keeps them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leases {
    pool: PgPool,
    /// None until a lease is asked for, and after its connection failed.
    holder: Arc<Mutex<Option<Holder>>>,
}

impl Leases {
    pub fn of(database: &Database) -> Leases {
        // Under the owner, who alone may end the sessions of one that sleeps.
        Leases { pool: database.owner.clone(), holder: Arc::default() }
    }

    /// Whether some process does what this lease is for.
    pub async fn is_held(pool: &PgPool, name: &str) -> sqlx::Result<bool> {
        sqlx::query_scalar("select is_held($1)").bind(name).fetch_one(pool).await
    }

    /// Waits until the lease is free, and takes it.
    pub async fn take(&self, name: &str) -> Result<Lease, Error> {
        loop {
            if let Some(lease) = self.try_take(name).await? {
                return Ok(lease);
            }
            sleep(PAUSE).await;
        }
    }

    /// The same, if it is free now.
    pub async fn try_take(&self, name: &str) -> Result<Option<Lease>, Error> {
        let trying = async {
            let mut place = self.holder.lock().await;
            let mut holder = self.come(&mut place).await?;
            let taken = try_take(&mut holder, name).await?;
            *place = Some(holder);
            Ok(taken.map(|fence| Lease { name: name.to_owned(), fence }))
        };
        // A wire that went silent must not keep this process from everything that it could take.
        timeout(VALID, trying).await.unwrap_or_else(|_| Err(Error::LostLease(name.to_owned())))
    }

    /// Renews leases until one of them is lost, or it can't be known whether it is.
    pub async fn keep(&self, leases: &[Lease]) -> Error {
        loop {
            sleep(RENEWED).await;
            match timeout(VALID, self.renew(leases)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error,
                Err(_) => return lost(leases),
            }
        }
    }

    async fn renew(&self, leases: &[Lease]) -> Result<(), Error> {
        let names: Vec<&str> = leases.iter().map(Lease::name).collect();
        let fences: Vec<i64> = leases.iter().map(Lease::fence).collect();
        let mut place = self.holder.lock().await;
        let mut holder = self.come(&mut place).await?;
        let renewed = sqlx::query(
            "update leases l set until = clock_timestamp() + $4
               from unnest($1::text[], $2::bigint[]) k(name, fence)
              where l.name = k.name and l.fence = k.fence and l.holder = $3",
        )
        .bind(names)
        .bind(fences)
        .bind(holder.number())
        .bind(VALID)
        .execute(holder.connection())
        .await?
        .rows_affected();
        *place = Some(holder);
        if renewed == leases.len() as u64 { Ok(()) } else { Err(lost(leases)) }
    }

    /// Lets others take leases at once.
    pub async fn release(&self, leases: &[Lease]) -> Result<(), Error> {
        let names: Vec<&str> = leases.iter().map(Lease::name).collect();
        let fences: Vec<i64> = leases.iter().map(Lease::fence).collect();
        sqlx::query(
            "update leases l set until = '-infinity', holder = -1
               from unnest($1::text[], $2::bigint[]) k(name, fence)
              where l.name = k.name and l.fence = k.fence",
        )
        .bind(names)
        .bind(fences)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Frees all leases: this process ends.
    pub async fn leave(&self) {
        self.holder.lock().await.take();
    }

    /// Does a job whenever no other process does, until `stop` says so. The job is told its fence.
    /// Where it fails it is begun anew, and where the lease is lost it is dropped.
    pub async fn run<E: Display, F: Future<Output = Result<Infallible, E>>>(
        &self,
        name: &'static str,
        mut stop: watch::Receiver<bool>,
        job: impl Fn(i64) -> F,
    ) {
        let mut held = None;
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            never = self.alone(name, &job, &mut held) => match never {},
        }
        // One that can't be let go runs out.
        let _ = self.release(held.as_slice()).await;
    }

    async fn alone<E: Display, F: Future<Output = Result<Infallible, E>>>(
        &self,
        name: &'static str,
        job: &impl Fn(i64) -> F,
        held: &mut Option<Lease>,
    ) -> Infallible {
        loop {
            let error = match self.take(name).await {
                Ok(lease) => {
                    tracing::info!(name, fence = lease.fence, "Doing what one process does");
                    let lease: &Lease = held.insert(lease);
                    // Whatever happens to the job, the lease stays this process's.
                    tokio::select! {
                        lost = self.keep(std::slice::from_ref(lease)) => lost,
                        never = begin_anew(name, || job(lease.fence)) => match never {},
                    }
                }
                Err(error) => error,
            };
            tracing::warn!(name, %error, "Standing by");
            sleep(PAUSE).await;
        }
    }

    /// The holder, taken from its place while it asks: one that got no answer must not be asked
    /// again, and all that it held is free.
    async fn come(&self, place: &mut Option<Holder>) -> sqlx::Result<Holder> {
        match place.take() {
            Some(holder) => Ok(holder),
            None => Holder::come(&self.pool).await,
        }
    }
}

/// Does something for ever: where it fails or panics it is begun anew, from its checkpoint.
pub async fn begin_anew<E: Display, F: Future<Output = Result<Infallible, E>>>(
    name: &str,
    job: impl Fn() -> F,
) -> Infallible {
    loop {
        match AssertUnwindSafe(job()).catch_unwind().await {
            Ok(Err(error)) => {
                tracing::warn!(name, %error, "Interrupted; going on from the checkpoint");
            }
            Err(_) => tracing::error!(name, "Panicked; going on from the checkpoint"),
        }
        sleep(PAUSE).await;
    }
}

fn lost(leases: &[Lease]) -> Error {
    let names: Vec<&str> = leases.iter().map(Lease::name).collect();
    Error::LostLease(names.join(", "))
}

/// The fence of a lease that was free; what its last holder may be in the middle of is ended.
async fn try_take(holder: &mut Holder, name: &str) -> sqlx::Result<Option<i64>> {
    let held = sqlx::query_scalar("select is_held($1)").bind(name);
    if held.fetch_one(holder.connection()).await? {
        return Ok(None);
    }
    let number = holder.number();
    let taken: Option<(i64, Option<i32>)> = sqlx::query_as(
        "with last as (select holder from leases where name = $1)
         insert into leases as l (name, fence, holder, until)
         values ($1, nextval('fences'), $2, clock_timestamp() + $3)
         on conflict (name) do update
            set fence = nextval('fences'), holder = excluded.holder, until = excluded.until
          where not holds(l.holder, l.until)
         returning fence, (select holder from last)",
    )
    .bind(name)
    .bind(number)
    .bind(VALID)
    .fetch_optional(holder.connection())
    .await?;
    let Some((fence, last)) = taken else { return Ok(None) };
    if let Some(last) = last.filter(|last| *last != number) {
        sqlx::query("select end_transactions($1)").bind(last).execute(holder.connection()).await?;
    }
    Ok(Some(fence))
}
