//! Pages of a list: how many, from where, and where the next one begins. A cursor is opaque to
//! clients; whatever is in it is checked when it comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Datelike, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::Problem;

const DEFAULT: i64 = 50;
const MOST: i64 = 200;

/// Which page of a list is asked for. `C` is where the page before ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page<C> {
    pub(crate) limit: i64,
    pub(crate) after: Option<C>,
}

impl<C: Serialize + DeserializeOwned> Page<C> {
    pub(crate) fn asked(limit: Option<i64>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&limit) {
            let detail = format!("limit is between 1 and {MOST}");
            return Err(Problem::field("limit", "limit.out_of_range", detail));
        }
        Ok(Page { limit, after: cursor.map(decode).transpose()? })
    }

    /// How many rows to ask the database for: one more than the page holds tells whether there is
    /// another.
    pub(crate) fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// Cuts what was fetched to the page, and makes the next one's cursor of its last row.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> C) -> Cut<T> {
        let next = self.next(&rows, cursor);
        rows.truncate(self.size());
        Cut { rows, next }
    }

    /// The cursor of the next page, where more rows were found than this one has.
    pub(crate) fn next<T>(&self, rows: &[T], cursor: impl Fn(&T) -> C) -> Option<String> {
        let last = rows.get(self.size().checked_sub(1)?)?;
        (rows.len() > self.size()).then(|| encode(&cursor(last)))
    }

    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.limit).unwrap_or_default()
    }
}

/// A page's rows, and the cursor of the next page where there is one.
#[derive(Debug)]
pub(crate) struct Cut<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<String>,
}

fn encode(cursor: &impl Serialize) -> String {
    BASE64.encode(serde_json::to_vec(cursor).unwrap_or_default())
}

fn decode<C: DeserializeOwned>(cursor: &str) -> Result<C, Problem> {
    let json = BASE64.decode(cursor).ok();
    let value = json.and_then(|json| serde_json::from_slice(&json).ok());
    let decoded = value.filter(storable).and_then(|value| serde_json::from_value(value).ok());
    decoded.ok_or_else(|| {
        let detail = "send `next_cursor` of the page before, unchanged";
        Problem::bad_request("cursor.invalid", detail).about("cursor")
    })
}

/// Whether the database can take it all: it has no text with NUL, and no such years as 0 or 10000,
/// though Rust's types have.
fn storable(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let time = text.parse::<DateTime<Utc>>();
            !text.contains('\0') && time.map_or(true, |time| (1..=9999).contains(&time.year()))
        }
        Value::Array(values) => values.iter().all(storable),
        Value::Object(fields) => fields.values().all(storable),
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    type Cursor = (i64, String);

    #[test]
    fn a_next_page_begins_where_the_last_one_ended() {
        let page: Page<Cursor> = Page::asked(Some(2), None).unwrap();
        assert_eq!(page.fetch(), 3);
        let cut = page.cut(vec![1, 2, 3], |row| (*row, "x".into()));
        assert_eq!(cut.rows, [1, 2]);
        let next: Page<Cursor> = Page::asked(Some(2), cut.next.as_deref()).unwrap();
        assert_eq!(next.after, Some((2, "x".to_owned())));
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page: Page<Cursor> = Page::asked(Some(2), None).unwrap();
        assert_eq!(page.cut(vec![1, 2], |row| (*row, String::new())).next, None);
        assert_eq!(page.cut(Vec::<i64>::new(), |row| (*row, String::new())).next, None);
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let foreign = encode(&serde_json::json!({"other": 1}));
        for cursor in ["", "nonsense", "!", "bnVsbA", &foreign] {
            let refused = Page::<Cursor>::asked(None, Some(cursor)).unwrap_err();
            assert_eq!(refused.code(), "cursor.invalid");
        }
    }

    #[test]
    fn a_forged_cursor_that_the_database_could_not_take_is_refused() {
        type At = (DateTime<Utc>, String);
        let asked = |time: &str, text: &str| {
            Page::<At>::asked(None, Some(&encode(&serde_json::json!([time, text]))))
        };
        assert!(asked("2026-11-20T13:00:00Z", "x").unwrap().after.is_some());
        assert!(asked("9999-12-31T23:59:59Z", "x").is_ok());
        for (time, text) in [
            ("2026-11-20T13:00:00Z", "a\0b"),
            ("+262142-12-31T23:59:59Z", "x"),
            ("-262143-01-01T00:00:00Z", "x"),
            ("+10000-01-01T00:00:00Z", "x"),
            ("0000-12-31T23:59:59Z", "x"),
        ] {
            assert_eq!(asked(time, text).unwrap_err().code(), "cursor.invalid", "{time} {text:?}");
        }
    }

    #[test]
    fn a_page_has_one_to_two_hundred_rows() {
        assert_eq!(Page::<Cursor>::asked(None, None).unwrap().limit, 50);
        for limit in [0, -1, 201] {
            let refused = Page::<Cursor>::asked(Some(limit), None).unwrap_err();
            assert_eq!(refused.code(), "limit.out_of_range");
        }
    }
}
