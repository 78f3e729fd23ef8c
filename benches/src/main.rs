//! Measures Verbatim beside its peers: in the same run, on the same database server, by turns.

mod bench;
mod cluster;
mod desk;
mod history;
mod http;
mod load;
mod measures;
mod peer;
mod programs;
mod report;
mod scale;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use bench::Bench;
use measures::Name;
use report::Report;
use scale::Size;

/// As the programs have whose parts run in this one; the peers have it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, told to whoever measures.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Measures Verbatim beside its peers, and writes what came out to report.json and report.md.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    /// What to measure; everything unless told.
    names: Vec<Name>,
    /// How large: `quick` takes minutes, `full` measures at ten million events.
    #[arg(long, value_enum, default_value_t = Size::Usual)]
    size: Size,
    /// Where the reports go.
    #[arg(long, default_value = "target/bench")]
    report_dir: PathBuf,
    /// Where the database server works [default: below the reports, or where its user can].
    #[arg(long)]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the app on stock cqrs-es and postgres-es that Verbatim is measured beside.
    #[command(hide = true)]
    Peer {
        #[arg(long)]
        database_url: String,
        #[arg(long)]
        connections: u32,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.verb {
        Some(Verb::Peer { database_url, connections }) => actix_web::rt::System::new()
            .block_on(peer::app::serve(database_url, *connections))
            .map(|()| true),
        None => measure(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything that was asked for came out as a number.
fn measure(arguments: &Arguments) -> Outcome<bool> {
    // As many workers as the program itself has.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let data_dir = arguments.data_dir.clone();
        let bench = Bench::start(arguments.size, &arguments.report_dir, data_dir).await?;
        let mut report = Report::new(arguments.size, &arguments.report_dir);
        let measured = measures::run(&bench, &arguments.names, &mut report).await;
        bench.stop().await?;
        measured?;
        println!("{}", report.table());
        println!("{}", report.summary());
        Ok(report.is_complete())
    })
}
