//! Rows of one read model in memory: loaded, folded, and written back as changes. Live feeding,
//! rebuilding, and looking into the past all fold here.

mod columns;
mod copy;
pub(crate) mod fields;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::{ReadModel, Table};
use crate::stops::Stops;
use crate::{Error, Recorded};

pub(crate) use columns::Columns;

/// Why an event did not get into a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row's key as JSON.
    pub key: String,
    pub reason: String,
}

/// Why an event did not get into a row that stood still already.
pub(crate) const WAITING: &str = "waits for one before it";

impl Fault {
    /// Of an event whose row stands still since an earlier fault.
    pub(crate) fn waiting(key: String) -> Self {
        Fault { key, reason: WAITING.into() }
    }
}

/// What must be written to bring the table to where the rows in memory are.
#[derive(Debug)]
pub struct Changes {
    /// Whole rows: those that the table does not have, and those that it may have.
    pub inserts: Columns,
    pub upserts: Columns,
    /// A JSON array of keys, and how many.
    pub deletes: String,
    pub deleted: usize,
}

/// The rows of one read model as the engine handles them. Keys and rows pass as JSON objects.
pub trait WorkingSet: Send + Sync {
    /// The keys that these events touch, that are not in memory, and that the table may have, as a
    /// JSON array; `None` if there are none. From now on they count as loaded: absent unless
    /// [`Self::supply`] brings them.
    fn want(&mut self, events: &[&Recorded], table: &InTable) -> Option<String>;
    fn supply(&mut self, rows: &[String]) -> Result<(), Error>;
    /// Folds the event into the rows it touches, but for keys that stand still or leave it out.
    fn fold(&mut self, event: &Recorded, stops: &Stops) -> Vec<Fault>;
    /// The keys that an event touches, as JSON.
    fn keys(&self, event: &Recorded) -> Vec<String>;
    /// Those of the events that touch the row of this key.
    fn touching(&self, key: &str, events: Vec<Recorded>) -> Vec<Recorded>;
    /// What changed since the last call, to be written over what the table has.
    fn changes(&mut self) -> Changes;
    /// The same, to be copied into a table that has none of it: first the keys, as a JSON array, of
    /// rows that the table has in an older form; then, call by call, rows as lines for `copy`,
    /// about `bytes` at once and none in the end.
    fn outdated(&self) -> Option<String>;
    fn copy(&mut self, bytes: usize) -> Vec<u8>;
    /// How many keys are held in memory, and about how many bytes they take.
    fn len(&self) -> usize;
    fn bytes(&self) -> usize;
    fn clear(&mut self);
    /// Forgets the rows that were not touched for the longest time, about half of all, which must
    /// have been written. Tells the table which of them it has.
    fn forget_half(&mut self, table: &mut InTable);
    /// All rows by key, in the key's order, in the form that digests are made of.
    fn canonical(&self) -> BTreeMap<String, String>;
    /// The row of this key.
    fn row(&self, key: &str) -> Option<String>;
}

/// Which keys, of those that are not in memory, the table may have.
#[derive(Clone, Debug)]
pub enum InTable {
    Any,
    /// Hashes of keys: those of a build that knows all that it has written.
    Only(HashSet<u64>),
}

impl InTable {
    fn may_have(&self, key: &impl Hash) -> bool {
        match self {
            InTable::Any => true,
            InTable::Only(keys) => !keys.is_empty() && keys.contains(&hash(key)),
        }
    }

    /// About how many bytes this takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            InTable::Any => 0,
            InTable::Only(keys) => keys.capacity() * (size_of::<u64>() + 1),
        }
    }
}

fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

pub(crate) struct Rows<M: ReadModel> {
    rows: HashMap<M::Key, Slot<M::Row>>,
    /// Keys of the rows that are not as they were written.
    changed: Vec<M::Key>,
    /// Counts the calls of `want`.
    round: u32,
    /// A running average of what a row's text takes; one row of [`SAMPLED`] is measured.
    row_bytes: usize,
    folded: usize,
}

struct Slot<R> {
    row: Option<R>,
    changed: bool,
    /// The table has a row of this key.
    written: bool,
    /// The round in which an event touched it last.
    touched: u32,
}

/// Of so many folds one measures its row.
const SAMPLED: usize = 64;

impl<M: ReadModel> Default for Rows<M> {
    fn default() -> Self {
        Rows { rows: HashMap::new(), changed: vec![], round: 0, row_bytes: 0, folded: 0 }
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Keys and rows are plain structs of plain values: there is nothing in them that has no JSON.
    serde_json::to_string(value).unwrap_or_default()
}

fn array<'a, T: serde::Serialize + 'a>(items: impl Iterator<Item = &'a T>) -> (String, usize) {
    let (mut text, mut count) = (String::from("["), 0);
    for item in items {
        if count > 0 {
            text.push(',');
        }
        text.push_str(&json(item));
        count += 1;
    }
    text.push(']');
    (text, count)
}

impl<M: ReadModel> Rows<M> {
    /// Takes the row as it is after an event. One that the event left as it was is not written again.
    fn put(&mut self, key: M::Key, row: Option<M::Row>) {
        let touched = self.round;
        let slot = self.rows.entry(key.clone()).or_insert(Slot {
            row: None,
            changed: false,
            written: false,
            touched,
        });
        if slot.row == row {
            return;
        }
        slot.row = row;
        if !std::mem::replace(&mut slot.changed, true) {
            self.changed.push(key);
        }
    }

    fn wrote(&mut self, key: &M::Key) {
        if let Some(slot) = self.rows.get_mut(key) {
            slot.changed = false;
            slot.written = slot.row.is_some();
        }
    }

