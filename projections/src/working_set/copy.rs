//! Rows as lines of PostgreSQL's `copy … from stdin` in its text format.

use std::borrow::Cow;

use super::fields::fields;
use crate::model::{Column, Table};

/// Appends a row: its columns in their order, documents as JSON and all others as plain text.
pub(super) fn line<R: Table>(row: &R, lines: &mut Vec<u8>) {
    let text = super::json(row);
    for (number, (field, column)) in fields(&text).iter().zip(R::COLUMNS).enumerate() {
        if number > 0 {
            lines.push(b'\t');
        }
        write(field.get(), column, lines);
    }
    lines.push(b'\n');
}

fn write(field: &str, column: &Column, lines: &mut Vec<u8>) {
    if field == "null" {
        return lines.extend(b"\\N");
    }
    if field.starts_with('"') && column.sql_type != "jsonb" {
        let text: Cow<str> = serde_json::from_str(field).unwrap_or_default();
        return escape(&text, lines);
    }
    escape(field, lines);
}

fn escape(text: &str, lines: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => lines.extend(b"\\\\"),
            b'\n' => lines.extend(b"\\n"),
            b'\r' => lines.extend(b"\\r"),
            b'\t' => lines.extend(b"\\t"),
            other => lines.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::model::column;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: Option<String>,
        count: i64,
        tags: Vec<String>,
    }

    impl Table for Row {
        const COLUMNS: &'static [Column] =
            &[column("name", "text"), column("count", "bigint"), column("tags", "jsonb")];
        const KEY: usize = 1;
        const INDEXES: &'static [&'static str] = &[];
    }

    #[test]
    fn what_copy_gives_a_meaning_is_escaped_and_nothing_is_no_text() {
        let mut lines = vec![];
        let tags = vec!["a\"b\\\t".to_owned()];
        line(&Row { name: Some("one\ttwo\\\nthree".into()), count: -3, tags }, &mut lines);
        line(&Row { name: None, count: 0, tags: vec![] }, &mut lines);
        let said = String::from_utf8(lines).unwrap();
        assert_eq!(said, "one\\ttwo\\\\\\nthree\t-3\t[\"a\\\\\"b\\\\\\\\\\\\t\"]\n\\N\t0\t[]\n");
    }
}
