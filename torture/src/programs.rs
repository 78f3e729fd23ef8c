//! The real programs, as processes of their own that know only what they are told.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Outcome;

/// The directory in which they were built.
#[derive(Clone, Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those of that directory, or those that were built with this program.
    pub(crate) fn find(told: Option<PathBuf>) -> Outcome<Programs> {
        let own = std::env::current_exe()?;
        let dir = told.or_else(|| own.parent().map(Path::to_owned)).unwrap_or_default();
        for name in ["verbatim", "replay-tool"] {
            if !dir.join(name).exists() {
                return Err(format!("{name} is not in {}: build it first", dir.display()).into());
            }
        }
        Ok(Programs(dir))
    }

    pub(crate) fn dir(&self) -> &PathBuf {
        &self.0
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        for (name, _) in std::env::vars_os() {
            let told = name.to_string_lossy().into_owned();
            let ours = ["VERBATIM_", "OTEL_"].iter().any(|prefix| told.starts_with(prefix));
            if ours || told == "DATABASE_URL" || told == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        command
    }
}

/// A program that runs and may be killed.
pub(crate) struct Process(Child);

impl Process {
    /// What it says goes to the end of that file.
    pub(crate) fn start(mut command: Command, log: &Path) -> io::Result<Process> {
        let said = File::options().create(true).append(true).open(log)?;
        command.stdout(said.try_clone()?).stderr(said);
        Ok(Process(command.spawn()?))
    }

    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Ends it as a service manager does; whether it ended well.
    pub(crate) fn stop(&mut self) -> Outcome<bool> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM)?;
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Lines of a log that no program should ever write.
pub(crate) fn panics(log: &Path) -> Vec<String> {
    let said = fs::read_to_string(log).unwrap_or_default();
    said.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect()
}
