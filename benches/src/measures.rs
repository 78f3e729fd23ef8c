//! Everything that is measured, by the names that choose it.

mod append;
mod as_of;
mod bare;
mod desk;
mod growth;
mod inbox;
mod ingest;
mod lag;
mod rebuild;

use clap::ValueEnum;

use crate::Outcome;
use crate::bench::Bench;
use crate::report::Report;

/// What can be asked for by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Appends, with and without a record of the request.
    Append,
    /// Appends that don't wait for each other.
    Ingest,
    /// Webhooks.
    Webhook,
    /// Commands over HTTP.
    Command,
    /// Reading with some writing, over HTTP.
    Mix,
    /// How soon a change is seen.
    Lag,
    /// Read models made anew, and the reading in it.
    Rebuild,
    /// A row as it was.
    AsOf,
    /// Pages of a large inbox.
    Inbox,
    /// A large log beside a small one, and memory.
    Growth,
}

/// Measures what is asked for, or everything. What has come out is in the report, whatever becomes
/// of the rest.
pub(crate) async fn run(bench: &Bench, names: &[Name], report: &mut Report) -> Outcome<()> {
    let names = if names.is_empty() { Name::value_variants() } else { names };
    for name in names {
        let shown = name.to_possible_value();
        eprintln!("Measuring {}", shown.as_ref().map_or("", |shown| shown.get_name()));
        bench.cluster.rest().await?;
        let lines = match name {
            Name::Append => append::measure(bench).await?,
            Name::Ingest => ingest::measure(bench).await?,
            Name::Webhook => desk::webhook(bench).await?,
            Name::Command => desk::command(bench).await?,
            Name::Mix => desk::mix(bench).await?,
            Name::Lag => lag::measure(bench).await?,
            Name::Rebuild => rebuild::measure(bench).await?,
            Name::Inbox => inbox::measure(bench).await?,
            Name::Growth => growth::measure(bench).await?,
            Name::AsOf => as_of::measure(bench).await?,
        };
        report.add(lines)?;
    }
    Ok(())
}
