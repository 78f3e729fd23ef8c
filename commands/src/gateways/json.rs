//! JSON that somebody else wrote, in a form that we can keep.

use serde_json::{Map, Value};

/// U+0000 is legal in JSON, and PostgreSQL's text refuses it: another character stands in its place.
pub(crate) fn read(bytes: &[u8]) -> serde_json::Result<Value> {
    let mut value = serde_json::from_slice(bytes)?;
    without_nul(&mut value);
    Ok(value)
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => {
            map.values_mut().for_each(without_nul);
            if map.keys().any(|key| key.contains('\0')) {
                let clean = |(key, value): (String, Value)| (key.replace('\0', "\u{fffd}"), value);
                *map = std::mem::take(map).into_iter().map(clean).collect::<Map<_, _>>();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_character_that_the_database_refuses_is_replaced_in_whatever_a_provider_says() {
        let told = read(br#"{"a\u0000": ["b\u0000", {"c": "\u0000"}], "d": 1}"#).unwrap();
        assert_eq!(told, json!({"a\u{fffd}": ["b\u{fffd}", {"c": "\u{fffd}"}], "d": 1}));
    }
}
