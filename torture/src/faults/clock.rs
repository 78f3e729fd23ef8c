//! A wall clock that jumps: a few lines of C, preloaded into PostgreSQL and the server, add to it
//! what a file says.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;

const SOURCE: &str = include_str!("../../clock.c");
/// Names the file to the preloaded code, and to this program that it is the one that may move it.
const FILE: &str = "TORTURE_CLOCK";
const PRELOAD: &str = "LD_PRELOAD";

/// Seconds ahead of the machine's clock, one after the other; in the end all is as it was.
const JUMPS: [i64; 6] = [7200, 3600, 3610, -1800, 60, 0];

/// A clock that this program may move.
pub(crate) struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// The one with which the database of this process was started.
    pub(crate) fn found() -> Option<Clock> {
        let file = PathBuf::from(env::var_os(FILE)?);
        let library = file.with_file_name("clock.so");
        Some(Clock { file, library })
    }

    /// What the server has to be told, so that it goes by this clock.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![(FILE.to_owned(), text(&self.file)), (PRELOAD.to_owned(), text(&self.library))]
    }

    fn jump(&self, seconds: i64) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        // In place: it is mapped into others.
        fs::File::options().write(true).open(&self.file)?.write_all_at(&seconds.to_ne_bytes(), 0)
    }

    pub(crate) async fn jumps(&self, lasts: Duration) -> Outcome<()> {
        for seconds in JUMPS {
            self.jump(seconds)?;
            sleep(lasts / 4).await;
        }
        Ok(())
    }
}

/// Runs this program once more, with a PostgreSQL that goes by a clock of ours. `None`: it is not
/// known where PostgreSQL is, or there is no C compiler.
pub(crate) fn again(dir: &Path, arguments: &[String]) -> Outcome<Option<ExitStatus>> {
    let Some(real) = env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()) else {
        return Ok(None);
    };
    let bin = dir.join("bin");
    fs::create_dir_all(&bin)?;
    let (source, library, file) = (dir.join("clock.c"), dir.join("clock.so"), dir.join("clock"));
    fs::write(&source, SOURCE)?;
    fs::write(&file, 0_i64.to_ne_bytes())?;
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl");
    if !compile.status().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    // PostgreSQL is started with an empty environment: what it is to know stands here.
    for program in ["postgres", "initdb"] {
        let wrapped = format!(
            "#!/bin/sh\n{FILE}={} {PRELOAD}={} exec {}/{program} \"$@\"\n",
            file.display(),
            library.display(),
            Path::new(&real).display()
        );
        let path = bin.join(program);
        fs::write(&path, wrapped)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let mut own = Command::new(env::current_exe()?);
    own.args(arguments).env(FILE, &file).env("PG_BIN_DIR", &bin);
    Ok(Some(own.status()?))
}
