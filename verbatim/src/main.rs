//! The program: `verbatim serve`, `verbatim demo` and `verbatim openapi`.

mod demo;
mod server;
mod settings;
mod staff;
mod telemetry;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use settings::Settings;
use telemetry::Telemetry;

/// An answer is made of many short texts: with the system's allocator a third of a page's time goes
/// into making and freeing them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let tells = if quiet { "warn" } else { "info,sqlx::postgres::notice=warn" };
    // Whoever makes an HTTP client finds it; that there is one already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // actix starts workers of its own; this runtime carries the rest.
    let outcome = actix_web::rt::System::with_tokio_rt(runtime).block_on(async {
        let telemetry = Telemetry::start(&arguments.settings.log, tells)?;
        let outcome = match verb {
            Verb::Serve => server::serve(&arguments.settings).await,
            Verb::Demo => demo::run(&arguments.settings).await,
            Verb::Openapi => Ok(()),
            Verb::Staff(verb) => staff::run(&arguments.settings, &verb).await,
        };
        telemetry.end().await;
        outcome
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
