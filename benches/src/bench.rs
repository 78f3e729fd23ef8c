//! What measures share: how large they are, the database server, and the logs they are about.

use std::path::{Path, PathBuf};
use std::time::Instant;

use event_store::database::Connections;
use event_store::embedded::reachable_or;
use event_store::{Clock, Database, MasterKey, Store};
use projections::Model;
use projections::rebuild::{Terms, rebuild};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::OnceCell;

use crate::Outcome;
use crate::cluster::Cluster;
use crate::desk::Desk;
use crate::scale::{Scale, Size};

pub(crate) const MASTER_KEY: &str =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// As many sessions as the program holds, for whomever it is measured beside.
pub(crate) fn connections() -> u32 {
    let Connections { app, worker, projector } = Connections::default();
    app + worker + projector
}

pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) cluster: Cluster,
    desk: OnceCell<Desk>,
}

/// A log of ours, as a process of its own has it open.
pub(crate) struct Log {
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    pub(crate) store: Store,
}

impl Bench {
    pub(crate) async fn start(
        size: Size,
        report_dir: &Path,
        data_dir: Option<PathBuf>,
    ) -> Outcome<Bench> {
        let otherwise = || reachable_or(report_dir.join("data"), "/var/lib/verbatim-bench");
        let cluster = Cluster::start(data_dir.unwrap_or_else(otherwise)).await?;
        Ok(Bench { scale: size.scale(), cluster, desk: OnceCell::new() })
    }

    pub(crate) async fn stop(mut self) -> Outcome<()> {
        if let Some(desk) = self.desk.take() {
            desk.close(&self).await?;
        }
        self.cluster.stop().await
    }

    /// Both servers, started when they are first asked for.
    pub(crate) async fn desk(&self) -> Outcome<&Desk> {
        self.desk.get_or_try_init(|| Desk::open(self)).await
    }

    /// An empty log in a database of its own.
    pub(crate) async fn log(&self, name: &'static str) -> Outcome<Log> {
        let options = self.cluster.fresh(name).await?;
        let database = Database::open(options, Connections::default(), true).await?;
        projections::live::prepare(&database).await?;
        let master = MasterKey::from_hex(MASTER_KEY)?;
        let store = Store::open(&database, master, Clock::Database).await?;
        Ok(Log { name, database, store })
    }

    /// An empty database with the tables that postgres-es comes with.
    pub(crate) async fn stock(&self, name: &str, connections: u32) -> Outcome<PgPool> {
        let options = self.cluster.fresh(name).await?;
        let pool = PgPoolOptions::new().max_connections(connections).connect_with(options).await?;
        sqlx::raw_sql(crate::peer::SCHEMA).execute(&pool).await?;
        Ok(pool)
    }
}

impl Log {
    /// Makes these read models anew. Returns seconds.
    pub(crate) async fn rebuild(&self, models: &[&'static dyn Model]) -> Outcome<f64> {
        let started = Instant::now();
        // Nobody feeds what is live here: there is nothing to wait for.
        let terms = Terms { live_lag: None, ..Terms::default() };
        for (_, rebuilt) in rebuild(&self.database, models, &terms, &|_| {}).await? {
            rebuilt?;
        }
        Ok(started.elapsed().as_secs_f64())
    }

    /// Ends the sessions, and with them the log.
    pub(crate) async fn close(self, bench: &Bench) -> Outcome<()> {
        self.database.close().await;
        bench.cluster.remove(self.name).await
    }
}
