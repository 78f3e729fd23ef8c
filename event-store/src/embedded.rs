//! A private, durable PostgreSQL cluster in a data directory, for those who bring no server of their own.
//!
//! `<dir>/postgres` is the cluster and `<dir>/postgres.log` its log. It listens on a Unix socket that
//! only its own user and root can open, so it needs no password, and it lives as long as the program
//! that holds [`Embedded`]. After a kill, the next start takes over what still runs, or lets
//! PostgreSQL recover.

mod account;
mod binaries;
mod error;
mod place;
mod server;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use sqlx::{Connection, postgres::PgConnectOptions};

use self::{binaries::Binaries, place::Place, server::Server};

pub use self::{
    error::EmbeddedError,
    place::{default_data_dir, make_private_dir, reachable_or},
};

const DATABASE: &str = "verbatim";

pub struct Settings {
    pub dir: PathBuf,
    /// False trades all safety for speed: for tests, whose data nobody misses.
    pub durable: bool,
}

pub struct Embedded {
    // Fields drop in this order: the lock is given back when the server has stopped.
    server: Server,
    _lock: File,
}

impl Embedded {
    /// Makes the cluster if there is none, starts it if it doesn't run, and waits until it answers.
    pub async fn start(settings: &Settings) -> Result<Embedded, EmbeddedError> {
        let place = Place::prepare(&settings.dir)?;
        let lock = place.lock()?;
        place.make_socket_dir()?;
        let server = match Server::adopt(&place, settings.durable).await {
            Some(left_behind) => left_behind,
            None => launch(&place, settings.durable).await?,
        };
        let embedded = Embedded { server, _lock: lock };
        embedded.ensure_database().await?;
        Ok(embedded)
    }

    /// How to reach the database `verbatim` as its superuser.
    pub fn options(&self) -> PgConnectOptions {
        server::options(&self.server.place).database(DATABASE)
    }

    /// The same as a URL, which psql takes too.
    pub fn url(&self) -> String {
        server::url(&self.server.place, DATABASE)
    }

    /// The server's process, if it runs.
    pub fn pid(&self) -> Option<i32> {
        self.server.pid()
    }

    /// Ends all sessions, writes a checkpoint and waits for the server to be gone.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let stopping = tokio::task::spawn_blocking(move || {
            let Embedded { mut server, _lock } = self;
            server.stop()
        });
        stopping.await.map_err(|error| EmbeddedError::Io {
            what: "wait for postgres to stop".to_owned(),
            source: error.into(),
        })?
    }

    /// Gives the directory back while the server goes on: the next [`Embedded::start`] takes it over.
    pub fn leave_running(self) {
        self.server.leave_running();
    }

    async fn ensure_database(&self) -> Result<(), EmbeddedError> {
        let mut connection = server::connect(&self.server.place).await?;
        let there: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(DATABASE)
                .fetch_one(&mut connection)
                .await?;
        if !there {
            let create = format!("CREATE DATABASE {DATABASE}");
            sqlx::raw_sql(&create).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }
}

/// How to reach the cluster that another program runs in `dir`, without taking it over.
pub async fn running(dir: &Path) -> Option<PgConnectOptions> {
    let place = Place::at(dir).ok().filter(Place::has_safe_sockets)?;
    server::connect(&place).await.ok()?.close().await.ok()?;
    Some(server::options(&place).database(DATABASE))
}

async fn launch(place: &Place, durable: bool) -> Result<Server, EmbeddedError> {
    let binaries = Binaries::find(place.account.as_ref(), place.made_by())?;
    if place.made_by().is_none() {
        server::initialise(place, &binaries, durable).await?;
    }
    Server::launch(place, &binaries, durable).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
