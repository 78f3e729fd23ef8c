//! One test cluster for all test processes, and in it a database for each test, copied from a
//! migrated template that is named by a hash of the migrations.

use std::path::PathBuf;
use std::time::Duration;

use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

pub(crate) const MASTER_KEY: &str =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A database that is dropped with the value.
pub(crate) struct TestDatabase {
    pub(crate) name: String,
    pub(crate) options: PgConnectOptions,
    pub(crate) database: Database,
    cluster: PgConnectOptions,
}

impl TestDatabase {
    pub(crate) async fn new() -> TestDatabase {
        let cluster = cluster().await.database("postgres");
        let template = template(&cluster).await;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut admin = cluster.connect().await.unwrap();
        let made = format!("create database {name} template {template} strategy file_copy");
        // Copies of one template wait for each other, and give up when they waited long.
        while let Err(error) = admin.execute(made.as_str()).await {
            assert!(error.to_string().contains("being accessed"), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        admin.close().await.unwrap();
        let options = cluster.clone().database(&name);
        let connections = Connections { app: 6, worker: 2, projector: 3 };
        let database = Database::attach(options.clone(), connections);
        TestDatabase { name, options, database, cluster }
    }

    /// A store over it, as one more process would have.
    pub(crate) async fn store(&self) -> Store {
        self.store_at(Clock::Database).await
    }

    pub(crate) async fn store_at(&self, clock: Clock) -> Store {
        let connections = Connections { app: 4, worker: 3, projector: 1 };
        let own = Database::attach(self.options.clone(), connections);
        let master = MasterKey::from_hex(MASTER_KEY).unwrap();
        Store::open(&own, master, clock).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (cluster, name) = (self.cluster.clone(), self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                if let Ok(mut admin) = cluster.connect().await {
                    let dropped = format!("drop database if exists {name} with (force)");
                    let _ = admin.execute(dropped.as_str()).await;
                }
            });
        });
        let _ = dropped.join();
    }
}

/// Whoever comes first starts the cluster and leaves it running for the others.
async fn cluster() -> PgConnectOptions {
    let dir = std::env::var_os("VERBATIM_TEST_DATA_DIR").map_or_else(
        || {
            let target = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/test-cluster");
            embedded::reachable_or(target, "/var/lib/verbatim-test")
        },
        PathBuf::from,
    );
    let settings = embedded::Settings { dir, durable: false };
    for _ in 0..600 {
        if let Some(options) = embedded::running(&settings.dir).await {
            return options;
        }
        if let Ok(started) = Embedded::start(&settings).await {
            let options = started.options();
            started.leave_running();
            return options;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no test cluster in {}", settings.dir.display());
}

async fn template(cluster: &PgConnectOptions) -> String {
    let mut hash = Sha256::new();
    migrations::MIGRATOR.iter().for_each(|migration| hash.update(&migration.checksum));
    let name = format!("template_{}", &hex::encode(hash.finalize())[..16]);
    let mut admin = cluster.connect().await.unwrap();
    let there = "select exists (select from pg_database where datname = $1 and datistemplate)";
    let is_there = async |admin: &mut sqlx::PgConnection| -> bool {
        sqlx::query_scalar(there).bind(&name).fetch_one(admin).await.unwrap()
    };
    if !is_there(&mut admin).await {
        admin.execute("select pg_advisory_lock(7299)").await.unwrap();
        if !is_there(&mut admin).await {
            admin.execute(format!("drop database if exists {name}").as_str()).await.unwrap();
            admin.execute(format!("create database {name}").as_str()).await.unwrap();
            let options = cluster.clone().database(&name);
            let migrated = Database::open(options, Connections::default(), false).await.unwrap();
            migrated.close().await;
            let closed = format!("alter database {name} is_template true allow_connections false");
            admin.execute(closed.as_str()).await.unwrap();
        }
        admin.execute("select pg_advisory_unlock(7299)").await.unwrap();
    }
    admin.close().await.unwrap();
    name
}
