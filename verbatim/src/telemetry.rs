//! What the program tells of itself while it runs: its log, its spans, and its numbers.

mod collector;
mod spans;

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use collector::{Collector, Unusable};
use spans::Spans;

/// How often samples of the metrics are summed up.
const UPKEEP: Duration = Duration::from_secs(5);
const SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const COUNTS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1000.0];

#[derive(Args, Clone, Debug)]
pub(crate) struct Log {
    /// How the log is written.
    #[arg(long, env = "VERBATIM_LOG_FORMAT", default_value = "auto", global = true)]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// A readable line for each thing that happened.
    Text,
    /// A JSON object in a line for each thing that happened.
    Json,
}

/// What has to be sent before the program ends.
pub(crate) struct Telemetry(Option<Spans>);

impl Telemetry {
    /// Begins to tell. `RUST_LOG` says how much of the log, or `otherwise`; spans go to the
    /// OpenTelemetry collector that the environment names, and nowhere without one.
    pub(crate) fn start(settings: &Log, otherwise: &str) -> Result<Telemetry, Unusable> {
        let spans = Collector::told()?.map(Spans::to);
        match spans.clone() {
            // What nobody is told of costs nothing.
            None => {
                tracing_subscriber::registry().with(filter(otherwise)).with(log(settings)).init()
            }
            Some(spans) => tracing_subscriber::registry()
                .with(log(settings).with_filter(filter(otherwise)))
                .with(spans.with_filter(spans::ours()))
                .init(),
        }
        Ok(Telemetry(spans))
    }

    /// Sends what has not been sent.
    pub(crate) async fn end(self) {
        if let Some(spans) = self.0 {
            // The collector's answer comes in on another thread.
            let sent = tokio::task::spawn_blocking(move || spans.send_all()).await;
            if !matches!(sent, Ok(true)) {
                tracing::warn!("The last spans were not taken by their collector");
            }
        }
    }
}

/// A session that does not come back well is replaced, and whoever used it has been told: sqlx would
/// warn of each that is at work when the program ends.
const SILENT: &str = "sqlx_core::pool::connection=error";

fn filter(otherwise: &str) -> EnvFilter {
    let told = EnvFilter::try_from_default_env();
    told.unwrap_or_else(|_| EnvFilter::new(format!("{otherwise},{SILENT}")))
}

fn log<S>(settings: &Log) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let terminal = std::io::stderr().is_terminal();
    let log = fmt::layer().with_writer(std::io::stderr).with_ansi(terminal);
    match settings.log_format {
        Format::Text => log.boxed(),
        Format::Auto if terminal => log.boxed(),
        Format::Auto | Format::Json => log.json().with_current_span(false).boxed(),
    }
}

/// What `/metrics` shows. Without it the server serves all the same.
pub(crate) fn metrics() -> Option<PrometheusHandle> {
    let handle =
        recorder().inspect_err(|error| tracing::warn!(%error, "There will be no metrics")).ok()?;
    api::describe();
    let upkeep = handle.clone();
    // Samples pile up until they are summed up, whether anybody looks or not.
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Some(handle)
}

/// Counts in buckets, which, unlike quantiles, add up over processes.
fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets(&COUNTS)?
        .install_recorder()
}
