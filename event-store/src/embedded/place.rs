//! Where a cluster keeps its files: the data directory, and a socket whose path is short enough.

use std::{
    env,
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::{
    account::Account,
    error::{EmbeddedError, io_error},
};

/// A Unix socket's path has 107 bytes, and PostgreSQL appends `/.s.PGSQL.5432.lock`.
const LONGEST_SOCKET_DIR: usize = 85;

#[derive(Clone)]
pub(super) struct Place {
    dir: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) sockets: PathBuf,
    pub(super) account: Option<Account>,
}

impl Place {
    /// Makes the data directory if need be, and refuses one that the server couldn't use.
    pub(super) fn prepare(dir: &Path) -> Result<Place, EmbeddedError> {
        make_dir(dir, true)?;
        let place = Place::at(dir)?;
        if let Some(account) = &place.account
            && let Some(barrier) = account.barrier(&place.dir)
        {
            let (account, dir) = (account.name.clone(), place.dir);
            return Err(EmbeddedError::Unreachable { account, barrier, dir });
        }
        Ok(place)
    }

    /// The place of a data directory that exists.
    pub(super) fn at(dir: &Path) -> Result<Place, EmbeddedError> {
        let dir = dir.canonicalize().map_err(io_error(format!("open {}", dir.display())))?;
        let cluster = dir.join("postgres");
        let account = Account::for_cluster(&cluster)?;
        Ok(Place { sockets: socket_dir(&cluster), cluster, account, dir })
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    /// Where initdb works until it is done: an interrupted one leaves no half cluster.
    pub(super) fn scratch(&self) -> PathBuf {
        self.dir.join("postgres.new")
    }

    /// The major version that made the cluster, if there is one.
    pub(super) fn made_by(&self) -> Option<u32> {
        fs::read_to_string(self.cluster.join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Held for as long as this program uses the cluster; the kernel gives it back, however the
    /// program ends.
    pub(super) fn lock(&self) -> Result<File, EmbeddedError> {
        let path = self.dir.join("postgres.lock");
        let opened =
            File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(io_error(format!("open {}", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(self.dir.clone())),
            Err(TryLockError::Error(error)) => {
                Err(io_error(format!("lock {}", path.display()))(error))
            }
        }
    }

    /// An empty directory that belongs to the server's user and is closed to everybody else.
    pub(super) fn make_private(&self, dir: &Path) -> Result<(), EmbeddedError> {
        let what = || io_error(format!("create {}", dir.display()));
        DirBuilder::new().mode(0o700).create(dir).map_err(what())?;
        match &self.account {
            Some(account) => chown(dir, Some(account.uid), Some(account.gid)).map_err(what()),
            None => Ok(()),
        }
    }

    /// Whoever owns the socket's directory could answer in the server's name, and every name under
    /// /tmp is open to everybody: so it is made by us or has to be as if it were.
    pub(super) fn make_socket_dir(&self) -> Result<(), EmbeddedError> {
        if self.sockets == self.cluster {
            return Ok(());
        }
        match self.make_private(&self.sockets) {
            Err(EmbeddedError::Io { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                match self.has_safe_sockets() {
                    true => Ok(()),
                    false => Err(EmbeddedError::UnsafeSocketDir(self.sockets.clone())),
                }
            }
            made => made,
        }
    }

    pub(super) fn has_safe_sockets(&self) -> bool {
        let owner = self.account.as_ref().map_or(geteuid().as_raw(), |account| account.uid);
        fs::symlink_metadata(&self.sockets)
            .is_ok_and(|dir| dir.is_dir() && dir.uid() == owner && dir.mode() & 0o077 == 0)
    }
}

/// Makes a data directory for keys alone, whose database is elsewhere: closed to everybody else,
/// unless there is a cluster in it, too.
pub fn make_private_dir(dir: &Path) -> Result<(), EmbeddedError> {
    make_dir(dir, dir.join("postgres").exists())
}

/// Makes the directory, or takes rights that are too wide from one that was made for this.
fn make_dir(dir: &Path, for_cluster: bool) -> Result<(), EmbeddedError> {
    // A cluster is closed itself; as root, its user must be able to pass.
    let mode = if for_cluster && geteuid().is_root() { 0o711 } else { 0o700 };
    match dir.metadata() {
        Ok(found) if found.mode() & 0o777 == mode || !is_ours(dir, &found) => return Ok(()),
        Ok(_) => {}
        Err(_) => {
            fs::create_dir_all(dir).map_err(io_error(format!("create {}", dir.display())))?;
        }
    }
    fs::set_permissions(dir, Permissions::from_mode(mode))
        .map_err(io_error(format!("set the mode of {}", dir.display())))
}

/// Whether it holds nothing, or what we put there: somebody who names `/tmp` or a home of theirs
/// doesn't want it closed.
fn is_ours(dir: &Path, found: &fs::Metadata) -> bool {
    const STICKY: u32 = 0o1000;
    let Ok(mut entries) = fs::read_dir(dir) else { return false };
    let held = |name: &str| dir.join(name).exists();
    found.uid() == geteuid().as_raw()
        && found.mode() & STICKY == 0
        && (entries.next().is_none() || held("postgres.lock") || held("master.key"))
}

/// In the cluster, which is closed to others already; or, when that path is too long, in a short
/// directory named by it.
fn socket_dir(cluster: &Path) -> PathBuf {
    if cluster.as_os_str().len() <= LONGEST_SOCKET_DIR {
        return cluster.to_owned();
    }
    let name = hex::encode(&Sha256::digest(cluster.as_os_str().as_bytes())[..4]);
    Path::new("/tmp").join(format!("verbatim-{name}"))
}

/// Where data goes when nobody says: `./data`, or for root, when PostgreSQL's user can't enter the
/// current directory, `/var/lib/verbatim`.
pub fn default_data_dir() -> PathBuf {
    reachable_or(PathBuf::from("./data"), "/var/lib/verbatim")
}

/// `wished`, unless PostgreSQL's user can't enter it (or the nearest parent that exists): then
/// `otherwise`.
pub fn reachable_or(wished: PathBuf, otherwise: impl Into<PathBuf>) -> PathBuf {
    let Ok(Some(account)) = Account::for_cluster(&wished.join("postgres")) else { return wished };
    let Ok(absolute) = env::current_dir().map(|here| here.join(&wished)) else { return wished };
    let nearest = absolute.ancestors().find_map(|dir| dir.canonicalize().ok());
    match nearest.and_then(|dir| account.barrier(&dir)) {
        Some(_) => otherwise.into(),
        None => wished,
    }
}
