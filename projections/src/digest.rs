//! One number for all rows of a read model: the same rows, the same digest, in whatever order and
//! pages they came about.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// SHA-256 over the canonical rows in the order of their keys, each with its length before it.
pub fn of_rows(rows: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for row in rows.values() {
        hash.update((row.len() as u64).to_be_bytes());
        hash.update(row);
    }
    hex::encode(hash.finalize())
}
