//! A disk of the database's own, in memory, that can be filled.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::time::sleep;

use crate::Outcome;
use crate::stage::Stage;

/// Enough for the cluster and for what it writes in a trial.
const SIZE: &str = "700m";

/// Taken away when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Nothing where it takes root to make one.
    pub(crate) fn make(dir: &Path) -> Outcome<Option<Disk>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        fs::create_dir_all(dir)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={SIZE},mode=0755"), "tmpfs"]).arg(dir);
        let made = mount.output()?;
        Ok(made.status.success().then(|| Disk(dir.to_owned())))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves not a byte, over and over: what is freed meanwhile is taken, too.
    pub(crate) async fn is_full(&self, stage: &Stage, lasts: Duration) -> Outcome<()> {
        for _ in 0..lasts.as_millis() / 100 {
            self.fill()?;
            sleep(Duration::from_millis(100)).await;
        }
        fs::remove_file(self.ballast())?;
        // PostgreSQL ends where it can't write its own log. Who started it starts it again.
        stage.cluster.raise().await
    }

    fn fill(&self) -> Outcome<()> {
        let mut ballast = fs::File::options().create(true).append(true).open(self.ballast())?;
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0; size];
            while ballast.write_all(&piece).is_ok() {}
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
