//! What this crate tells operators in numbers, and what each number means.

use metrics::{describe_counter, describe_gauge, describe_histogram};

use crate::MODELS;
use crate::explain::{Cause, Explanation};

/// Says what the numbers mean, to whoever collects them; counts of what is rare begin at 0.
pub fn describe() {
    describe_counter!(
        "verbatim_projected_events_total",
        "Events that this process fed to the read models, by lane: each event goes along both."
    );
    describe_histogram!(
        "verbatim_projection_page_duration_seconds",
        "How long all read models of a lane together took for a page of events."
    );
    describe_histogram!(
        "verbatim_read_model_page_duration_seconds",
        "How long a read model took for a page of events."
    );
    describe_gauge!(
        "verbatim_read_model_position",
        "The position up to which this process fed a read model; who does not feed tells none."
    );
    describe_counter!(
        "verbatim_dead_letters_total",
        "Events that a read model could not take in, or that came behind such a one."
    );
    describe_gauge!("verbatim_read_model_lag_events", "Events that a read model has not taken in.");
    describe_gauge!(
        "verbatim_read_model_late_seconds",
        "How old the oldest event is that a read model has not taken in."
    );
    describe_gauge!(
        "verbatim_read_model_held_back",
        "Whether this holds a read model back: 1 or 0; `replay-tool status --explain` says more."
    );
    for model in MODELS {
        metrics::counter!("verbatim_dead_letters_total", "model" => model.name()).increment(0);
    }
}

/// Tells how late each read model is, and what holds it back.
pub fn tell(explanations: &[Explanation]) {
    for model in MODELS {
        let found = explanations.iter().find(|found| found.model == model.name());
        let lag = found.and_then(|found| found.lag).unwrap_or_default();
        let late = found.and_then(|found| found.late_seconds).unwrap_or_default();
        metrics::gauge!("verbatim_read_model_lag_events", "model" => model.name()).set(lag as f64);
        metrics::gauge!("verbatim_read_model_late_seconds", "model" => model.name())
            .set(late as f64);
        for cause in Cause::ALL {
            let holds = |found: &Explanation| found.obstacles.iter().any(|it| it.cause == cause);
            metrics::gauge!(
                "verbatim_read_model_held_back",
                "model" => model.name(), "cause" => cause.as_str()
            )
            .set(f64::from(u8::from(found.is_some_and(holds))));
        }
    }
}
