//! A durable database server that can be killed: all of its processes at once, or one session's,
//! after which PostgreSQL restarts itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use event_store::embedded::{Embedded, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::Outcome;
use crate::dice::Dice;

/// Recovery after a kill takes seconds, on a busy machine more.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    settings: Settings,
    options: PgConnectOptions,
    url: String,
    embedded: Mutex<Option<Embedded>>,
}

impl Cluster {
    /// Makes it, too.
    pub(crate) async fn start(dir: PathBuf) -> Outcome<Cluster> {
        fs::create_dir_all(&dir)?;
        // Processes are found by the directory that they work in.
        let settings = Settings { dir: dir.canonicalize()?, durable: true };
        let embedded = Embedded::start(&settings).await?;
        let (options, url) = (embedded.options(), embedded.url());
        Ok(Cluster { settings, options, url, embedded: Mutex::new(Some(embedded)) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The directory in which its socket is.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.options.get_socket().map(PathBuf::as_path)
    }

    /// A session as its superuser, past everything that may be in between.
    pub(crate) async fn connect(&self) -> sqlx::Result<PgConnection> {
        self.options.connect().await
    }

    /// Starts it where it does not run, as a service manager would; returns when it answers.
    pub(crate) async fn raise(&self) -> Outcome<()> {
        let mut embedded = self.embedded.lock().await;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Ok(connection) = self.options.connect().await {
                let _ = connection.close().await;
                return Ok(());
            }
            // One that recovers, or ends, is left alone.
            if self.processes().is_empty() {
                // Only one may hold the directory.
                drop(embedded.take());
                *embedded = Some(Embedded::start(&self.settings).await?);
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err("the database does not come up".into())
    }

    /// The processes that work in its directory, the first one among them.
    fn processes(&self) -> Vec<Pid> {
        let cluster = self.settings.dir.join("postgres");
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let works_here =
            |pid: &i32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == cluster);
        numbers.filter(works_here).map(Pid::from_raw).collect()
    }

    /// Kills all of it: nobody is left to write anything out.
    pub(crate) fn kill(&self) {
        // Whoever is started while the others die is found the next time.
        loop {
            let living = self.processes();
            if living.is_empty() {
                return;
            }
            for pid in living {
                // One that has ended meanwhile is what was wanted.
                let _ = kill(pid, Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills the process of one session; PostgreSQL then ends all others and recovers.
    pub(crate) async fn kill_session(&self, dice: &mut Dice) -> Outcome<()> {
        let mut own = self.connect().await?;
        let sessions: Vec<i32> = sqlx::query_scalar(
            "select pid from pg_stat_activity
              where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid",
        )
        .fetch_all(&mut own)
        .await?;
        if let Some(pid) = dice.pick(&sessions) {
            kill(Pid::from_raw(*pid), Signal::SIGKILL)?;
        }
        Ok(())
    }

    /// Ends it as a service manager does.
    pub(crate) async fn stop(&self) -> Outcome<()> {
        match self.embedded.lock().await.take() {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }
}
