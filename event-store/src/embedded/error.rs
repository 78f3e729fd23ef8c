//! What can keep the private PostgreSQL cluster from starting or stopping, each in one line that says what to do.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error(
        "{} is in use by another running program: stop it, or choose another --data-dir",
        .0.display()
    )]
    InUse(PathBuf),

    #[error(
        "no {wanted} server programs found: run `apt-get install -y --no-install-recommends \
         {package}`, or set PG_BIN_DIR to a directory that holds initdb and postgres, or set \
         DATABASE_URL to use a server of your own"
    )]
    NoBinaries { wanted: String, package: String },

    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to \
         run it as"
    )]
    NoAccount,

    #[error(
        "the PostgreSQL user `{account}` can't enter {}, so it can't keep data in {}: run with \
         --data-dir /var/lib/verbatim", .barrier.display(), .dir.display()
    )]
    Unreachable { account: String, barrier: PathBuf, dir: PathBuf },

    #[error(
        "{} belongs to another user (uid {uid}): run as that user or as root, or choose another \
         --data-dir", .cluster.display()
    )]
    ForeignCluster { cluster: PathBuf, uid: u32 },

    #[error(
        "{} must be a directory of the PostgreSQL user that nobody else can enter: remove it and \
         start again", .0.display()
    )]
    UnsafeSocketDir(PathBuf),

    #[error("initdb failed: {0}")]
    Initdb(String),

    #[error("postgres did not start: {reason} (see {})", .log.display())]
    NotStarted { reason: String, log: PathBuf },

    #[error("postgres (process {0}) is still shutting down after a minute")]
    NotStopped(i32),

    #[error("can't {what}: {source}")]
    Io { what: String, source: io::Error },

    #[error("the embedded database refused to be set up: {0}")]
    Database(#[from] sqlx::Error),
}

/// Turns an IO error into one that says what was being done.
pub(super) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> EmbeddedError {
    let what = what.into();
    move |source| EmbeddedError::Io { what, source }
}
