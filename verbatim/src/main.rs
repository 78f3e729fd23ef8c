//! The program: `verbatim serve`, `verbatim demo` and `verbatim openapi`.

mod demo;
mod server;
mod settings;
mod staff;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use settings::Settings;

/// Event-sourced backend for customer messaging.
#[derive(Parser)]
#[command(name = "verbatim", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Subcommand)]
enum Verb {
    /// Serve the API. This is what happens without a verb, too.
    Serve,
    /// Serve, with an organisation and a day of its customers to look at.
    Demo,
    /// Print the document that describes the API.
    Openapi,
    /// Add and remove the platform's staff, who stand above all organisations.
    #[command(subcommand)]
    Staff(staff::Verb),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verb = arguments.verb.unwrap_or(Verb::Serve);
    if let Verb::Openapi = verb {
        println!("{:#}", api::document());
        return ExitCode::SUCCESS;
    }
    let quiet = !matches!(verb, Verb::Serve);
    tell_log(if quiet { "warn" } else { "info,sqlx::postgres::notice=warn" });
    // Whoever makes an HTTP client finds it; that there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // actix starts workers of its own; this runtime carries the rest.
    let outcome = actix_web::rt::System::with_tokio_rt(runtime).block_on(async {
        match verb {
            Verb::Serve => server::serve(&arguments.settings).await,
            Verb::Demo => demo::run(&arguments.settings).await,
            Verb::Openapi => Ok(()),
            Verb::Staff(verb) => staff::run(&arguments.settings, &verb).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verbatim: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::expect_used, reason = "without a runtime there is nothing to run")]
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system gives threads")
}

/// Readable on a terminal, JSON elsewhere. `RUST_LOG` says how much.
fn tell_log(otherwise: &str) {
    use std::io::IsTerminal;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(otherwise));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { log.init() } else { log.json().init() }
}
