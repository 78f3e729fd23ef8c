//! The server's process: made, started, found again after a crash, and stopped.

use std::{
    fs::{self, File},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::{sleep, timeout};

use super::{
    binaries::Binaries,
    error::{EmbeddedError, io_error},
    place::Place,
};

const PORT: u16 = 5432;
/// The cluster's superuser: it owns everything, and grants the narrower roles what they need.
const SUPERUSER: &str = "postgres";
/// Replaying the log after a crash takes a while where much was written since the last checkpoint.
const RECOVERY: Duration = Duration::from_secs(300);
const SHUTDOWN: Duration = Duration::from_secs(60);

pub(super) struct Server {
    pub(super) place: Place,
    /// `None` when the server was started by a program that is gone.
    child: Option<Child>,
    stays: bool,
}

impl Server {
    /// Takes over the server of a program that was killed, if there is one.
    pub(super) async fn adopt(place: &Place, durable: bool) -> Option<Server> {
        let mut connection = connect(place).await.ok()?;
        let fsync: Result<String, _> =
            sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await;
        let _ = connection.close().await;
        let mut found = Server { place: place.clone(), child: None, stays: false };
        match fsync.is_ok_and(|fsync| (fsync == "on") == durable) {
            true => Some(found),
            false => {
                // Started with other promises than the ones asked for now.
                let _ = found.stop();
                None
            }
        }
    }

    pub(super) async fn launch(
        place: &Place,
        binaries: &Binaries,
        durable: bool,
    ) -> Result<Server, EmbeddedError> {
        let log = place.log();
        let deadline = Instant::now() + RECOVERY;
        let lz4 = knows_lz4(place, binaries);
        loop {
            clear_dead_locks(place);
            let logged = fs::metadata(&log).map_or(0, |log| log.len());
            let mut command = binaries.command("postgres");
            configure(&mut command, place, durable, lz4);
            let child = spawn(command, &log)?;
            let mut server = Server { place: place.clone(), child: Some(child), stays: false };
            if server.until_ready(deadline).await? {
                return Ok(server);
            }
            server.stays = true; // ours is gone: what runs, if anything, is another's
            let reason = last_words(&log, logged);
            // A server that was killed a moment ago, or one that still recovers, holds the lock.
            let held = reason.contains("already exists") || reason.contains("still in use");
            if !held || Instant::now() > deadline {
                return Err(EmbeddedError::NotStarted { reason, log });
            }
            sleep(Duration::from_millis(250)).await;
            if let Some(adopted) = Server::adopt(place, durable).await {
                return Ok(adopted);
            }
        }
    }

    /// False when the process has ended instead.
    async fn until_ready(&mut self, deadline: Instant) -> Result<bool, EmbeddedError> {
        let mut pause = Duration::from_millis(10);
        while Instant::now() < deadline {
            if let Some(child) = &mut self.child
                && child.try_wait().map_err(io_error("watch postgres"))?.is_some()
            {
                return Ok(false);
            }
            if let Ok(connection) = connect(&self.place).await {
                let _ = connection.close().await;
                return Ok(true);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
        let reason = format!("not ready after {} s", RECOVERY.as_secs());
        Err(EmbeddedError::NotStarted { reason, log: self.place.log() })
    }

    pub(super) fn pid(&self) -> Option<i32> {
        let child = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        [recorded_pid(&self.place.cluster), child]
            .into_iter()
            .flatten()
            .find(|pid| serves(*pid, &self.place.cluster))
    }

    pub(super) fn leave_running(mut self) {
        self.stays = true;
    }

    /// Fast shutdown: sessions are ended, what is committed is checkpointed. Blocks until it is done.
    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        self.stays = true; // a second attempt, on drop, would only wait once more
        let Some(pid) = self.pid() else {
            self.reap();
            return Ok(());
        };
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        let asked = Instant::now();
        while serves(pid, &self.place.cluster) {
            if asked.elapsed() > SHUTDOWN {
                return Err(EmbeddedError::NotStopped(pid));
            }
            thread::sleep(Duration::from_millis(5));
            self.reap();
        }
        if self.place.sockets != self.place.cluster {
            let _ = fs::remove_dir(&self.place.sockets);
        }
        self.reap();
        Ok(())
    }

    fn reap(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.try_wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.stays
            && let Err(error) = self.stop()
        {
            tracing::warn!(%error, "the embedded database was left behind");
        }
    }
}

/// Makes the cluster in a scratch directory, then renames it.
pub(super) async fn initialise(
    place: &Place,
    binaries: &Binaries,
    durable: bool,
) -> Result<(), EmbeddedError> {
    let scratch = place.scratch();
    if scratch.exists() {
        fs::remove_dir_all(&scratch).map_err(io_error(format!("remove {}", scratch.display())))?;
    }
    place.make_private(&scratch)?;
    let mut command = binaries.command("initdb");
    command.args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"]);
    command.args(["--locale", "C.UTF-8", "--data-checksums", "--no-instructions"]);
    if !durable {
        command.arg("--no-sync");
    }
    command.arg("--pgdata").arg(&scratch);
    let ran = tokio::process::Command::from(command).output().await;
    let output = ran.map_err(io_error("run initdb"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said.lines().find(|line| line.contains("error:")).or(said.lines().last());
        return Err(EmbeddedError::Initdb(error.unwrap_or("it said nothing").trim().to_owned()));
    }
    fs::rename(&scratch, &place.cluster)
        .and_then(|()| File::open(place.cluster.parent().unwrap_or(Path::new("/")))?.sync_all())
        .map_err(io_error(format!("put the new cluster at {}", place.cluster.display())))
}

pub(super) fn options(place: &Place) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&place.sockets)
        .port(PORT)
        .username(SUPERUSER)
        .ssl_mode(PgSslMode::Disable)
}

/// The same as [`options`], for what takes a URL.
pub(super) fn url(place: &Place, database: &str) -> String {
    let mut host = String::new();
    for byte in place.sockets.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                host.push(char::from(byte));
            }
            _ => host.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("postgres://{SUPERUSER}@localhost:{PORT}/{database}?host={host}&sslmode=disable")
}

