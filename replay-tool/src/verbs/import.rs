//! `import`: brings in a log that postgres-es wrote in its own table, stream by stream.

pub(crate) mod source;
pub(crate) mod stream;

use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::ProgressBar;
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use self::source::Parts;
use self::stream::Outcome;
use crate::connect::Session;
use crate::failure::Failure;
use crate::shown;

/// Parts of streams on their way at once: as many as fill a batch of the log's group commit.
const IN_FLIGHT: usize = 256;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The database to bring events from.
    #[arg(long, value_name = "URL")]
    from: String,
    /// The table that postgres-es wrote.
    #[arg(long, default_value = "events")]
    table: String,
    /// The organisation that the events will belong to.
    #[arg(long, value_name = "UUID")]
    tenant: Uuid,
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Imported {
    pub(crate) streams: u64,
    /// Read from the source.
    pub(crate) events: u64,
    pub(crate) imported: u64,
    /// Brought in by an earlier import.
    pub(crate) present: u64,
    /// Parts of streams that were not brought in, and why the first was not.
    pub(crate) refused: u64,
    pub(crate) first_refusal: Option<String>,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let from =
        PgPoolOptions::new().max_connections(1).connect(&args.from).await.map_err(|error| {
            Failure::Found(format!("the database to import from can't be reached: {error}"))
        })?;
    let imported = bring(session, &from, &args.table, args.tenant).await?;
    if session.json {
        shown::say_json(&imported)?;
    } else {
        shown::say(format!(
            "{} events of {} streams read: {} imported, {} already there",
            imported.events, imported.streams, imported.imported, imported.present
        ))?;
    }
    match imported.first_refusal {
        None => Ok(()),
        Some(first) => Err(Failure::Found(match imported.refused {
            1 => format!("not imported: {first}"),
            more => format!("{more} parts of streams were not imported, the first: {first}"),
        })),
    }
}

pub(crate) async fn bring(
    session: &Session,
    from: &PgPool,
    table: &str,
    tenant: Uuid,
) -> Result<Imported, Failure> {
    let store = session.new_store().await?;
    bring_into(&store, from, table, tenant).await
}

pub(crate) async fn bring_into(
    store: &event_store::Store,
    from: &PgPool,
    table: &str,
    tenant: Uuid,
) -> Result<Imported, Failure> {
    let mut imported = Imported::default();
    let mut in_flight = FuturesUnordered::new();
    let query = source::query(table);
    let mut parts = Parts::of(from, &query);
    let bar = ProgressBar::new_spinner();
    while let Some(part) = parts.next().await? {
        imported.events += part.events.len() as u64;
        imported.streams += u64::from(!part.continues);
        bar.set_message(format!("{} events", imported.events));
        bar.tick();
        // The rest of a stream waits for its beginning.
        let most = if part.continues { 0 } else { IN_FLIGHT - 1 };
        while in_flight.len() > most
            && let Some(outcome) = in_flight.try_next().await?
        {
            imported.count(outcome);
        }
        in_flight.push(stream::bring(store, tenant, part));
    }
    while let Some(outcome) = in_flight.try_next().await? {
        imported.count(outcome);
    }
    bar.finish_and_clear();
    Ok(imported)
}

impl Imported {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Done { imported, present } => {
                self.imported += imported;
                self.present += present;
            }
            Outcome::Refused(reason) => {
                self.refused += 1;
                self.first_refusal.get_or_insert(reason);
            }
        }
    }
}
