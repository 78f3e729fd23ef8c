//! How far a rebuild is: for whoever started it, and through the database for everybody else.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::watch;

/// How often whoever started a rebuild hears of it, and how often the database does.
const EVERY: Duration = Duration::from_millis(200);
const WRITTEN: Duration = Duration::from_secs(1);

/// What a build is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Reading,
    Indexing,
    CatchingUp,
    Comparing,
    Swapping,
    /// Built and compared, and told not to take its place.
    Ready,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Reading => "reading",
            Phase::Indexing => "indexing",
            Phase::CatchingUp => "catching_up",
            Phase::Comparing => "comparing",
            Phase::Swapping => "swapping",
            Phase::Ready => "ready",
        }
    }
}

/// How far one build is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub model: &'static str,
    pub generation: i32,
    pub phase: Phase,
    pub position: i64,
    /// Up to where this phase reads.
    pub until: i64,
    /// Where this phase began; more than 0 when it resumes an interrupted build.
    pub began_at: i64,
    pub began: Instant,
    /// Rows in memory.
    pub rows: usize,
}

impl Progress {
    /// By what this phase has done itself.
    pub fn events_per_second(&self) -> i64 {
        per_second(self.position - self.began_at, self.began.elapsed())
    }

    pub fn seconds_left(&self) -> i64 {
        (self.until - self.position) / self.events_per_second().max(1)
    }
}

fn per_second(events: i64, elapsed: Duration) -> i64 {
    let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).max(1);
    events.saturating_mul(1000) / millis
}

/// Tells of builds until it is dropped.
pub(super) async fn tell(
    owner: &PgPool,
    builds: Vec<watch::Receiver<Progress>>,
    told: &(dyn Fn(&Progress) + Sync),
) -> Infallible {
    let mut written = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        for build in &builds {
            told(&build.borrow());
        }
        if written.elapsed() < WRITTEN {
            continue;
        }
        written = Instant::now();
        for build in &builds {
            note(owner, build).await;
        }
    }
}

pub(super) async fn note(owner: &PgPool, build: &watch::Receiver<Progress>) {
    let progress = *build.borrow();
    if let Err(error) = write(owner, &progress).await {
        tracing::debug!(%error, "How far a rebuild is could not be written down");
    }
}

/// Where the table stands is its builder's to say, in the transaction that makes it so.
async fn write(owner: &PgPool, progress: &Progress) -> sqlx::Result<()> {
    sqlx::query(
        "update rebuild_progress
            set phase = $3, reached = $4, until = $5, events_per_second = $6, told_at = now()
          where model = $1 and generation = $2",
    )
    .bind(progress.model)
    .bind(progress.generation)
    .bind(progress.phase.as_str())
    .bind(progress.position)
    .bind(progress.until)
    .bind(progress.events_per_second())
    .execute(owner)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_rebuild_is_paced_by_what_it_did_itself() {
        assert_eq!(per_second(6_000 - 5_000, Duration::from_secs(2)), 500);
    }
}