pub(super) async fn connect(place: &Place) -> Result<PgConnection, sqlx::Error> {
    let options = options(place).database("postgres");
    timeout(Duration::from_secs(5), options.connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn configure(command: &mut Command, place: &Place, durable: bool, lz4: bool) {
    let guarantee = if durable { "on" } else { "off" };
    command.current_dir(&place.cluster).arg("-D").arg(&place.cluster).arg("-k").arg(&place.sockets);
    let settings = [
        ("listen_addresses", ""),
        ("port", &PORT.to_string()),
        ("unix_socket_permissions", "0700"),
        ("fsync", guarantee),
        ("full_page_writes", guarantee),
        ("synchronous_commit", guarantee),
        ("wal_compression", if lz4 { "lz4" } else { "on" }),
        ("max_wal_size", "4GB"),
        ("shared_buffers", "256MB"),
        ("max_connections", "200"),
        ("jit", "off"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ];
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
}

fn knows_lz4(place: &Place, binaries: &Binaries) -> bool {
    let mut command = binaries.command("postgres");
    command.args(["-C", "wal_compression", "-c", "wal_compression=lz4", "-D"]).arg(&place.cluster);
    command.output().is_ok_and(|output| output.status.success())
}

fn spawn(mut command: Command, log: &Path) -> Result<Child, EmbeddedError> {
    let file = File::options().create(true).append(true).mode(0o600).open(log);
    let file = file.map_err(io_error(format!("write {}", log.display())))?;
    command.stdout(Stdio::null()).stderr(file).spawn().map_err(io_error("run postgres"))
}

/// What the server said last in the part of its log that is new.
fn last_words(log: &Path, since: u64) -> String {
    let log = fs::read(log).unwrap_or_default();
    let since = usize::try_from(since).unwrap_or(usize::MAX).min(log.len());
    let said = String::from_utf8_lossy(&log[since..]);
    let fatal = said.lines().rev().find(|line| line.contains("FATAL:") || line.contains("PANIC:"));
    let words = fatal.or(said.lines().last()).unwrap_or("it said nothing");
    words.split_once("FATAL:").map_or(words, |(_, words)| words).trim().to_owned()
}

fn recorded_pid(cluster: &Path) -> Option<i32> {
    fs::read_to_string(cluster.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether this process is a server of this cluster: it works in its directory. A number that
/// another program got since, or a process that ended and was never waited for, is none.
fn serves(pid: i32, cluster: &Path) -> bool {
    match Path::new("/proc/self").exists() {
        true => fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == cluster),
        false => kill(Pid::from_raw(pid), None).is_ok(),
    }
}

/// PostgreSQL takes any process with the recorded number for its predecessor. In a container whose
/// first process waits for nobody, a killed server keeps its number for ever.
fn clear_dead_locks(place: &Place) {
    let Some(pid) = recorded_pid(&place.cluster) else { return };
    if kill(Pid::from_raw(pid), None).is_ok() && !serves(pid, &place.cluster) {
        let _ = fs::remove_file(place.cluster.join("postmaster.pid"));
        let _ = fs::remove_file(place.sockets.join(format!(".s.PGSQL.{PORT}.lock")));
    }
}
