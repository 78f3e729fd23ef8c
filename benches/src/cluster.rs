//! The database server that everybody is measured on: durable, with the settings that the program
//! itself gives its own.

use std::path::PathBuf;

use event_store::embedded::{self, Embedded};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::Outcome;

pub(crate) struct Cluster {
    embedded: Embedded,
    pub(crate) dir: PathBuf,
}

impl Cluster {
    pub(crate) async fn start(dir: PathBuf) -> Outcome<Cluster> {
        let settings = embedded::Settings { dir: dir.clone(), durable: true };
        Ok(Cluster { embedded: Embedded::start(&settings).await?, dir })
    }

    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        self.embedded.options().database(database)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        self.embedded.url().replace("/verbatim?", &format!("/{database}?"))
    }

    pub(crate) fn socket(&self) -> Option<PathBuf> {
        self.embedded.options().get_socket().cloned()
    }

    async fn admin(&self) -> Outcome<PgConnection> {
        Ok(self.options("postgres").connect().await?)
    }

    /// An empty database, whatever was there before.
    pub(crate) async fn fresh(&self, database: &str) -> Outcome<PgConnectOptions> {
        let mut admin = self.admin().await?;
        sqlx::raw_sql(&format!("drop database if exists {database} with (force)"))
            .execute(&mut admin)
            .await?;
        sqlx::raw_sql(&format!("create database {database}")).execute(&mut admin).await?;
        admin.close().await?;
        Ok(self.options(database))
    }

    pub(crate) async fn remove(&self, database: &str) -> Outcome<()> {
        let mut admin = self.admin().await?;
        sqlx::raw_sql(&format!("drop database if exists {database} with (force)"))
            .execute(&mut admin)
            .await?;
        Ok(admin.close().await?)
    }

    /// Writes out what was written, so that nobody pays for what another one did.
    pub(crate) async fn rest(&self) -> Outcome<()> {
        let mut admin = self.admin().await?;
        sqlx::raw_sql("checkpoint").execute(&mut admin).await?;
        Ok(admin.close().await?)
    }

    pub(crate) async fn stop(self) -> Outcome<()> {
        Ok(self.embedded.stop().await?)
    }
}
