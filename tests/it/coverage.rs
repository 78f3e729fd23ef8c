//! What of five products' APIs there is here: `docs/coverage.tsv` names for each of their
//! endpoints the operation that does the same, or says that it comes later, or why it never will.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::support::document;

const COVERAGE: &str = include_str!("../../docs/coverage.tsv");
const README: &str = include_str!("../../README.md");

/// What of those products is meant to be here.
const AREAS: &[&str] = &[
    "auth",
    "api_keys",
    "teams_users",
    "conversations",
    "messages",
    "contacts",
    "templates",
    "tickets",
    "payouts",
];

const NEVER: &str = "none: ";

/// A product's endpoint, and what it is here.
struct Row<'a> {
    endpoint: [&'a str; 3],
    operation: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let [system, method, path, operation] = cells[..] else { panic!("not four cells: {line}") };
        Row { endpoint: [system, method, path], operation }
    };
    let mut lines = COVERAGE.lines();
    assert_eq!(lines.next(), Some("system\tmethod\tpath\toperation"));
    lines.map(row).collect()
}

fn is_named(row: &&Row) -> bool {
    row.operation != "later" && !row.operation.starts_with(NEVER)
}

/// The list of all endpoints of those products, which is no part of this repository.
fn reference() -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference");
    let dir = env::var_os("VERBATIM_REFERENCE").map_or(beside, PathBuf::from);
    fs::read_to_string(dir.join("reference-endpoints.tsv")).ok()
}

/// And each operation of the document is played by the test of the document.
#[test]
fn each_endpoint_is_an_operation_of_the_document_or_why_it_is_none() {
    let operations = document::operations();
    for Row { endpoint, operation } in rows() {
        match operation.strip_prefix(NEVER) {
            Some(reason) => assert!(reason.len() > 10, "say why {endpoint:?} is never to be"),
            None => assert!(
                operation == "later" || operations.contains_key(operation),
                "{endpoint:?}: there is no operation {operation}"
            ),
        }
    }
}

#[test]
fn each_endpoint_of_the_products_is_told_once() {
    let rows = rows();
    let told: BTreeSet<_> = rows.iter().map(|row| row.endpoint).collect();
    assert_eq!(told.len(), rows.len(), "an endpoint is told twice");
    let Some(reference) = reference() else { return };
    let endpoint = |line: &'static str| -> Option<[&'static str; 3]> {
        let cells: Vec<&str> = line.split('\t').collect();
        AREAS.contains(&cells[4]).then(|| [cells[0], cells[1], cells[2]])
    };
    let reference: &'static str = reference.leak();
    let meant: BTreeSet<_> = reference.lines().skip(1).filter_map(endpoint).collect();
    let missing: Vec<_> = meant.difference(&told).collect();
    let strange: Vec<_> = told.difference(&meant).collect();
    assert!(missing.is_empty() && strange.is_empty(), "missing {missing:?}, strange {strange:?}");
}

#[test]
fn the_readme_counts_what_the_table_tells() {
    let rows = rows();
    let named: Vec<&str> = rows.iter().filter(is_named).map(|row| row.operation).collect();
    let operations: BTreeSet<&str> = named.iter().copied().collect();
    let later = rows.iter().filter(|row| row.operation == "later").count();
    let sentence = format!(
        "Of the {} endpoints that five products have for this, {} are covered by {} operations, \
         {later} come later and {} are not wanted",
        rows.len(),
        named.len(),
        operations.len(),
        rows.len() - named.len() - later,
    );
    let readme = README.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(&sentence), "write into README.md: {sentence}");
}
