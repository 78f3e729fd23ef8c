//! Reads a row of a query as a type by its serde form: its fields are the columns. What a fold wrote
//! and what is read have one description, and the database need not make text of each row.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;
use sqlx::postgres::{PgColumn, PgRow, PgValueRef};
use sqlx::types::Json;
use sqlx::{Column, Decode, Postgres, Row, TypeInfo, ValueRef};
use uuid::Uuid;

pub(super) fn read<T: DeserializeOwned>(row: &PgRow) -> Result<T, Error> {
    let columns = row.columns().iter();
    let cells = columns.map(|column| (column.name(), Cell { row, column }));
    T::deserialize(MapDeserializer::new(cells))
}

/// One column of a row.
#[derive(Clone, Copy)]
struct Cell<'r> {
    row: &'r PgRow,
    column: &'r PgColumn,
}

impl<'r> Cell<'r> {
    fn value(self) -> Result<PgValueRef<'r>, Error> {
        self.row.try_get_raw(self.column.ordinal()).map_err(Error::custom)
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
        let value = self.value()?;
        if value.is_null() {
            return visitor.visit_unit();
        }
        match self.column.type_info().name() {
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
                json.deserialize_any(visitor).map_err(Error::custom)
            }
            other => Err(Error::custom(format!("no column of type {other} is read"))),
        }
    }

    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value()?.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
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
        let value = self.value()?;
        if self.column.type_info().name() == "TEXT" {
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
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier
    }
}

fn decode<'r, T: Decode<'r, Postgres>>(value: PgValueRef<'r>) -> Result<T, Error> {
    T::decode(value).map_err(Error::custom)
}