    fn measure(&mut self, row: Option<&M::Row>) {
        self.folded += 1;
        if self.folded % SAMPLED == 1
            && let Some(row) = row
        {
            let text = json(row).len();
            self.row_bytes =
                if self.row_bytes == 0 { text } else { (self.row_bytes * 31 + text) / 32 };
        }
    }
}

impl<M: ReadModel> WorkingSet for Rows<M> {
    fn want(&mut self, events: &[&Recorded], table: &InTable) -> Option<String> {
        self.round = self.round.wrapping_add(1);
        let mut missing = vec![];
        for key in events.iter().copied().flat_map(M::keys) {
            if let Some(slot) = self.rows.get_mut(&key) {
                slot.touched = self.round;
                continue;
            }
            if table.may_have(&key) {
                missing.push(key.clone());
            }
            let touched = self.round;
            self.rows.insert(key, Slot { row: None, changed: false, written: false, touched });
        }
        (!missing.is_empty()).then(|| array(missing.iter()).0)
    }

    fn supply(&mut self, rows: &[String]) -> Result<(), Error> {
        for text in rows {
            let unreadable =
                |error: serde_json::Error| Error::Row { model: M::NAME, reason: error.to_string() };
            let key: M::Key = serde_json::from_str(text).map_err(unreadable)?;
            let row: M::Row = serde_json::from_str(text).map_err(unreadable)?;
            let touched = self.round;
            self.rows.insert(key, Slot { row: Some(row), changed: false, written: true, touched });
        }
        Ok(())
    }

    fn fold(&mut self, event: &Recorded, stops: &Stops) -> Vec<Fault> {
        let (mut faults, position) = (vec![], event.stored.position);
        for key in M::keys(event) {
            if !stops.is_empty() {
                let text = json(&key);
                if stops.holds(&text, position) {
                    faults.push(Fault::waiting(text));
                    continue;
                }
                if stops.leaves_out(&text, position) {
                    continue;
                }
            }
            let before = self.rows.get(&key).and_then(|slot| slot.row.clone());
            match catch_unwind(AssertUnwindSafe(|| M::fold(&key, before, event))) {
                Ok(after) => {
                    self.measure(after.as_ref());
                    self.put(key, after);
                }
                Err(panic) => {
                    faults.push(Fault { key: json(&key), reason: told(panic.as_ref()) });
                }
            }
        }
        faults
    }

    fn keys(&self, event: &Recorded) -> Vec<String> {
        M::keys(event).iter().map(json).collect()
    }

    fn touching(&self, key: &str, mut events: Vec<Recorded>) -> Vec<Recorded> {
        let Ok(key) = serde_json::from_str::<M::Key>(key) else { return vec![] };
        events.retain(|event| M::keys(event).contains(&key));
        events
    }

    fn changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changed);
        let there = |key: &&M::Key| self.rows.get(key).is_some_and(|slot| slot.row.is_some());
        let (mut inserts, mut upserts) =
            (Columns::new(M::Row::COLUMNS), Columns::new(M::Row::COLUMNS));
        for slot in changed.iter().filter_map(|key| self.rows.get(key)) {
            let rows = if slot.written { &mut upserts } else { &mut inserts };
            if let Some(row) = &slot.row {
                rows.add(&json(row));
            }
        }
        let (deletes, deleted) = array(changed.iter().filter(|key| !there(key)));
        for key in &changed {
            self.wrote(key);
        }
        Changes { inserts, upserts, deletes, deleted }
    }

    fn outdated(&self) -> Option<String> {
        let written = |key: &&M::Key| self.rows.get(key).is_some_and(|slot| slot.written);
        let (keys, count) = array(self.changed.iter().filter(written));
        (count > 0).then_some(keys)
    }

    fn copy(&mut self, bytes: usize) -> Vec<u8> {
        let mut lines = vec![];
        while lines.len() < bytes {
            let Some(key) = self.changed.pop() else { break };
            if let Some(row) = self.rows.get(&key).and_then(|slot| slot.row.as_ref()) {
                copy::line(row, &mut lines);
            }
            self.wrote(&key);
        }
        lines
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn bytes(&self) -> usize {
        let slot = size_of::<(M::Key, Slot<M::Row>)>() + 1;
        self.rows.capacity() * slot
            + self.rows.len() * self.row_bytes
            + self.changed.capacity() * size_of::<M::Key>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget_half(&mut self, table: &mut InTable) {
        let mut ages: Vec<u32> =
            self.rows.values().map(|slot| self.round.wrapping_sub(slot.touched)).collect();
        if ages.is_empty() {
            return;
        }
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let (median, round, mut surplus) = (*median, self.round, self.rows.len() - middle);
        self.rows.retain(|key, slot| {
            let goes = surplus > 0 && round.wrapping_sub(slot.touched) >= median && !slot.changed;
            if goes {
                surplus -= 1;
                if let InTable::Only(keys) = table
                    && slot.written
                {
                    keys.insert(hash(key));
                }
            }
            !goes
        });
        self.rows.shrink_to_fit();
        self.changed.shrink_to_fit();
    }

    fn canonical(&self) -> BTreeMap<String, String> {
        let row =
            |(key, slot): (&M::Key, &Slot<M::Row>)| Some((json(key), json(slot.row.as_ref()?)));
        self.rows.iter().filter_map(row).collect()
    }

    fn row(&self, key: &str) -> Option<String> {
        let key: M::Key = serde_json::from_str(key).ok()?;
        Some(json(self.rows.get(&key)?.row.as_ref()?))
    }
}

fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the fold panicked: {}", text.unwrap_or("no message"))
}
