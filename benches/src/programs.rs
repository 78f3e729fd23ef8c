//! The real programs, as processes of their own: what is measured shares no memory and no runtime
//! with the load.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use crate::Outcome;
use crate::bench::{Bench, MASTER_KEY, connections};

const LISTENING: &str = "Listening on http://";
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// A server that answers.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// Verbatim's server. Limits are off, and so is a line in the log for each answer: the peer has
/// neither.
pub(crate) async fn verbatim(bench: &Bench, database: &str) -> Outcome<Running> {
    let mut command = Command::new(beside("verbatim")?);
    known_only(&mut command);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--limit-key", "0", "--limit-address", "0", "--limit-organization", "0"]);
    // Nobody listens on port 9: what is measured reaches no provider.
    command.args(["--whatsapp-base-url", "http://127.0.0.1:9"]);
    command.env("RUST_LOG", "warn,verbatim=info");
    command.env("DATABASE_URL", bench.cluster.url(database)).env("VERBATIM_MASTER_KEY", MASTER_KEY);
    command.arg("--data-dir").arg(bench.cluster.dir.join("server"));
    Running::start(command, &bench.cluster.dir.join("server.log")).await
}

/// The peer's, with as many sessions as Verbatim's.
pub(crate) async fn peer(bench: &Bench, database: &str) -> Outcome<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["peer", "--connections", &connections().to_string()]);
    command.args(["--database-url", &bench.cluster.url(database)]);
    Running::start(command, &bench.cluster.dir.join("peer.log")).await
}

/// Runs `replay-tool` to its end; tells the most memory that it held at a time, in MiB.
pub(crate) async fn replay_tool(bench: &Bench, database: &str, args: &[&str]) -> Outcome<f64> {
    let mut command = Command::new(beside("replay-tool")?);
    known_only(&mut command);
    command.args(args).stdout(Stdio::null());
    command.env("DATABASE_URL", bench.cluster.url(database)).env("VERBATIM_MASTER_KEY", MASTER_KEY);
    let mut child = command.spawn()?;
    let mut most = 0.0_f64;
    loop {
        most = most.max(memory(child.id(), "VmHWM").unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(most) } else { Err("replay-tool failed".into()) };
        }
        sleep(PAUSE).await;
    }
}

/// pgbench, where `./dev` has found PostgreSQL's programs, or in the path.
pub(crate) fn pgbench() -> Command {
    let dir = std::env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty());
    Command::new(dir.map_or_else(|| "pgbench".into(), |dir| Path::new(&dir).join("pgbench")))
}

/// A program that was built with this one.
fn beside(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(format!("{} is not built: `./dev bench` builds it", path.display()).into());
    }
    Ok(path)
}

/// Takes from a program what the environment would tell it.
fn known_only(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy().starts_with("VERBATIM_");
        if told || name == OsStr::new("DATABASE_URL") || name == OsStr::new("RUST_LOG") {
            command.env_remove(name);
        }
    }
}

impl Running {
    async fn start(mut command: Command, log: &Path) -> Outcome<Running> {
        let said = File::create(log)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        let mut child = command.spawn()?;
        let since = Instant::now();
        loop {
            let said = fs::read_to_string(log)?;
            if let Some(address) = address(&said) {
                return Ok(Running { child, address });
            }
            if child.try_wait()?.is_some() || since.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err(format!("a server did not start: {said}").into());
            }
            sleep(PAUSE).await;
        }
    }

    /// The most memory that it held at a time, in MiB.
    pub(crate) fn peak_memory(&self) -> Outcome<f64> {
        memory(self.child.id(), "VmHWM")
    }

    /// Ends it as a service manager does.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(said: &str) -> Option<SocketAddr> {
    let (_, after) = said.split_once(LISTENING)?;
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':')?;
    after[..end].parse().ok()
}

/// A number of KiB that the kernel tells of a process, in MiB.
fn memory(process: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no such number")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_where_it_is_in_plain_words_and_in_json() {
        for said in [
            "Listening on http://127.0.0.1:4711\n",
            r#"{"fields":{"message":"Listening on http://127.0.0.1:4711"}}"#,
        ] {
            assert_eq!(address(said), "127.0.0.1:4711".parse().ok());
        }
        assert_eq!(address("Listening on http://127.0.0.1:47"), None, "not yet said");
    }
}
