//! The auditor's and operator's command line: reads the log, looks into the past, rebuilds and
//! verifies read models.

mod connect;
mod failure;
mod filter;
mod key;
mod moment;
mod opener;
mod operations;
mod shown;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
#[doc(hidden)]
pub mod untrusted;
mod verbs;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::connect::{Place, Session};
use crate::failure::Failure;
use crate::verbs::Verb;

/// Reads, replays, rebuilds and verifies the log of a Verbatim database. The database is the one
/// of DATABASE_URL, else the embedded one in the data directory, as for the server.
#[derive(Parser)]
#[command(name = "replay-tool", version)]
struct Cli {
    #[command(flatten)]
    place: Place,
    /// Answers for programs instead of tables for people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

/// Does what the command line says.
pub async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("replay-tool: {}", failure.line());
            ExitCode::from(failure.code())
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let session = Session::open(&cli.place, &cli.verb, cli.json).await?;
    let outcome = tokio::select! {
        outcome = cli.verb.run(&session) => outcome,
        stopped = interruption() => match stopped {
            Ok(()) if cli.verb.is_endless() => Ok(()),
            Ok(()) => Err(Failure::Interrupted),
            Err(error) => Err(error.into()),
        },
    };
    // What was asked for is what the caller wants to hear of first.
    let closed = session.close().await;
    outcome.and(closed)
}

async fn interruption() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}
