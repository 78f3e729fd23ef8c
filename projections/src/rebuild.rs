//! Builds generations of read models beside the live ones and puts them in their place, while the
//! server goes on writing and reading. All that are built together share one pass over the log.

mod brake;
mod build;
pub mod compare;
mod memory;
pub(crate) mod pages;
pub mod plan;
mod progress;
pub mod rollback;

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::lease::{Lease, Leases};
use event_store::{Database, log};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) use crate::rebuild::brake::Brake;
use crate::rebuild::build::Build;
use crate::rebuild::compare::{Compare, Comparison};
use crate::rebuild::memory::Memory;
pub use crate::rebuild::progress::{Phase, Progress};
use crate::{Error, Model, generation};

/// Under which terms read models are rebuilt.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Bytes that rows may take in memory, of all models together.
    pub memory: usize,
    /// Pages of the log that are read and decoded at the same time, and tables written.
    pub workers: usize,
    /// By how much live read models may be late, and how long a read may take, before the rebuild
    /// waits for them.
    pub live_lag: Option<Duration>,
    pub compare: Compare,
    /// Whether what was built takes the place of the live generation.
    pub swap: bool,
}

impl Default for Terms {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Terms {
            memory: 512 << 20,
            workers: cores.clamp(2, 4),
            live_lag: Some(Duration::from_secs(1)),
            compare: Compare::Sample,
            swap: true,
        }
    }
}

/// What a rebuild did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Rebuilt {
    pub generation: i32,
    pub position: i64,
    pub events: i64,
    pub rows: i64,
    pub seconds: f64,
    /// Seconds of these in which it waited for what is live.
    pub waited: f64,
    /// Whether the generation answers now.
    pub live: bool,
    pub comparison: Option<Comparison>,
}

