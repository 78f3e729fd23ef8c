//! Rows of one read model in memory: loaded, folded, and written back as changes. Live feeding,
//! rebuilding, and looking into the past all fold here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::model::ReadModel;
use crate::{Error, Recorded};

/// Why an event did not get into a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row's key as JSON.
    pub key: String,
    pub reason: String,
}

impl Fault {
    /// Of an event whose row stands still since an earlier fault.
    pub(crate) fn waiting(key: String) -> Self {
        Fault { key, reason: "waits for one before it".into() }
    }
}

/// What must be written to bring the table to where the rows in memory are.
#[derive(Debug, Default)]
pub struct Changes {
    /// A JSON array of whole rows, and how many.
    pub upserts: String,
    pub upserted: usize,
    /// A JSON array of keys, and how many.
    pub deletes: String,
    pub deleted: usize,
}

/// The rows of one read model as the engine handles them. Keys and rows pass as JSON objects.
pub trait WorkingSet: Send + Sync {
    /// The keys that these events touch and that are not in memory, as a JSON array; `None` if
    /// there are none. From now on they count as loaded: absent unless [`Self::supply`] brings them.
    fn want(&mut self, events: &[&Recorded]) -> Option<String>;
    fn supply(&mut self, rows: &[String]) -> Result<(), Error>;
    /// Folds the event into the rows it touches, but for keys that `stopped` holds.
    fn fold(&mut self, event: &Recorded, stopped: &HashSet<String>) -> Vec<Fault>;
    /// The keys that an event touches, as JSON.
    fn keys(&self, event: &Recorded) -> Vec<String>;
    /// What changed since the last call.
    fn changes(&mut self) -> Changes;
    /// How many keys are held in memory.
    fn len(&self) -> usize;
    fn clear(&mut self);
    /// All rows by key, in the key's order, in the form that digests are made of.
    fn canonical(&self) -> BTreeMap<String, String>;
    /// The row of this key.
    fn row(&self, key: &str) -> Option<String>;
}

pub(crate) struct Rows<M: ReadModel> {
    rows: HashMap<M::Key, Option<M::Row>>,
    changed: HashSet<M::Key>,
}

impl<M: ReadModel> Default for Rows<M> {
    fn default() -> Self {
        Rows { rows: HashMap::new(), changed: HashSet::new() }
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

impl<M: ReadModel> WorkingSet for Rows<M> {
    fn want(&mut self, events: &[&Recorded]) -> Option<String> {
        let mut missing = vec![];
        for key in events.iter().copied().flat_map(M::keys) {
            if !self.rows.contains_key(&key) {
                self.rows.insert(key.clone(), None);
                missing.push(key);
            }
        }
        (!missing.is_empty()).then(|| array(missing.iter()).0)
    }

    fn supply(&mut self, rows: &[String]) -> Result<(), Error> {
        for text in rows {
            let unreadable =
                |error: serde_json::Error| Error::Row { model: M::NAME, reason: error.to_string() };
            let key: M::Key = serde_json::from_str(text).map_err(unreadable)?;
            let row: M::Row = serde_json::from_str(text).map_err(unreadable)?;
            self.rows.insert(key, Some(row));
        }
        Ok(())
    }

    fn fold(&mut self, event: &Recorded, stopped: &HashSet<String>) -> Vec<Fault> {
        let mut faults = vec![];
        for key in M::keys(event) {
            if !stopped.is_empty() && stopped.contains(&json(&key)) {
                faults.push(Fault::waiting(json(&key)));
                continue;
            }
            let row = self.rows.get_mut(&key).and_then(Option::take);
            let before = row.clone();
            match catch_unwind(AssertUnwindSafe(|| M::fold(&key, row, event))) {
                Ok(after) => {
                    self.rows.insert(key.clone(), after);
                    self.changed.insert(key);
                }
                Err(panic) => {
                    faults.push(Fault { key: json(&key), reason: told(panic.as_ref()) });
                    self.rows.insert(key, before);
                }
            }
        }
        faults
    }

    fn keys(&self, event: &Recorded) -> Vec<String> {
        M::keys(event).iter().map(json).collect()
    }

    fn changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changed);
        let there = |key: &&M::Key| self.rows.get(key).is_some_and(Option::is_some);
        let (upserts, upserted) =
            array(changed.iter().filter_map(|key| self.rows.get(key)?.as_ref()));
        let (deletes, deleted) = array(changed.iter().filter(|key| !there(key)));
        Changes { upserts, upserted, deletes, deleted }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.changed.clear();
    }

    fn canonical(&self) -> BTreeMap<String, String> {
        let row = |(key, row): (&M::Key, &Option<M::Row>)| Some((json(key), json(row.as_ref()?)));
        self.rows.iter().filter_map(row).collect()
    }

    fn row(&self, key: &str) -> Option<String> {
        let key: M::Key = serde_json::from_str(key).ok()?;
        Some(json(self.rows.get(&key)?.as_ref()?))
    }
}

fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the fold panicked: {}", text.unwrap_or("no message"))
}
