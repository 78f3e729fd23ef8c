//! Carries out effects as they become due, so many at once and each for itself: a slow call keeps no
//! other waiting.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use event_store::Store;
use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::claims::{Claimer, FIRST_PAUSE, settle};
use super::{Effect, Executor};
use crate::{Commands, Error, measures};

/// Effects that one process attempts at once, and as many that it looks into.
const AT_ONCE: usize = 16;
/// How often a worker looks for what has become due when nobody wakes it.
const POLL: Duration = Duration::from_millis(200);
/// How often it looks for claims whose claimer is gone.
const ROUND: Duration = Duration::from_secs(1);

/// Attempts effects of one kind as they become due, and looks into those that are unclear, until
/// `stop` says so; then ends what it has begun. Any number of processes share the work.
pub async fn run<E: Executor>(commands: Commands, executor: E, mut stop: watch::Receiver<bool>) {
    let begin = |effect| carry_out(commands.store(), &executor, effect);
    let mut under_way = FuturesUnordered::new();
    while let Err(error) = work::<E, _>(&commands, &mut under_way, &begin, &mut stop).await {
        tracing::warn!(kind = E::KIND, %error, "Effects could not be attempted");
        let goes_on = async { while under_way.next().await.is_some() {} };
        tokio::join!(goes_on, sleep(FIRST_PAUSE));
    }
    while under_way.next().await.is_some() {}
}

/// What one is about.
#[derive(Clone, Copy, PartialEq)]
enum Duty {
    Attempt,
    Look,
}

async fn work<E: Executor, F: Future<Output = Duty>>(
    commands: &Commands,
    under_way: &mut FuturesUnordered<F>,
    begin: impl Fn(Effect) -> F,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut claimer = Claimer::come(commands.store()).await?;
    let mut due = commands.due().subscribe();
    let (mut attempts, mut looks) = (0, 0);
    let mut next_round = Instant::now();
    // Between claiming and beginning nothing may be cut short: a claim that is lost is an attempt
    // that nobody knows the outcome of.
    loop {
        if next_round <= Instant::now() {
            claimer.release(E::KIND).await?;
            next_round = Instant::now() + ROUND;
        }
        for effect in claimer.claim(E::KIND, AT_ONCE - attempts, AT_ONCE - looks).await? {
            match duty(&effect) {
                Duty::Attempt => attempts += 1,
                Duty::Look => looks += 1,
            }
            under_way.push(begin(effect));
        }
        let mut ended = tokio::select! {
            ended = under_way.next(), if !under_way.is_empty() => ended,
            _ = due.changed() => None,
            () = sleep(POLL) => None,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        while let Some(duty) = ended {
            match duty {
                Duty::Attempt => attempts -= 1,
                Duty::Look => looks -= 1,
            }
            ended = under_way.next().now_or_never().flatten();
        }
    }
}

fn duty(effect: &Effect) -> Duty {
    if effect.state == "attempting" { Duty::Attempt } else { Duty::Look }
}

/// Attempts an effect, or looks into it, and records what that came to.
async fn carry_out<E: Executor>(store: &Store, executor: &E, effect: Effect) -> Duty {
    let duty = duty(&effect);
    let began = Instant::now();
    let span = measures::effect(&effect);
    let called = async {
        let outcome = match duty {
            Duty::Attempt => executor.attempt(&effect).await,
            Duty::Look => executor.reconcile(&effect).await,
        };
        if let Err(error) = settle(store, &effect, outcome).await {
            // Its lease will run out.
            tracing::warn!(effect = %effect.id, %error, "What became of an effect was not recorded");
        }
    };
    // What panics may have been done or not, and must not end what goes on beside it.
    if AssertUnwindSafe(called.instrument(span)).catch_unwind().await.is_err() {
        tracing::error!(effect = %effect.id, kind = E::KIND, "Panicked; its lease will run out");
    }
    metrics::histogram!("verbatim_effect_duration_seconds", "kind" => E::KIND)
        .record(began.elapsed());
    duty
}

/// Attempts what is due now, and looks into what is unclear; tells how many effects that were.
pub async fn attempt_due<E: Executor>(store: &Store, executor: &E) -> Result<usize, Error> {
    let mut claimer = Claimer::come(store).await?;
    claimer.release(E::KIND).await?;
    let claimed = claimer.claim(E::KIND, AT_ONCE, AT_ONCE).await?;
    let carried_out = claimed.into_iter().map(|effect| carry_out(store, executor, effect));
    Ok(join_all(carried_out).await.len())
}
