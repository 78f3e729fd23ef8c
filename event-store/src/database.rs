//! Opening a database: migrated, checked for settings that could lose what was acknowledged, and
//! reached under the roles that each job needs and no more.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};

/// Pools onto one database, one for each role.
#[derive(Clone, Debug)]
pub struct Database {
    /// Migrations, and the tables of read models.
    pub owner: PgPool,
    /// Feeds read models.
    pub projector: PgPool,
    /// Appends and answers; owns nothing.
    pub app: PgPool,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("DATABASE_URL is not a PostgreSQL URL: {0}")]
    Url(sqlx::Error),
    #[error("the database can't be reached: {0}")]
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
    pub projector: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Connections { app: 16, projector: 4 }
    }
}

impl Database {
    pub fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
        PgConnectOptions::from_str(url).map_err(OpenError::Url)
    }

    /// Migrates, checks, and opens. `durable: false` skips the durability check; only tests, whose
    /// cluster is thrown away, may ask for that.
    pub async fn open(
        options: PgConnectOptions,
        connections: Connections,
        durable: bool,
    ) -> Result<Database, OpenError> {
        let database = Self::attach(options, connections);
        migrations::MIGRATOR.run(&database.owner).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) if is_unreachable(&error) => {
                OpenError::Unreachable(error)
            }
            other => OpenError::Migration(other),
        })?;
        if durable {
            check_durability(&database.owner).await?;
        }
        check_roles(&database.owner).await?;
        Ok(database)
    }

    /// Pools onto a database that is migrated already; connects on first use.
    pub fn attach(options: PgConnectOptions, connections: Connections) -> Database {
        let options = options.log_statements(tracing::log::LevelFilter::Trace);
        let under = |role: &str| options.clone().options([("role", role)]);
        Database {
            owner: pool(options.clone(), 4),
            projector: pool(under("verbatim_projector"), connections.projector),
            app: pool(under("verbatim_app"), connections.app),
        }
    }

    pub async fn close(&self) {
        tokio::join!(self.app.close(), self.projector.close(), self.owner.close());
    }
}

fn pool(options: PgConnectOptions, most: u32) -> PgPool {
    // Times are compared and digested as text, so every session must print them alike.
    let options = options.options([("timezone", "UTC"), ("statement_timeout", "0")]);
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options)
}

fn is_unreachable(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_))
}

async fn check_durability(owner: &PgPool) -> Result<(), OpenError> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(owner)
            .await
            .map_err(OpenError::Check)?;
        if value == "off" {
            return Err(OpenError::NotDurable(setting));
        }
    }
    Ok(())
}

async fn check_roles(owner: &PgPool) -> Result<(), OpenError> {
    for role in ["verbatim_app", "verbatim_projector", "verbatim_bi"] {
        let (mighty, bypasses): (bool, bool) =
            sqlx::query_as("select rolsuper, rolbypassrls from pg_roles where rolname = $1")
                .bind(role)
                .fetch_one(owner)
                .await
                .map_err(OpenError::Check)?;
        let owned: Option<String> = sqlx::query_scalar(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
              where n.nspname in ('public', 'read', 'read_data')
                and pg_has_role($1, c.relowner, 'USAGE') limit 1",
        )
        .bind(role)
        .fetch_optional(owner)
        .await
        .map_err(OpenError::Check)?;
        let (too_much, mend) = match owned {
            _ if mighty => ("is a superuser".to_owned(), format!("alter role {role} nosuperuser")),
            _ if bypasses => {
                ("bypasses row security".to_owned(), format!("alter role {role} nobypassrls"))
            }
            Some(table) => (
                format!("owns {table}, itself or through a role it belongs to"),
                format!("give {table} to the role that migrates"),
            ),
            None => continue,
        };
        return Err(OpenError::OwnsTooMuch { role: role.to_owned(), too_much, mend });
    }
    Ok(())
}
