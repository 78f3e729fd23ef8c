//! `verbatim staff`: adds and removes members of the platform's staff, beside a server that runs or
//! where none does. Whoever may start the program here may do so.

use clap::Subcommand;
use commands::Commands;
use commands::access::staff;
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use uuid::Uuid;

use crate::server::Outcome;
use crate::settings::Settings;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add somebody; tells their id and, only here, their key.
    Add { name: String },
    /// Take somebody's key and visits away.
    Remove { id: Uuid },
}

pub(crate) async fn run(settings: &Settings, verb: &Verb) -> Outcome<()> {
    let dir = settings.data_dir();
    let (options, started) = match settings.database_url() {
        Some(url) => (Database::options(url)?, None),
        None => match embedded::running(&dir).await {
            Some(options) => (options, None),
            None => {
                let settings = embedded::Settings { dir: dir.clone(), durable: true };
                let started = Embedded::start(&settings).await?;
                (started.options(), Some(started))
            }
        },
    };
    let database = Database::open(options, Connections::default(), true).await?;
    let master = match settings.master_key() {
        Some(key) => MasterKey::from_hex(key)?,
        None => MasterKey::from_file(&dir.join("master.key"))?,
    };
    let commands = Commands::new(Store::open(&database, master, Clock::Database).await?);
    let done = carry_out(&commands, verb).await;
    database.close().await;
    if let Some(started) = started {
        started.stop().await?;
    }
    done
}

async fn carry_out(commands: &Commands, verb: &Verb) -> Outcome<()> {
    match verb {
        Verb::Add { name } => {
            let (id, key) = staff::add(commands, name).await?;
            println!("Added {id}\nTheir key, which is told nowhere else:\n{key}");
        }
        Verb::Remove { id } => {
            staff::remove(commands, *id).await?;
            println!("Removed {id}");
        }
    }
    Ok(())
}
