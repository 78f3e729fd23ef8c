//! Opening a database: migrated, checked for settings that could lose what was acknowledged, and
//! reached under the roles that each job needs and no more.

mod roles;

use std::io::ErrorKind;
use std::str::FromStr;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::{sleep, timeout, timeout_at};
use uuid::Uuid;

use crate::sessions::Sessions;

/// How long a database may take to answer when it is opened.
const PATIENCE: Duration = Duration::from_secs(10);
/// A session that worked so shortly ago is there still, or its statement says that it is not. To
/// ask each time would double the round trips of all that is short.
pub(crate) const RESTED: Duration = Duration::from_millis(500);
/// How long a request waits for a session before it is told to come later.
pub const WAIT: Duration = Duration::from_secs(4);
/// The same for a lock that somebody holds. An append is sent again meanwhile, and another may wait
/// behind it: together they are patient for a quarter of a minute at the most.
const LOCKED: Duration = Duration::from_secs(3);
/// How long the sessions may take to end when it is closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// Pools onto one database, one for each role.
#[derive(Clone, Debug)]
pub struct Database {
    /// Migrations, and the tables of read models.
    pub owner: PgPool,
    /// Feeds read models.
    pub projector: PgPool,
    /// Follows the log for all organisations, for policies and their effects.
    pub worker: PgPool,
    /// Appends and answers, for the organisation that a statement tells.
    pub app: Sessions,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL is not a PostgreSQL URL ({0}): write postgres://user@host/database")]
    Url(String),
    #[error("the database can't be reached: {0}; start it, or change DATABASE_URL")]
    Unreachable(sqlx::Error),
    #[error("the database could not be migrated: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(
        "the database runs with {0} = off and could lose what was acknowledged; \
         set {0} = on in postgresql.conf and restart"
    )]
    NotDurable(&'static str),
    #[error("role {role} {too_much}; a program that answers requests must not: {mend}")]
    OwnsTooMuch { role: String, too_much: String, mend: String },
    #[error("the database failed while it was checked: {0}")]
    Check(sqlx::Error),
}

/// How many connections each role may hold.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    pub app: u32,
    pub worker: u32,
    pub projector: u32,
}

/// How the names of sessions that feed read models begin in `pg_stat_activity`.
pub const PROJECTOR: &str = "verbatim projector";

impl Default for Connections {
    fn default() -> Self {
        Connections { app: 16, worker: 14, projector: 6 }
    }
}

impl Database {
    pub fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            // Not the rest, which may hold a password.
            let scheme = url.split_once("://").map(|(scheme, _)| format!("it is one of {scheme}"));
            return Err(OpenError::Url(scheme.unwrap_or("it has no scheme".to_owned())));
        }
        PgConnectOptions::from_str(url).map_err(|error| OpenError::Url(error.to_string()))
    }

    /// Checks, migrates, and opens. `durable: false` skips the durability check; only tests, whose
    /// cluster is thrown away, may ask for that.
    pub async fn open(
        options: PgConnectOptions,
        connections: Connections,
        durable: bool,
    ) -> Result<Database, OpenError> {
        // Not through a pool, which would try for long and then not say why it failed.
        let mut owner = connect(&options).await?;
        if durable {
            check_durability(&mut owner).await?;
        }
        roles::check(&mut owner).await?;
        let database = Self::attach(options, connections);
        migrations::MIGRATOR.run(&database.owner).await?;
        roles::check(&mut owner).await?;
        roles::check_guard(&mut owner, database.app.pool()).await?;
        // What it ran has been answered; how the session ends changes nothing.
        let _ = owner.close().await;
        Ok(database)
    }

    /// Pools onto a database that is migrated already; connects on first use.
    pub fn attach(options: PgConnectOptions, connections: Connections) -> Database {
        let options = options.log_statements(tracing::log::LevelFilter::Trace);
        // By their names an operator finds out who does what in the database, and a process which
        // sessions are those of one that it takes over from.
        let process = &Uuid::new_v4().simple().to_string()[..8];
        let named =
            |job: &str| options.clone().application_name(&format!("verbatim {job} {process}"));
        let under =
            |role: &str| named(role.trim_start_matches("verbatim_")).options([("role", role)]);
        let locked = format!("{}ms", LOCKED.as_millis());
        Database {
            owner: pool(named("owner"), 8),
            projector: pool(under("verbatim_projector"), connections.projector),
            worker: pool(under("verbatim_worker"), connections.worker),
            // A query within an organisation is planned without knowing which: once is enough.
            app: Sessions::of(connections.app, |most| {
                let settings =
                    [("lock_timeout", locked.as_str()), ("plan_cache_mode", "force_generic_plan")];
                pool(under("verbatim_app").options(settings), most)
            }),
        }
    }

    /// Ends the sessions. A database that is gone doesn't keep the program from ending.
    pub async fn close(&self) {
        let closing = [&self.worker, &self.projector, &self.owner].map(PgPool::close);
        let _ = timeout(FAREWELL, join(self.app.close(), join_all(closing))).await;
    }
}

fn pool(options: PgConnectOptions, most: u32) -> PgPool {
    // Times are compared and digested as text, so every session must print them alike.
    let options = options.options([
        ("timezone", "UTC"),
        ("statement_timeout", "0"),
        // A process that sleeps within a transaction keeps no row from others for longer.
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(WAIT)
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move { Ok(known.idle_for < RESTED || connection.ping().await.is_ok()) })
        })
        .connect_lazy_with(options)
}

/// The setting of that text: an empty variable of the environment tells nothing.
pub fn told(setting: Option<&String>) -> Option<&str> {
    setting.map(String::as_str).filter(|text| !text.is_empty())
}

/// One connection, or the reason why there is none. Only a server that is just starting is waited
/// for.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    const STARTING: &str = "57P03";
    let options = options.clone().log_statements(tracing::log::LevelFilter::Trace);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tried = timeout_at(deadline.into(), options.connect()).await;
        match tried.unwrap_or_else(|_| Err(std::io::Error::from(ErrorKind::TimedOut).into())) {
            Ok(connection) => return Ok(connection),
            Err(error) if code(&error).is_some_and(|code| code == STARTING) => {
                sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(OpenError::Unreachable(error)),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

async fn check_durability(owner: &mut PgConnection) -> Result<(), OpenError> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(&mut *owner)
            .await
            .map_err(OpenError::Check)?;
        if value == "off" {
            return Err(OpenError::NotDurable(setting));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_another_database_is_refused_without_telling_its_password() {
        for url in ["mysql://root:hunter2@localhost/verbatim", "a database", "localhost:5432"] {
            let refusal = Database::options(url).unwrap_err().to_string();
            assert!(refusal.starts_with("DATABASE_URL is not a PostgreSQL URL"), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
        assert!(Database::options("postgres://postgres@localhost/verbatim").is_ok());
        assert!(Database::options("postgresql:///verbatim?host=/run/postgresql").is_ok());
    }

    #[test]
    fn an_empty_variable_tells_nothing() {
        assert_eq!(told(Some(&String::new())), None);
        assert_eq!(told(Some(&"x".to_owned())), Some("x"));
    }

    #[tokio::test]
    async fn a_server_that_does_not_listen_is_told_at_once_and_by_its_cause() {
        let nobody = Database::options("postgres://postgres@127.0.0.1:1/verbatim").unwrap();
        let since = Instant::now();
        let refusal = Database::open(nobody, Connections::default(), true).await.unwrap_err();
        assert!(refusal.to_string().contains("refused"), "{refusal}");
        assert!(since.elapsed() < Duration::from_secs(2));
    }
}
