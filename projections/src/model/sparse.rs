//! Collections that are mostly empty: an empty one stands as null in the table. To hand one out as a
//! document costs the database as much as several plain columns.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// With [`deserialize`], for `#[serde(with)]`.
pub(crate) fn serialize<T, S>(collection: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Default + PartialEq + Serialize,
    S: Serializer,
{
    let full = (*collection != T::default()).then_some(collection);
    full.serialize(serializer)
}

pub(crate) fn deserialize<'de, T, D>(source: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(source)?.unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Row {
        #[serde(with = "super")]
        tags: Vec<u32>,
    }

    #[test]
    fn nothing_stands_as_null_and_is_read_as_nothing() {
        for (tags, stored) in [(vec![], json!({"tags": null})), (vec![7], json!({"tags": [7]}))] {
            let row = Row { tags };
            assert_eq!(serde_json::to_value(&row).unwrap(), stored);
            assert_eq!(serde_json::from_value::<Row>(stored).unwrap(), row);
        }
        // As releases before wrote it.
        assert!(serde_json::from_value::<Row>(json!({"tags": []})).unwrap().tags.is_empty());
    }
}
