//! Who may do what: everybody asks for every operation of the document, and how they are answered
//! is what `docs/access.txt` says.

mod operation;
mod walk;
mod world;

use std::collections::BTreeMap;

use operation::Operation;
use walk::{COLUMNS, Walk};

const TABLE: &str = include_str!("../../docs/access.txt");

/// The cells of each operation.
type Rows = BTreeMap<String, Vec<String>>;

fn lines() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().collect()).filter(|cells: &Vec<_>| !cells.is_empty())
}

fn rows() -> Rows {
    let row = |cells: Vec<&str>| {
        let (id, cells) = cells.split_first().unwrap();
        ((*id).to_owned(), cells.iter().map(|cell| (*cell).to_owned()).collect())
    };
    lines().skip(1).map(row).collect()
}

/// As it has to stand in the table.
fn line(id: &str, cells: &[String]) -> String {
    let widths = COLUMNS.iter().map(|column| column.len().max(6) + 1);
    let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    format!("{id:<30}{}", cells.collect::<String>()).trim_end().to_owned()
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_no_more() {
    let (mut told, walk) = (rows(), Walk::begin().await);
    let mut wrong = vec![];
    for operation in Operation::all() {
        let found = walk.row(&operation).await;
        match told.remove(&operation.id) {
            Some(row) if row == found => {}
            Some(row) => wrong.push(format!(
                "-{}\n+{}",
                line(&operation.id, &row),
                line(&operation.id, &found)
            )),
            None => wrong.push(format!("+{}", line(&operation.id, &found))),
        }
    }
    wrong.extend(told.iter().map(|(id, row)| format!("-{}", line(id, row))));
    assert!(
        wrong.is_empty(),
        "what docs/access.txt says (-) is not what is so (+); if what is so is right, change the \
         table:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_table_is_sorted_and_each_of_its_rows_is_whole() {
    let head = lines().next().unwrap();
    assert_eq!(head[0], "operation");
    assert_eq!(head[1..], COLUMNS);
    let ids: Vec<&str> = lines().skip(1).map(|cells| cells[0]).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "sort the rows of docs/access.txt");
    for cells in lines().skip(1) {
        assert_eq!(cells.len(), head.len(), "{} has another number of cells", cells[0]);
    }
}
