//! Reads a row of a query as a type by its serde form: its fields are the columns. What a fold wrote
//! and what is read have one description, and the database need not make text of each row.

use std::iter::empty;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::value::{Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::de::SliceRead;
use sqlx::postgres::{PgColumn, PgRow, PgValueFormat};
use sqlx::{Column, Row, TypeInfo};
use uuid::Uuid;

type Json<'r> = serde_json::Deserializer<SliceRead<'r>>;

/// The database counts microseconds from the year 2000; this is then.
const EPOCH: i64 = 946_684_800_000_000;

/// Reads all rows of an answer, by their order where the columns are the fields of the type, or else
/// by name.
pub(super) fn read_all<T: DeserializeOwned>(rows: &[PgRow]) -> Result<Vec<T>, Error> {
    let Some(first) = rows.first() else { return Ok(vec![]) };
    if first.try_get_raw(0).is_ok_and(|value| value.format() == PgValueFormat::Text) {
        return Err(Error::custom("only prepared statements are answered in binary"));
    }
    let kinds: Vec<Kind> = first.columns().iter().map(Kind::of).collect();
    let names = first.columns().iter().map(PgColumn::name);
    let read = if names.eq(columns::<T>().iter().copied()) { in_order } else { by_name };
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(read(row, &kinds)?);
    }
    Ok(all)
}

fn in_order<T: DeserializeOwned>(row: &PgRow, kinds: &[Kind]) -> Result<T, Error> {
    T::deserialize(SeqDeserializer::new(cells(row, kinds)))
}

fn by_name<T: DeserializeOwned>(row: &PgRow, kinds: &[Kind]) -> Result<T, Error> {
    let names = row.columns().iter().map(PgColumn::name);
    T::deserialize(MapDeserializer::new(names.zip(cells(row, kinds))))
}

fn cells<'r>(row: &'r PgRow, kinds: &'r [Kind]) -> impl Iterator<Item = Cell<'r>> {
    kinds.iter().enumerate().map(|(number, kind)| {
        let value = row.try_get_raw(number).ok();
        Cell { bytes: value.and_then(|value| value.as_bytes().ok()), kind: *kind }
    })
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

/// What a column holds; told once for all rows of an answer.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Uuid,
    Time,
    Long,
    Integer,
    Boolean,
    Json,
    Jsonb,
    /// No value of it is read.
    Other,
}

impl Kind {
    fn of(column: &PgColumn) -> Kind {
        match column.type_info().name() {
            "TEXT" => Kind::Text,
            "UUID" => Kind::Uuid,
            "TIMESTAMPTZ" => Kind::Time,
            "INT8" => Kind::Long,
            "INT4" => Kind::Integer,
            "BOOL" => Kind::Boolean,
            "JSON" => Kind::Json,
            "JSONB" => Kind::Jsonb,
            _ => Kind::Other,
        }
    }
}

/// One column of a row, in the binary format of its type.
#[derive(Clone, Copy)]
struct Cell<'r> {
    bytes: Option<&'r [u8]>,
    kind: Kind,
}

impl<'r> Cell<'r> {
    fn bytes(self) -> Result<&'r [u8], Error> {
        self.bytes.ok_or_else(|| Error::custom("null"))
    }

    fn number<const N: usize>(self) -> Result<[u8; N], Error> {
        self.bytes()?.try_into().map_err(Error::custom)
    }

    fn text(self) -> Result<&'r str, Error> {
        str::from_utf8(self.bytes()?).map_err(Error::custom)
    }

    fn id(self) -> Result<Uuid, Error> {
        self.number().map(Uuid::from_bytes)
    }

    /// Microseconds since 1970.
    fn micros(self) -> Result<i64, Error> {
        Ok(i64::from_be_bytes(self.number()?).saturating_add(EPOCH))
    }

    fn json(self) -> Result<&'r [u8], Error> {
        let bytes = self.bytes()?;
        match self.kind {
            // The version of the format stands before it.
            Kind::Jsonb => bytes.strip_prefix(&[1]).ok_or_else(|| Error::custom("no jsonb")),
            _ => Ok(bytes),
        }
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
        if self.bytes.is_none() {
            return visitor.visit_unit();
        }
        match self.kind {
            Kind::Text => visitor.visit_borrowed_str(self.text()?),
            Kind::Uuid => {
                let mut text = Uuid::encode_buffer();
                visitor.visit_str(self.id()?.hyphenated().encode_lower(&mut text))
            }
            Kind::Time => {
                let at = DateTime::<Utc>::from_timestamp_micros(self.micros()?);
                let at = at.ok_or_else(|| Error::custom("no time of ours"))?;
                visitor.visit_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            Kind::Long => visitor.visit_i64(i64::from_be_bytes(self.number()?)),
            Kind::Integer => visitor.visit_i32(i32::from_be_bytes(self.number()?)),
            Kind::Boolean => visitor.visit_bool(self.number()? != [0]),
            // Most have nothing in them.
            Kind::Json | Kind::Jsonb => match self.json()? {
                b"{}" => visitor.visit_map(MapDeserializer::new(empty::<(&str, &str)>())),
                b"[]" => visitor.visit_seq(SeqDeserializer::new(empty::<&str>())),
                json => Json::from_slice(json).deserialize_any(visitor).map_err(Error::custom),
            },
            Kind::Other => Err(Error::custom("no column of its type is read")),
        }
    }

    fn deserialize_option<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.bytes.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Of a time, its microseconds: see [`super::time`].
    fn deserialize_i64<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.kind != Kind::Time {
            return self.deserialize_any(visitor);
        }
        visitor.visit_i64(self.micros()?)
    }

    /// Ids are read as the bytes that they are.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_bytes<V: Visitor<'r>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.id()?.as_bytes())
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
        if self.kind == Kind::Text {
            return visitor.visit_enum(self.text()?.into_deserializer());
        }
        let mut json = Json::from_slice(self.json()?);
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
