//! A JSON value that is read as what it is. Serde's derives also take a list for a struct, field by
//! field in the order of its declaration, which is nobody's contract.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, Unexpected,
    VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::{Error, Value};

/// Where a struct is wanted, only an object will do.
pub(super) struct Strict(pub(super) Value);

impl Strict {
    fn object(self) -> Result<Strict, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object, in braces")),
            _ => Ok(self),
        }
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let told = visitor.visit_seq(&mut items)?;
                items.end().map(|()| told)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Strict(value)));
                let mut members = MapDeserializer::new(members);
                let told = visitor.visit_map(&mut members)?;
                members.end().map(|()| told)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.object()?.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// A word, or an object whose one member says which it is.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(members) if members.len() == 1 => match members.into_iter().next() {
                Some((which, what)) => visitor.visit_enum(Variant { which, what }),
                None => Err(Error::custom("the object is empty")),
            },
            other => other.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Strict {
    type Deserializer = Strict;

    fn into_deserializer(self) -> Strict {
        self
    }
}

struct Variant {
    which: String,
    what: Value,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Strict;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Strict), Error> {
        let which: <String as IntoDeserializer<'de, Error>>::Deserializer =
            self.which.into_deserializer();
        Ok((seed.deserialize(which)?, Strict(self.what)))
    }
}

impl<'de> VariantAccess<'de> for Strict {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.object()?.deserialize_any(visitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Place {
        name: String,
        at: Option<(i64, f64)>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum To {
        Nobody,
        Phone(String),
        Place(Place),
        Named { name: String },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Round {
        stops: Vec<Place>,
        by_name: BTreeMap<String, Place>,
        to: To,
        open: Option<bool>,
    }

    fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
        T::deserialize(Strict(value)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_as_it_is_meant_is_read_as_serde_reads_it() {
        for to in [
            json!("nobody"),
            json!({"phone": "1"}),
            json!({"place": {"name": "A"}}),
            json!({"named": {"name": "A"}}),
        ] {
            let round = json!({
                "stops": [{"name": "A", "at": [1, 2.5]}, {"name": "B", "at": null}],
                "by_name": {"C": {"name": "C"}}, "to": to, "open": true,
            });
            let meant: Round = serde_json::from_value(round.clone()).unwrap();
            assert_eq!(read::<Round>(round).unwrap(), meant);
        }
    }

    #[test]
    fn a_list_is_no_object_wherever_it_stands() {
        let list = json!(["A", null]);
        assert!(read::<Place>(list.clone()).unwrap_err().contains("an object, in braces"));
        assert!(read::<Vec<Place>>(json!([list])).is_err());
        assert!(read::<BTreeMap<String, Place>>(json!({"a": list})).is_err());
        assert!(read::<Option<Place>>(list.clone()).is_err());
        assert!(read::<To>(json!({"place": list})).is_err());
        assert!(read::<To>(json!({"named": ["A"]})).is_err());
    }

    #[test]
    fn what_is_no_such_thing_is_refused_as_ever() {
        assert!(read::<To>(json!({"phone": "1", "nobody": null})).is_err());
        assert!(read::<To>(json!({"nobody": {}})).is_err());
        assert!(read::<(i64, i64)>(json!([1, 2, 3])).is_err());
        assert!(read::<i64>(json!("1")).is_err());
        assert!(read::<Place>(json!({"at": [1, 2]})).is_err());
    }
}
