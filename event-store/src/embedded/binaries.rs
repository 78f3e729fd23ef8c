//! Finds `initdb` and `postgres` on this machine, and prepares commands that run them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::geteuid;

use super::{account::Account, error::EmbeddedError};

/// Views with `security_invoker` need 15.
const OLDEST: u32 = 15;

pub(super) struct Binaries {
    bin: PathBuf,
    libraries: Option<OsString>,
    account: Option<Account>,
}

impl Binaries {
    /// The first fit among PG_BIN_DIR, PATH, the distribution's directories and the unpacked
    /// packages; `made_by` is the major version of a cluster that exists and opens under no other.
    pub(super) fn find(
        account: Option<&Account>,
        made_by: Option<u32>,
    ) -> Result<Binaries, EmbeddedError> {
        candidates()
            .filter_map(|dir| Binaries::at(&dir, account))
            .find(|found| match (found.major(), made_by) {
                (Some(major), Some(wanted)) => major == wanted,
                (Some(major), None) => major >= OLDEST,
                (None, _) => false,
            })
            .ok_or_else(|| EmbeddedError::NoBinaries {
                wanted: made_by.map_or_else(
                    || format!("PostgreSQL (version {OLDEST} or newer)"),
                    |major| format!("PostgreSQL {major} (the version that made this data)"),
                ),
                package: format!("postgresql-{}", made_by.unwrap_or(OLDEST)),
            })
    }

    fn at(dir: &Path, account: Option<&Account>) -> Option<Binaries> {
        // A link such as /usr/local/bin/postgres would hide where the libraries lie.
        let bin = dir.join("postgres").canonicalize().ok()?.parent()?.to_owned();
        let libraries = libraries_beside(&bin);
        bin.join("initdb").is_file().then(|| Binaries { bin, libraries, account: account.cloned() })
    }

    fn major(&self) -> Option<u32> {
        let said = self.command("postgres").arg("--version").output().ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        let version = said.split_whitespace().nth(2)?;
        version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// A command of the server's user, with an environment that says nothing about ours, in a
    /// process group of its own: Ctrl-C must reach the program first, which then stops the server.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").env_clear().env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command.stdin(Stdio::null()).process_group(0);
        command
    }
}

fn candidates() -> impl Iterator<Item = PathBuf> {
    let told = env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let path: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let unpacked = unpacked_packages().map(|root| root.join("usr/lib/postgresql"));
    told.into_iter()
        .chain(path)
        .chain(newest_first(Path::new("/usr/lib/postgresql")))
        .chain(unpacked.into_iter().flat_map(|dir| newest_first(&dir)))
}

fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin).collect()
}

/// Where `./dev` unpacks the distribution's packages when it may not install them.
fn unpacked_packages() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(PathBuf::from("/var/cache/verbatim/postgresql"));
    }
    let cache = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("verbatim/postgresql"))
}

/// Unpacked packages bring libraries that the system's loader doesn't know, below the same root.
fn libraries_beside(bin: &Path) -> Option<OsString> {
    let inherited = env::var_os("LD_LIBRARY_PATH").filter(|paths| !paths.is_empty());
    let root = bin.ancestors().nth(5).filter(|_| is_package_layout(bin));
    let Some(root) = root.filter(|root| root.parent().is_some()) else { return inherited };
    let mut dirs: Vec<PathBuf> = ["usr/lib", "lib"]
        .iter()
        .flat_map(|dir| fs::read_dir(root.join(dir)).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|dir| dir.to_string_lossy().contains("-linux-gnu"))
        .collect();
    dirs.extend(inherited.iter().flat_map(env::split_paths));
    env::join_paths(dirs).ok()
}

/// `<root>/usr/lib/postgresql/<major>/bin`
fn is_package_layout(bin: &Path) -> bool {
    let mut names = bin.ancestors().map(|dir| dir.file_name().unwrap_or(OsStr::new("")));
    names.next() == Some(OsStr::new("bin"))
        && names.nth(1) == Some(OsStr::new("postgresql"))
        && names.next() == Some(OsStr::new("lib"))
}
