//! Rows as the arrays of their columns: so the database takes in many for a third of what it costs
//! it to read them as JSON.

use chrono::{DateTime, Datelike, SubsecRound, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde_json::value::RawValue;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::types::Json;
use uuid::Uuid;

use super::fields::fields;
use crate::model::Column;

/// What is to be written, column by column.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Values>,
    rows: usize,
    /// Why a row could not be taken in.
    unfit: Option<String>,
}

/// The values of one column, by its type.
#[derive(Debug)]
enum Values {
    Text(Vec<Option<String>>),
    Uuid(Vec<Option<Uuid>>),
    Time(Vec<Option<DateTime<Utc>>>),
    Integer(Vec<Option<i64>>),
    Boolean(Vec<Option<bool>>),
    Json(Vec<Option<Json<Box<RawValue>>>>),
}

impl Columns {
    pub(crate) fn new(columns: &[Column]) -> Columns {
        Columns { columns: columns.iter().map(Values::of).collect(), rows: 0, unfit: None }
    }

    /// Adds a row, which is the JSON that serde_json made of it.
    pub(crate) fn add(&mut self, row: &str) {
        let fields = fields(row);
        if fields.len() != self.columns.len() {
            self.unfit = Some(format!("{} fields for {}", fields.len(), self.columns.len()));
        }
        for (values, field) in self.columns.iter_mut().zip(fields) {
            if let Err(error) = values.push(field) {
                self.unfit = Some(error.to_string());
            }
        }
        self.rows += 1;
    }

    /// Why they can't be written, if they can't: a value is none of its column's type.
    pub(crate) fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// What stands for them in a statement that takes them in: `$1::uuid[], $2::text[], …`.
    pub(crate) fn parameters(columns: &[Column]) -> String {
        let parameter =
            |(number, column): (usize, &Column)| format!("${number}::{}[]", column.sql_type);
        (1..).zip(columns).map(parameter).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        self.columns.iter().fold(query, |query, values| values.bind(query))
    }
}

impl Values {
    fn of(column: &Column) -> Values {
        match column.sql_type {
            "uuid" => Values::Uuid(vec![]),
            "timestamptz" => Values::Time(vec![]),
            "bigint" => Values::Integer(vec![]),
            "boolean" => Values::Boolean(vec![]),
            "jsonb" => Values::Json(vec![]),
            _ => Values::Text(vec![]),
        }
    }

    fn push(&mut self, field: &RawValue) -> serde_json::Result<()> {
        match self {
            Values::Text(values) => values.push(text(field)?),
            Values::Uuid(values) => values.push(read(field)?),
            Values::Time(values) => values.push(time(field)?),
            Values::Integer(values) => values.push(read(field)?),
            Values::Boolean(values) => values.push(read(field)?),
            Values::Json(values) => {
                values.push((field.get() != "null").then(|| Json(field.to_owned())));
            }
        }
        Ok(())
    }

    fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        match self {
            Values::Text(values) => query.bind(values),
            Values::Uuid(values) => query.bind(values),
            Values::Time(values) => query.bind(values),
            Values::Integer(values) => query.bind(values),
            Values::Boolean(values) => query.bind(values),
            Values::Json(values) => query.bind(values),
        }
    }
}

/// A value of the type that its column has.
fn read<T: DeserializeOwned>(field: &RawValue) -> serde_json::Result<Option<T>> {
    serde_json::from_str(field.get())
}

/// What is no text in JSON stands in a text column as it is written there.
fn text(field: &RawValue) -> serde_json::Result<Option<String>> {
    match field.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => read(field),
        other => Ok(Some(other.to_owned())),
    }
}

