//! Reads a row of a query as a type by its serde form: its fields are the columns. What a fold wrote
//! and what is read have one description, and the database need not make text of each row.

use std::iter::empty;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use sqlx::postgres::{PgColumn, PgRow, PgValueRef};
use sqlx::types::Json;
use sqlx::{Column, Decode, Postgres, Row, TypeInfo, ValueRef};
use uuid::Uuid;

/// Reads all rows of an answer, by their order where the columns are the fields of the type, or else
/// by name.
pub(super) fn read_all<T: DeserializeOwned>(rows: &[PgRow]) -> Result<Vec<T>, Error> {
    let Some(first) = rows.first() else { return Ok(vec![]) };
    let names = first.columns().iter().map(PgColumn::name);
    let read = if names.eq(columns::<T>().iter().copied()) { in_order } else { by_name };
    rows.iter().map(read).collect()
}

fn in_order<T: DeserializeOwned>(row: &PgRow) -> Result<T, Error> {
    let cells = row.columns().iter().map(|column| Cell::of(row, column));
    T::deserialize(SeqDeserializer::new(cells))
}

fn by_name<T: DeserializeOwned>(row: &PgRow) -> Result<T, Error> {
    let cells = row.columns().iter().map(|column| (column.name(), Cell::of(row, column)));
    T::deserialize(MapDeserializer::new(cells))
}

/// What a type has fields for, as it tells whoever it is to be read from; nothing, where it is none
/// with named fields.
pub(super) fn columns<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut told: &[&str] = &[];
    // It has told what it asks for when it finds that there is nothing.
    let _ = T::deserialize(Asked(&mut told));
    told
}

struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// One column of a row.
struct Cell<'r> {
    value: sqlx::Result<PgValueRef<'r>>,
    sql_type: &'r str,
}

impl<'r> Cell<'r> {
    fn of(row: &'r PgRow, column: &'r PgColumn) -> Cell<'r> {
        Cell { value: row.try_get_raw(column.ordinal()), sql_type: column.type_info().name() }
    }

    fn value(self) -> Result<PgValueRef<'r>, Error> {
        self.value.map_err(Error::custom)
    }

    fn is_null(&self) -> bool {
        self.value.as_ref().is_ok_and(ValueRef::is_null)
    }
}

impl<'r> IntoDeserializer<'r, Error> for Cell<'r> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'r> Deserializer<'r> for Cell<'r> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            return visitor.visit_unit();
        }
        let sql_type = self.sql_type;
        let value = self.value()?;
        match sql_type {
            "TEXT" => visitor.visit_borrowed_str(decode(value)?),
            "UUID" => {
                let mut text = Uuid::encode_buffer();
                let id: Uuid = decode(value)?;
                visitor.visit_str(id.hyphenated().encode_lower(&mut text))
            }
            "TIMESTAMPTZ" => {
                let at: DateTime<Utc> = decode(value)?;
                visitor.visit_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            "INT8" => visitor.visit_i64(decode(value)?),
            "INT4" => visitor.visit_i32(decode(value)?),
            "BOOL" => visitor.visit_bool(decode(value)?),
            "JSON" | "JSONB" => {
                let Json(json): Json<&RawValue> = decode(value)?;
                // Most have nothing in them.
                match json.get() {
                    "{}" => visitor.visit_map(MapDeserializer::new(empty::<(&str, &str)>())),
                    "[]" => visitor.visit_seq(SeqDeserializer::new(empty::<&str>())),
                    _ => json.deserialize_any(visitor).map_err(Error::custom),
                }
            }
            other => Err(Error::custom(format!("no column of type {other} is read"))),
        }
    }

    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Of a time, its microseconds: see [`super::time`].
    fn deserialize_i64<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.sql_type != "TIMESTAMPTZ" {
            return self.deserialize_any(visitor);
        }
        let at: DateTime<Utc> = decode(self.value()?)?;
        visitor.visit_i64(at.timestamp_micros())
    }

    /// Ids are read as the bytes that they are.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_bytes<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        let id: Uuid = decode(self.value()?)?;
        visitor.visit_bytes(id.as_bytes())
    }

    fn deserialize_newtype_struct<V: Visitor<'r>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A word, or where it has contents, JSON.
    fn deserialize_enum<V: Visitor<'r>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let sql_type = self.sql_type;
        let value = self.value()?;
        if sql_type == "TEXT" {
            let word: &str = decode(value)?;
            return visitor.visit_enum(word.into_deserializer());
        }
        let Json(json): Json<&RawValue> = decode(value)?;
        json.deserialize_enum(name, variants, visitor).map_err(Error::custom)
    }

    fn deserialize_ignored_any<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <W: Visitor<'r>>
        bool i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 f64 char str string byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier
    }
}

fn decode<'r, T: Decode<'r, Postgres>>(value: PgValueRef<'r>) -> Result<T, Error> {
    T::decode(value).map_err(Error::custom)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code)]
    struct Person {
        id: Uuid,
        #[serde(rename = "known_as")]
        name: Option<String>,
        #[serde(deserialize_with = "super::super::time::read")]
        since: DateTime<Utc>,
    }

    #[test]
    fn a_type_is_read_from_the_columns_that_its_fields_name() {
        assert_eq!(columns::<Person>(), ["id", "known_as", "since"]);
    }

    #[test]
    fn what_has_no_named_fields_names_no_columns() {
        assert!(columns::<(Uuid, String)>().is_empty());
        assert!(columns::<serde_json::Value>().is_empty());
        assert!(columns::<Option<Person>>().is_empty());
    }
}
