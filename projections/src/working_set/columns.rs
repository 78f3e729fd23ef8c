//! Rows as the arrays of their columns: so the database takes in many for a third of what it costs
//! it to read them as JSON.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
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
        Columns { columns: columns.iter().map(Values::of).collect(), rows: 0 }
    }

    /// Adds a row, which is the JSON that serde_json made of it.
    pub(crate) fn add(&mut self, row: &str) {
        for (values, field) in self.columns.iter_mut().zip(fields(row)) {
            values.push(field);
        }
        self.rows += 1;
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

    fn push(&mut self, field: &RawValue) {
        match self {
            Values::Text(values) => values.push(text(field)),
            Values::Uuid(values) => values.push(read(field)),
            Values::Time(values) => values.push(read(field)),
            Values::Integer(values) => values.push(read(field)),
            Values::Boolean(values) => values.push(read(field)),
            Values::Json(values) => {
                values.push((field.get() != "null").then(|| Json(field.to_owned())));
            }
        }
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
fn read<T: DeserializeOwned>(field: &RawValue) -> Option<T> {
    serde_json::from_str(field.get()).unwrap_or_default()
}

/// What is no text in JSON stands in a text column as it is written there.
fn text(field: &RawValue) -> Option<String> {
    match field.get() {
        "null" => None,
        text if text.starts_with('"') => read(field),
        other => Some(other.to_owned()),
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
    fn a_statement_names_each_array_by_its_type() {
        let parameters = Columns::parameters(&COLUMNS[..3]);
        assert_eq!(parameters, "$1::uuid[], $2::timestamptz[], $3::bigint[]");
    }
}
