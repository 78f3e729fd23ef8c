//! What operators see of this crate: a span for each unit of work and each effect, and numbers.

use std::time::Instant;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::effects::{self, Effect};
use crate::{Commands, Error, Meta, Outcome, policies};

/// Says what the numbers mean, to whoever collects them.
pub fn describe() {
    describe_histogram!(
        "verbatim_command_duration_seconds",
        "How long a unit of work took to be decided and recorded, by how it ended."
    );
    describe_histogram!(
        "verbatim_effect_duration_seconds",
        "How long a call to a provider took, or looking into one."
    );
    describe_counter!("verbatim_effects_total", "Attempts at effects, by what they came to.");
    describe_gauge!("verbatim_effects_open", "Effects that are not done, by where they stand.");
}

/// Tells how many effects are not done.
pub async fn look(commands: &Commands) -> Result<(), Error> {
    let open = effects::open_by_state(commands.store()).await?;
    for kind in policies::KINDS {
        for state in effects::OPEN {
            let found =
                open.iter().find(|(of, is, _)| (of.as_str(), is.as_str()) == (*kind, *state));
            metrics::gauge!("verbatim_effects_open", "kind" => *kind, "state" => *state)
                .set(found.map_or(0, |(_, _, count)| *count) as f64);
        }
    }
    Ok(())
}

/// Runs a unit of work where it can be watched.
pub(crate) async fn command<T>(
    meta: &Meta,
    work: impl Future<Output = Result<Outcome<T>, Error>>,
) -> Result<Outcome<T>, Error> {
    let span = tracing::debug_span!(
        "command",
        correlation_id = %meta.correlation_id,
        command_id = %meta.command_id,
        tenant_id = %meta.tenant,
        outcome = Empty,
        events = Empty,
        position = Empty,
        "error.type" = Empty
    );
    let began = Instant::now();
    let outcome = work.instrument(span.clone()).await;
    let ended = ended(&outcome);
    span.record("outcome", ended);
    match &outcome {
        Ok(outcome) => {
            span.record("events", outcome.events).record("position", outcome.position);
        }
        Err(_) if ended == "failed" => {
            span.record("error.type", ended);
        }
        Err(_) => {}
    }
    metrics::histogram!("verbatim_command_duration_seconds", "outcome" => ended)
        .record(began.elapsed());
    outcome
}

fn ended<T>(outcome: &Result<Outcome<T>, Error>) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(Error::Refused(_)) => "refused",
        Err(Error::KeyUsed) => "repeated",
        Err(Error::DryRun) => "dry_run",
        Err(Error::Contended) => "contended",
        Err(
            Error::Undecodable { .. } | Error::Hashing(_) | Error::ReadModel(_) | Error::Failed(_),
        ) => "failed",
    }
}

/// A call to a provider, or a look into one: part of the request that asked for it.
pub(crate) fn effect(effect: &Effect) -> Span {
    tracing::debug_span!(
        "effect",
        "otel.kind" = "client",
        correlation_id = %effect.correlation_id,
        effect_id = %effect.id,
        tenant_id = %effect.tenant_id,
        kind = effect.kind,
        state = effect.state,
        attempt = effect.attempts,
        outcome = Empty
    )
}
