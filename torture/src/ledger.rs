//! What a client was told, on disk before it counts: a line before each thing is asked, and one for
//! each acknowledgement, synced. What is reckoned in the end is what is read back from here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::ask::Ask;

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) status: u16,
    /// What was made, where the answer names it.
    pub(crate) id: Option<String>,
    /// Where the log says that it is.
    pub(crate) position: Option<i64>,
    pub(crate) body: String,
    /// The answer was kept from an earlier time.
    pub(crate) replayed: bool,
}

/// One thing that was asked for, and the acknowledgement if there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ask: Ask,
    pub(crate) told: Option<Told>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Asked(Ask),
    Acknowledged { number: u64, told: Told },
}

pub(crate) struct Ledger(File);

impl Ledger {
    pub(crate) fn open(dir: &Path, whose: &str) -> io::Result<Ledger> {
        fs::create_dir_all(dir)?;
        let path = dir.join(format!("{whose}.jsonl"));
        Ok(Ledger(File::options().create(true).append(true).open(path)?))
    }

    pub(crate) fn asks(&mut self, ask: &Ask) -> io::Result<()> {
        self.write(&Line::Asked(ask.clone()))
    }

    /// On disk when this returns.
    pub(crate) async fn acknowledged(&mut self, ask: &Ask, told: Told) -> io::Result<()> {
        self.write(&Line::Acknowledged { number: ask.number, told })?;
        let file = self.0.try_clone()?;
        tokio::task::spawn_blocking(move || file.sync_data()).await?
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.0.write_all(text.as_bytes())
    }
}

/// All ledgers of a directory, by number. Of two acknowledgements of the same, the first.
pub(crate) fn read(dir: &Path) -> Outcome<BTreeMap<u64, Entry>> {
    let mut acknowledged = BTreeMap::new();
    let mut entries = BTreeMap::new();
    for file in fs::read_dir(dir)? {
        for line in fs::read_to_string(file?.path())?.lines() {
            match serde_json::from_str(line)? {
                Line::Asked(ask) => {
                    entries.insert(ask.number, Entry { ask, told: None });
                }
                Line::Acknowledged { number, told } => {
                    acknowledged.entry(number).or_insert(told);
                }
            }
        }
    }
    for (number, told) in acknowledged {
        let entry = entries.get_mut(&number).ok_or("an acknowledgement of what nobody asked")?;
        entry.told = Some(told);
    }
    Ok(entries)
}
