//! A row's fields out of its JSON, in their order.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of a row that serde_json has written.
pub(crate) fn fields(row: &str) -> Vec<&RawValue> {
    // What serde_json has written it can read.
    serde_json::from_str(row).map(|Fields(fields)| fields).unwrap_or_default()
}

/// The values of a JSON object in their order.
struct Fields<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = vec![];
                while let Some((IgnoredAny, value)) = map.next_entry()? {
                    fields.push(value);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Values)
    }
}
