//! What `/metrics` tells beyond what is counted as it happens, and what each number means.

use std::fs;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use projections::explain::explain;
use tokio::time::timeout;

use crate::State;

/// Says what all numbers of the server mean. Once, after their recorder is there.
pub fn describe() {
    event_store::measures::describe();
    projections::measures::describe();
    commands::measures::describe();
    describe_histogram!(
        "http_request_duration_seconds",
        "How long requests took to be answered, by route, method and status."
    );
    describe_counter!(
        "verbatim_problems_total",
        "Answers that refuse or fail, by the code in them: openapi.json lists them."
    );
    describe_gauge!("process_resident_memory_bytes", "Memory of this process that is in RAM.");
    describe_gauge!("process_open_fds", "Files and connections that this process has open.");
}

/// Looks at what changes without anybody counting it. A database that doesn't answer in time leaves
/// out what only it knows: the counts of this process are asked for most then.
pub(crate) async fn look(state: &State, patience: Duration) {
    event_store::measures::look(state.commands.store(), &state.database);
    let explained = async {
        if let Ok(explanations) = explain(&state.database.owner).await {
            projections::measures::tell(&explanations);
        }
    };
    let counted = async { commands::measures::look(&state.commands).await.ok() };
    let _ = tokio::join!(timeout(patience, explained), timeout(patience, counted));
    tell_process();
}

/// Linux tells it; elsewhere these numbers are not there.
fn tell_process() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = resident.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
    if let Some(kibibytes) = kibibytes {
        let kibibytes: f64 = kibibytes;
        metrics::gauge!("process_resident_memory_bytes").set(kibibytes * 1024.0);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        metrics::gauge!("process_open_fds").set(open.count() as f64);
    }
}
