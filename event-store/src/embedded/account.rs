//! Whom the server runs as: PostgreSQL refuses root, so a root program lends it an unprivileged user.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::{Uid, User, geteuid};

use super::error::EmbeddedError;

/// An unprivileged user that a program of root starts the server as.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// `None` when this program isn't root: then the server runs as whoever runs the program.
    ///
    /// A cluster that exists keeps its owner, so that installing the distribution's `postgres`
    /// user later doesn't lock anyone out of data that `nobody` owns.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Option<Account>, EmbeddedError> {
        let owner = fs::metadata(cluster).ok().map(|found| found.uid());
        if !geteuid().is_root() {
            return match owner {
                Some(uid) if uid != geteuid().as_raw() => {
                    Err(EmbeddedError::ForeignCluster { cluster: cluster.to_owned(), uid })
                }
                _ => Ok(None),
            };
        }
        let owner = owner.filter(|uid| *uid != 0);
        let found = match owner {
            Some(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
            None => ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok()?),
        };
        match found {
            Some(user) => Ok(Some(Account {
                name: user.name,
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            })),
            None => Err(EmbeddedError::NoAccount),
        }
    }

    /// The first directory on the way to `path` that this user may not enter.
    pub(super) fn barrier(&self, path: &Path) -> Option<PathBuf> {
        let mut on_the_way: Vec<&Path> = path.ancestors().collect();
        on_the_way.reverse();
        on_the_way.into_iter().find(|dir| !self.may_enter(dir)).map(Path::to_owned)
    }

    fn may_enter(&self, dir: &Path) -> bool {
        let Ok(found) = fs::metadata(dir) else { return false };
        let bit = match () {
            () if found.uid() == self.uid => 0o100,
            () if found.gid() == self.gid => 0o010,
            () => 0o001,
        };
        found.mode() & bit != 0
    }
}
