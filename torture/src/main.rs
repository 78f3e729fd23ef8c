//! Torture: the real program, over a real database and between simulated providers, through what
//! machines do to programs; and the log by itself beside a model of it. A seed repeats what is done;
//! whom it hits in what stays a matter of time.

mod ask;
mod clients;
mod cluster;
mod crash;
mod dice;
mod faults;
mod hall;
mod ledger;
mod model;
mod programs;
mod proxy;
mod reckoning;
mod stage;
mod trial;
mod walk;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

use faults::Fault;
use hall::Hall;
use programs::Programs;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Puts Verbatim through kills, cut wires and full disks, and reckons afterwards. Without a verb, a
/// little of everything.
#[derive(Parser)]
#[command(name = "torture")]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Repeats what is done, to whom, and after how long. Printed in any case.
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Where data goes; what went wrong stays there.
    #[arg(long, global = true, default_value = "/tmp")]
    dir: PathBuf,
    /// Where `verbatim` and `replay-tool` are [default: where this program is].
    #[arg(long, global = true)]
    programs: Option<PathBuf>,
    /// Less of it.
    #[arg(long, global = true)]
    short: bool,
}

#[derive(Clone, Subcommand)]
enum Verb {
    /// Kills server and database with signal 9, under load.
    Crash {
        #[arg(long, default_value_t = 100)]
        kills: usize,
    },
    /// Cuts the wire between server and database: at each statement of each command, and at random.
    Proxy {
        /// How long at random.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
    },
    /// What machines and neighbours do to a database; all of it, if none is named.
    Faults { faults: Vec<Fault> },
    /// Compares the log with a model in memory, operation by operation, while its database is killed.
    Model {
        /// How many [default: 1000000, and 4000 in the short form].
        #[arg(long)]
        operations: Option<u64>,
    },
}

const OPERATIONS: u64 = 1_000_000;
/// The short form.
const KILLS: usize = 20;
const STORM: Duration = Duration::from_secs(20);
const FEW_OPERATIONS: u64 = 4_000;

#[tokio::main]
async fn main() -> ExitCode {
    // Whoever makes an HTTP client finds it; that there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("torture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as it should be.
async fn run(arguments: Arguments) -> Outcome<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let hall = Hall {
        seed: arguments.seed.unwrap_or(now),
        dir: arguments.dir,
        programs: Programs::find(arguments.programs)?,
        began: Instant::now(),
        short: arguments.short || arguments.verb.is_none(),
    };
    hall.says(&format!("seed {}", hall.seed));
    match arguments.verb {
        Some(Verb::Crash { kills }) => hall.crash(kills).await,
        Some(Verb::Proxy { minutes }) => hall.wire(Duration::from_secs(60 * minutes)).await,
        Some(Verb::Faults { faults }) if !faults.is_empty() => hall.faults(&faults).await,
        Some(Verb::Faults { .. }) => hall.faults(&Fault::ALL).await,
        Some(Verb::Model { operations }) => {
            let usual = if hall.short { FEW_OPERATIONS } else { OPERATIONS };
            hall.model(operations.unwrap_or(usual)).await
        }
        None => {
            let well = hall.crash(KILLS).await? && hall.wire(STORM).await?;
            let well = well && hall.model(FEW_OPERATIONS).await?;
            Ok(well && hall.faults(&Fault::ALL).await?)
        }
    }
}
