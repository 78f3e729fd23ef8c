//! All trials, each on a stage of its own, and what is said of them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::faults::clock::{self, Clock};
use crate::faults::disk::Disk;
use crate::faults::{self, Fault};
use crate::programs::Programs;
use crate::proxy::Proxy;
use crate::stage::{Setting, Stage};
use crate::trial::{self, CLIENTS, Report};
use crate::{Outcome, crash, model, walk};

/// After so many kills all is reckoned, and another database begins.
const ROUND: usize = 100;
/// Of a thousand rounds between server and database, so many go wrong in a storm.
const STRIKES: u64 = 20;
/// How long a fault lasts.
const LONG: Duration = Duration::from_secs(10);
const BRIEF: Duration = Duration::from_secs(3);

/// What all trials have in common.
pub(crate) struct Hall {
    pub(crate) seed: u64,
    pub(crate) dir: PathBuf,
    pub(crate) programs: Programs,
    pub(crate) began: Instant,
    /// Less of everything, for every change.
    pub(crate) short: bool,
}

impl Hall {
    pub(crate) fn says(&self, what: &str) {
        println!("{:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.join(format!("verbatim-torture-{}-{name}", std::process::id()))
    }

    async fn stage(&self, place: PathBuf, cluster: Cluster, setting: Setting) -> Outcome<Stage> {
        Stage::set(place, cluster, self.programs.clone(), setting).await
    }

    pub(crate) async fn crash(&self, kills: usize) -> Outcome<bool> {
        for (round, first) in (0..kills).step_by(ROUND).enumerate() {
            let seed = self.seed.wrapping_add(u64::try_from(round)?);
            let (dice, kills) = (Dice::of(seed), ROUND.min(kills - first));
            let place = self.place(&format!("crash-{seed}"));
            let cluster = Cluster::start(place.join("pg")).await?;
            let stage = self.stage(place, cluster, Setting::default()).await?;
            self.says(&format!("crash, seed {seed}: {kills} kills"));
            let killing = async |_: &_| crash::kill(&stage, kills, dice.clone()).await;
            let (killed, mut report) = trial::run(&stage, &dice, CLIENTS, killing).await?;
            let whom = killed.iter().map(|(victim, times)| format!("{victim} {times}"));
            report.figures.insert(0, format!("killed: {}", listed(whom)));
            if !self.ends(stage, &report).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The log alone, without a server: so many operations, compared one by one.
    pub(crate) async fn model(&self, operations: u64) -> Outcome<bool> {
        let place = self.place("model");
        let cluster = Cluster::start(place.join("pg")).await?;
        self.says(&format!("model: {operations} operations"));
        let report = model::run(self, &cluster, operations).await?;
        cluster.stop().await?;
        drop(cluster);
        self.came_out(&place, &report)
    }

    /// First each command is cut off at each of its statements, then all is cut at random.
    pub(crate) async fn wire(&self, storm: Duration) -> Outcome<bool> {
        Ok(self.walk().await? && self.storm(storm).await?)
    }

    async fn wired(&self, name: &str) -> Outcome<(Stage, Proxy)> {
        let place = self.place(name);
        let cluster = Cluster::start(place.join("pg")).await?;
        let socket = cluster.socket().ok_or("a database without a socket")?.to_owned();
        let proxy = Proxy::start(socket).await?;
        let setting = Setting { database_url: Some(proxy.url()), ..Setting::default() };
        Ok((self.stage(place, cluster, setting).await?, proxy))
    }

    async fn walk(&self) -> Outcome<bool> {
        let (stage, proxy) = self.wired("walk").await?;
        self.says("walk: of each command, each statement fails, is cut off before, and after");
        let dice = Dice::of(self.seed);
        let walking = async |tally: &_| {
            let kinds = if self.short { &walk::FEW[..] } else { &walk::ALL[..] };
            walk::walk(&stage, &proxy, kinds, dice.clone(), tally).await
        };
        let (walked, mut report) = trial::run(&stage, &dice, 0, walking).await?;
        let ends = walked.ends.iter().map(|(end, times)| format!("{end} {times}"));
        let cuts: usize = walked.ends.values().sum();
        let figure = format!(
            "{cuts} faults at {} different statements: {}",
            walked.statements.len(),
            listed(ends)
        );
        report.figures.insert(0, figure);
        // The point of all commands: a walk that never hit it is none.
        if !walked.statements.iter().any(|statement| statement.contains("append_known(")) {
            report.wrong.push("no append of what is known was hit".to_owned());
        }
        self.ends(stage, &report).await
    }

    async fn storm(&self, lasts: Duration) -> Outcome<bool> {
        let (stage, proxy) = self.wired("storm").await?;
        self.says(&format!("storm: {} s, {STRIKES} ‰ of all rounds go wrong", lasts.as_secs()));
        let dice = Dice::of(self.seed);
        let storming = async |_: &_| {
            proxy.storm(dice.own(u64::MAX), STRIKES);
            sleep(lasts).await;
            proxy.calm();
            Ok(())
        };
        let ((), mut report) = trial::run(&stage, &dice, CLIENTS, storming).await?;
        let faults = proxy.faults();
        let faults = faults.iter().map(|(fault, times)| format!("{fault} {times}"));
        report.figures.insert(0, listed(faults));
        self.ends(stage, &report).await
    }

    pub(crate) async fn faults(&self, faults: &[Fault]) -> Outcome<bool> {
        for fault in faults {
            let well = match fault {
                Fault::Clock if Clock::found().is_none() => self.in_another_time()?,
                _ => self.fault(*fault).await?,
            };
            if !well {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The clock of a process can only be taken over as it starts.
    fn in_another_time(&self) -> Outcome<bool> {
        let place = self.place("clock");
        let seed = self.seed.to_string();
        let mut own: Vec<String> = ["faults", "clock", "--seed", &seed].map(str::to_owned).into();
        for (name, dir) in [("--dir", &self.dir), ("--programs", self.programs.dir())] {
            own.extend([name.to_owned(), dir.to_string_lossy().into_owned()]);
        }
        own.extend(self.short.then(|| "--short".to_owned()));
        match clock::again(&place, &own)? {
            Some(status) => {
                std::fs::remove_dir_all(&place)?;
                Ok(status.success())
            }
            None => {
                self.says("clock: left out, for want of PG_BIN_DIR or of a C compiler `cc`");
                Ok(true)
            }
        }
    }

    async fn fault(&self, fault: Fault) -> Outcome<bool> {
        let place = self.place(fault.word());
        let mut disk = None;
        if fault == Fault::Disk {
            disk = Disk::make(&place.join("disk"))?;
            if disk.is_none() {
                self.says("disk: left out, for only root can make a small one");
                return Ok(true);
            }
        }
        let data = if disk.is_some() { place.join("disk/pg") } else { place.join("pg") };
        let cluster = Cluster::start(data).await?;
        let clock = Clock::found();
        let environment = clock.as_ref().map(Clock::environment).unwrap_or_default();
        let setting = Setting { environment, ..Setting::default() };
        let stage = self.stage(place, cluster, setting).await?;
        self.says(fault.word());
        let lasts = if self.short { BRIEF } else { LONG };
        let happening = async || match (fault, &disk, &clock) {
            (Fault::Connections, ..) => faults::connections(&stage, lasts).await,
            (Fault::Locks, ..) => faults::locks(&stage, lasts).await,
            (Fault::Disk, Some(disk), _) => disk.is_full(&stage, lasts).await,
            (Fault::Clock, _, Some(clock)) => clock.jumps(lasts).await,
            _ => faults::restart(&stage, lasts).await,
        };
        let dice = Dice::of(self.seed);
        let torment =
            async |tally: &_| faults::torment(&stage, tally, dice.own(u64::MAX), happening).await;
        let (recovered, mut report) = trial::run(&stage, &dice, CLIENTS, torment).await?;
        report.figures.insert(0, recovered);
        let well = self.ends(stage, &report).await;
        drop(disk);
        well
    }

    async fn ends(&self, stage: Stage, report: &Report) -> Outcome<bool> {
        stage.cluster.stop().await?;
        let place = stage.dir.clone();
        drop(stage);
        self.came_out(&place, report)
    }

    /// Says what came out; clears away what went well.
    fn came_out(&self, place: &Path, report: &Report) -> Outcome<bool> {
        for figure in &report.figures {
            self.says(&format!("  {figure}"));
        }
        if report.wrong.is_empty() {
            self.says("  all is as it should be");
            clear(place)?;
            return Ok(true);
        }
        for wrong in &report.wrong {
            self.says(&format!("  WRONG: {wrong}"));
        }
        let (count, place) = (report.wrong.len(), place.display());
        self.says(&format!("  {count} findings; logs, ledgers and database are in {place}"));
        Ok(false)
    }
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A disk that is mounted there stays until it is taken away.
fn clear(place: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let gone = match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path()),
            false => std::fs::remove_file(entry.path()),
        };
        if entry.file_name() != "disk" {
            gone?;
        }
    }
    // Empty but for that.
    let _ = std::fs::remove_dir(place);
    Ok(())
}
