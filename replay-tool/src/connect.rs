//! Finds the database as the server does: DATABASE_URL, else the embedded cluster in the data
//! directory, which is joined where it runs and started for the duration where it doesn't.

use std::path::PathBuf;
use std::time::Duration;

use event_store::database::{Connections, OpenError, told};
use event_store::embedded::{self, Embedded, Settings};
use event_store::{Clock, Database, MasterKey, Store};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::failure::Failure;
use crate::verbs::Verb;

#[derive(clap::Args, Clone, Default)]
pub(crate) struct Place {
    /// The server's database, where it has one of its own.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Where the server's private database and its master key are [default: ./data].
    #[arg(long, global = true, env = "VERBATIM_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The key that personal values are opened with: 64 hex digits. Without it, `master.key` in
    /// the data directory.
    #[arg(long, global = true, env = "VERBATIM_MASTER_KEY", hide_env_values = true)]
    #[arg(value_name = "KEY")]
    master_key: Option<String>,
}

impl Place {
    fn url(&self) -> Option<&str> {
        told(self.database_url.as_ref())
    }

    fn dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(embedded::default_data_dir)
    }

    /// The key that personal values are opened with. A server elsewhere has its own: one that was
    /// made here would only lock its data.
    fn master_key(&self, may_make: bool) -> Result<MasterKey, Failure> {
        if let Some(key) = told(self.master_key.as_ref()) {
            return Ok(MasterKey::from_hex(key)?);
        }
        let file = self.dir().join("master.key");
        if !file.exists() && !may_make {
            return Err(Failure::Usage(format!(
                "the master key is needed: set VERBATIM_MASTER_KEY, or --data-dir to where \
                 master.key is ({} is not there)",
                file.display()
            )));
        }
        Ok(MasterKey::from_file(&file)?)
    }

    async fn find(&self, may_make: bool) -> Result<(PgConnectOptions, Option<Embedded>), Failure> {
        if let Some(url) = self.url() {
            return Ok((Database::options(url)?, None));
        }
        let dir = self.dir();
        if let Some(options) = embedded::running(&dir).await {
            return Ok((options, None));
        }
        if !may_make && !dir.join("postgres").exists() {
            return Err(Failure::Usage(format!(
                "there is no database in {}: set --data-dir or DATABASE_URL",
                dir.display()
            )));
        }
        let started = Embedded::start(&Settings { dir, durable: true }).await?;
        Ok((started.options(), Some(started)))
    }
}

/// What a verb works with.
pub(crate) struct Session {
    pub(crate) database: Database,
    pub(crate) json: bool,
    place: Place,
    started: Option<Embedded>,
}

impl Session {
    /// Verbs that only look do so in read-only sessions and migrate nothing.
    pub(crate) async fn open(place: &Place, verb: &Verb, json: bool) -> Result<Self, Failure> {
        let (options, started) = place.find(verb.may_make_database()).await?;
        let connections = Connections::default();
        let database = match verb.writes() {
            true => Database::open(options, connections, true).await?,
            false => {
                // Opening personal values goes through the store, which checks its key by a record.
                let app = Database::attach(options.clone(), connections).app;
                let options = options.options([("default_transaction_read_only", "on")]);
                let database = Database { app, ..Database::attach(options, connections) };
                check_migrated(&database.owner).await?;
                database
            }
        };
        Ok(Session { database, json, place: place.clone(), started })
    }

    /// The pool that the log and the read models are read through: it sees every organisation.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.database.owner
    }

    /// The log with its keys.
    pub(crate) async fn store(&self) -> Result<Store, Failure> {
        let key = self.place.master_key(false)?;
        Ok(Store::open(&self.database, key, Clock::Database).await?)
    }

    /// The same for who may be the first to write here.
    pub(crate) async fn new_store(&self) -> Result<Store, Failure> {
        let key = self.place.master_key(self.place.url().is_none())?;
        Ok(Store::open(&self.database, key, Clock::Database).await?)
    }

    pub(crate) async fn close(self) -> Result<(), Failure> {
        // What still listens in the background must not keep the tool from ending.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.database.close()).await;
        match self.started {
            Some(started) => Ok(started.stop().await?),
            None => Ok(()),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(database: Database) -> Self {
        Session { database, json: true, place: Place::default(), started: None }
    }
}

async fn check_migrated(owner: &PgPool) -> Result<(), Failure> {
    let migrated: bool = sqlx::query_scalar("select to_regclass('public.events') is not null")
        .fetch_one(owner)
        .await
        .map_err(OpenError::Unreachable)?;
    match migrated {
        true => Ok(()),
        false => Err(Failure::Found(
            "this database holds no log yet: the server's first start makes it".into(),
        )),
    }
}
