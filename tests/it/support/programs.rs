//! The real programs: built, started, listened to, and ended by their process id.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the programs are. They are always built: what lies there may be older than the source.
static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| {
    let tests = std::env::current_exe().unwrap();
    let dir = tests.parent().and_then(Path::parent).unwrap().to_owned();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    build.args(["build", "--quiet", "-p", "verbatim", "-p", "replay-tool", "--target-dir"]);
    build.arg(dir.parent().unwrap());
    // What cargo told of the tests' package is not true of those that are built here.
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    std::env::vars().filter(|(name, _)| told(name)).for_each(|(name, _)| {
        build.env_remove(name);
    });
    if dir.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the programs can't be built");
    dir
});

/// A program that knows only what it is told on its command line.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(PROGRAMS.join(name));
    let settings = std::env::vars_os().map(|(name, _)| name);
    let ours = |name: &str| ["VERBATIM_", "OTEL_"].iter().any(|prefix| name.starts_with(prefix));
    let settings = settings.filter(|name| ours(&name.to_string_lossy()));
    for setting in settings.chain(["DATABASE_URL".into()]) {
        command.env_remove(setting);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a program that ends by itself said and left.
pub(crate) fn ended(mut command: Command) -> Output {
    command.output().unwrap()
}

/// What a tool that does what it is told says.
#[track_caller]
pub(crate) fn said(mut tool: Command, words: &[&str]) -> String {
    tool.args(words);
    let output = ended(tool);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Positions are dense, and what people see follows from the log. Tells where everything stands.
#[track_caller]
pub(crate) fn assert_whole(program: impl Fn(&str) -> Command) -> Value {
    said(program("replay-tool"), &["verify"]);
    let status = said(program("replay-tool"), &["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["head"], status["events"], "positions are dense");
    status
}

/// A data directory of one test that PostgreSQL's user can reach. What still runs in it is ended
/// with it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let name = uuid::Uuid::new_v4().simple().to_string();
        Scratch(Path::new("/tmp").join(format!("verbatim-it-{}", &name[..12])))
    }

    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg("--data-dir").arg(&self.0);
        command
    }

    /// The database server that works in it.
    pub(crate) fn postgres(&self) -> Option<Pid> {
        let cluster = self.0.join("postgres");
        let file = std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
        let pid: i32 = file.lines().next()?.trim().parse().ok()?;
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (works_in == cluster).then(|| Pid::from_raw(pid))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(postgres) = self.postgres() {
            let _ = kill(postgres, Signal::SIGQUIT);
            while self.postgres().is_some() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program that runs until it is ended.
pub(crate) struct Running {
    child: Child,
    /// Held so that what it says finds an ear.
    said: Receiver<String>,
    pub(crate) base_url: String,
}

impl Running {
    /// Starts a server and waits until it says where it is, in a line with these words.
    pub(crate) fn start(mut command: Command, words: &str) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (ear, said) = mpsc::channel();
        let listen = |source: Box<dyn Read + Send>| {
            let ear = ear.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(source).lines().map_while(Result::ok) {
                    let _ = ear.send(line);
                }
            });
        };
        listen(Box::new(child.stdout.take().unwrap()));
        listen(Box::new(child.stderr.take().unwrap()));
        drop(ear);
        let mut heard = vec![];
        loop {
            let Ok(line) = said.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it never said {words:?}, but {heard:#?}");
            };
            if line.contains(words) {
                let from = line.find("http://").unwrap();
                let base_url = line[from..].split(['"', ' ', '\\']).next().unwrap().to_owned();
                return Running { child, said, base_url };
            }
            heard.push(line);
        }
    }

    /// What it says from here on, up to a line with these words.
    pub(crate) fn hear(&self, words: &str) -> Vec<String> {
        let mut heard: Vec<String> = vec![];
        while !heard.last().is_some_and(|line| line.contains(words)) {
            let Ok(line) = self.said.recv_timeout(PATIENCE) else {
                panic!("it never said {words:?}, but {heard:#?}");
            };
            heard.push(line);
        }
        heard
    }

    /// Ends it as a service manager does.
    pub(crate) fn stop(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }

    /// Ends it without a word of warning.
    pub(crate) fn kill(&mut self) {
        kill(self.pid(), Signal::SIGKILL).unwrap();
        self.child.wait().unwrap();
    }

    /// It does nothing more, and nobody is told: its connections stay.
    pub(crate) fn pause(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.said.try_iter().for_each(drop);
    }
}