/// A read model, and what came of its rebuild.
pub type Outcome = (&'static dyn Model, Result<Rebuilt, Error>);

/// Rebuilds read models and swaps them in. `told` hears several times a second how far each is. An
/// interrupted rebuild of the same version and shape is taken up near where it was. One model's
/// failure doesn't stop the others.
pub async fn rebuild(
    database: &Database,
    models: &[&'static dyn Model],
    terms: &Terms,
    told: &(dyn Fn(&Progress) + Sync),
) -> Result<Vec<Outcome>, Error> {
    // Nobody wants a model built twice.
    let mut wanted = models.to_vec();
    wanted.sort_by_key(|model| model.name());
    wanted.dedup_by_key(|model| model.name());
    let leases = Leases::of(database);
    let Locked { free, busy } = lock(&leases, &wanted).await?;
    let memory = Arc::new(Memory::new(terms.memory, free.len()));
    let mut builds = vec![];
    for (model, lease) in &free {
        builds.push(Build::begin(database, *model, lease.fence(), Arc::clone(&memory)).await?);
    }
    let watched = builds.iter().map(Build::watch).collect();
    let held: Vec<Lease> = free.into_iter().map(|(_, lease)| lease).collect();
    let mut outcomes = tokio::select! {
        outcomes = run(database, builds, terms) => outcomes?,
        lost = leases.keep(&held) => return Err(lost.into()),
        never = progress::tell(&database.owner, watched, told) => match never {},
    };
    leases.release(&held).await?;
    outcomes.extend(busy.into_iter().map(|model| (model, Err(Error::Busy(model.name())))));
    Ok(outcomes)
}

/// What may be rebuilt now, and what somebody else is rebuilding.
pub(crate) struct Locked {
    pub(crate) free: Vec<(&'static dyn Model, Lease)>,
    busy: Vec<&'static dyn Model>,
}

/// Takes what keeps others from rebuilding the same models.
pub(crate) async fn lock(leases: &Leases, models: &[&'static dyn Model]) -> Result<Locked, Error> {
    let mut locked = Locked { free: vec![], busy: vec![] };
    for model in models.iter().copied() {
        match leases.try_take(&format!("rebuild/{}", model.name())).await? {
            Some(lease) => locked.free.push((model, lease)),
            None => locked.busy.push(model),
        }
    }
    Ok(locked)
}

/// Builds that go on, and what became of those that ended.
struct Run {
    builds: Vec<Build>,
    outcomes: Vec<Outcome>,
}

impl Run {
    fn sort(&mut self, ended: Vec<(Build, Result<(), Error>)>) {
        for (build, outcome) in ended {
            match outcome {
                Ok(()) => self.builds.push(build),
                Err(error) => self.outcomes.push((build.model(), Err(error))),
            }
        }
    }
}

async fn run(
    database: &Database,
    builds: Vec<Build>,
    terms: &Terms,
) -> Result<Vec<Outcome>, Error> {
    let started = Instant::now();
    let mut run = Run { builds, outcomes: vec![] };
    let brake = Brake::new(&database.owner, terms.live_lag);
    read(database, &mut run, terms, &brake, Phase::Reading).await?;
    let finished = stream::iter(std::mem::take(&mut run.builds))
        .map(Build::finish)
        .buffer_unordered(terms.workers)
        .collect()
        .await;
    run.sort(finished);
    read(database, &mut run, terms, &brake, Phase::CatchingUp).await?;
    for mut build in std::mem::take(&mut run.builds) {
        let settled = settle(database, &mut build, terms).await;
        run.outcomes.push((build.model(), settled));
    }
    let seconds = started.elapsed().as_secs_f64();
    for (_, outcome) in &mut run.outcomes {
        if let Ok(rebuilt) = outcome {
            rebuilt.seconds = seconds;
            rebuilt.waited = brake.waited().as_secs_f64();
        }
    }
    Ok(run.outcomes)
}

/// One pass over the log for all builds, up to its end. A failure to read ends them all.
async fn read(
    database: &Database,
    run: &mut Run,
    terms: &Terms,
    brake: &Brake,
    phase: Phase,
) -> Result<(), Error> {
    let builds = std::mem::take(&mut run.builds);
    let Some(after) = builds.iter().map(Build::position).min() else { return Ok(()) };
    let until = log::head(&database.projector).await?;
    let kinds = pages::kinds(builds.iter().map(Build::model));
    let pages = pages::read(&database.projector, kinds, (after, until), terms.workers, brake);
    let (mut readers, mut following) = (vec![], JoinSet::new());
    for mut build in builds {
        build.enter(phase, until);
        let (sender, receiver) = mpsc::channel(2);
        readers.push(sender);
        following.spawn(build.follow(receiver));
    }
    let mut pages = std::pin::pin!(pages);
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                // Nobody may write any more when others may begin to.
                following.shutdown().await;
                return Err(error);
            }
        };
        for reader in &readers {
            // One that failed listens no more, and says so below.
            let _ = reader.send(Arc::clone(&page)).await;
        }
    }
    drop(readers);
    let mut ended = vec![];
    while let Some(followed) = following.join_next().await {
        ended.push(followed.map_err(|panic| Error::Panicked(panic.to_string()))?);
    }
    run.sort(ended);
    Ok(())
}

/// Compares what was built, and puts it in its place.
async fn settle(database: &Database, build: &mut Build, terms: &Terms) -> Result<Rebuilt, Error> {
    let model = build.model();
    let before = generation::before(&database.owner, model, build.generation()).await?;
    build.enter(Phase::Comparing, build.position());
    let comparison =
        compare::compare(&database.owner, model, &build.standing(), before, terms.compare).await?;
    if terms.swap {
        build.swap().await?;
        generation::prune(&database.owner, model, build.generation()).await?;
    } else {
        build.enter(Phase::Ready, build.position());
        progress::note(&database.owner, &build.watch()).await;
    }
    Ok(Rebuilt {
        generation: build.generation(),
        position: build.position(),
        events: build.position() - build.began_at(),
        rows: generation::count(&database.owner, model, build.generation()).await?,
        seconds: 0.0,
        waited: 0.0,
        live: terms.swap,
        comparison,
    })
}