/// As the database would read it: to the microsecond, in a year that it writes as we read it.
fn time(field: &RawValue) -> serde_json::Result<Option<DateTime<Utc>>> {
    let Some(time) = read::<DateTime<Utc>>(field)? else { return Ok(None) };
    let time = time.round_subsecs(6);
    match (1..=9999).contains(&time.year()) {
        true => Ok(Some(time)),
        false => Err(serde_json::Error::custom(format!("the year {} of {time}", time.year()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::column;

    const COLUMNS: &[Column] = &[
        column("id", "uuid"),
        column("at", "timestamptz"),
        column("count", "bigint"),
        column("open", "boolean"),
        column("name", "text"),
        column("tags", "jsonb"),
    ];

    fn column_of(row: &str, number: usize) -> Values {
        let mut columns = Columns::new(COLUMNS);
        columns.add(row);
        assert_eq!((columns.rows(), columns.columns.len()), (1, COLUMNS.len()));
        columns.columns.remove(number)
    }

    #[test]
    fn each_value_stands_in_an_array_of_its_columns_type() {
        let row = r#"{"id": "00000000-0000-0000-0000-000000000007", "at": "2026-03-02T08:00:00.5Z",
                      "count": -3, "open": true, "name": "a\"b\tc", "tags": {"a": [1, null]}}"#;
        let at = DateTime::from_timestamp(1_772_438_400, 500_000_000);
        assert!(matches!(column_of(row, 0), Values::Uuid(v) if v == [Some(Uuid::from_u128(7))]));
        assert!(matches!(column_of(row, 1), Values::Time(v) if v == [at]));
        assert!(matches!(column_of(row, 2), Values::Integer(v) if v == [Some(-3)]));
        assert!(matches!(column_of(row, 3), Values::Boolean(v) if v == [Some(true)]));
        assert!(matches!(column_of(row, 4), Values::Text(v) if v == [Some("a\"b\tc".to_owned())]));
        let Values::Json(tags) = column_of(row, 5) else { panic!("no JSON") };
        assert_eq!(tags[0].as_ref().unwrap().get(), r#"{"a": [1, null]}"#);
    }

    #[test]
    fn nothing_is_nothing_in_every_type_and_a_number_in_a_text_column_is_its_digits() {
        let row =
            r#"{"id": null, "at": null, "count": null, "open": null, "name": 12, "tags": null}"#;
        assert!(matches!(column_of(row, 0), Values::Uuid(v) if v == [None]));
        assert!(matches!(column_of(row, 1), Values::Time(v) if v == [None]));
        assert!(matches!(column_of(row, 2), Values::Integer(v) if v == [None]));
        assert!(matches!(column_of(row, 3), Values::Boolean(v) if v == [None]));
        assert!(matches!(column_of(row, 4), Values::Text(v) if v == [Some("12".to_owned())]));
        assert!(matches!(column_of(row, 5), Values::Json(v) if v.len() == 1 && v[0].is_none()));
    }

    #[test]
    fn what_its_column_can_not_hold_is_told_and_not_left_out() {
        let whole =
            r#"{"id": null, "at": null, "count": null, "open": null, "name": null, "tags": null}"#;
        let with = |field: &str, value: &str| {
            let null = format!(r#""{field}": null"#);
            let row = whole.replace(&null, &format!(r#""{field}": {value}"#));
            let mut columns = Columns::new(COLUMNS);
            columns.add(whole);
            assert_eq!(columns.unfit(), None);
            columns.add(&row);
            columns.add(whole);
            columns.unfit().is_some()
        };
        assert!(with("count", "9223372036854775808") && with("count", "1.5"));
        assert!(
            with("at", r#""+10000-01-01T00:00:00Z""#) && with("at", r#""0000-01-01T00:00:00Z""#)
        );
        assert!(with("id", r#""seven""#) && with("open", "1"));
        assert!(!with("at", r#""9999-12-31T23:59:59.999999Z""#) && !with("tags", "7"));
        let mut columns = Columns::new(COLUMNS);
        columns.add(r#"{"id": null}"#);
        assert_eq!(columns.unfit(), Some("1 fields for 6"));
    }

    #[test]
    fn a_statement_names_each_array_by_its_type() {
        let parameters = Columns::parameters(&COLUMNS[..3]);
        assert_eq!(parameters, "$1::uuid[], $2::timestamptz[], $3::bigint[]");
    }
}
