//! Personal values as the store's codec finds them in JSON, seen without a key.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

const MARKER: &str = "$personal";
pub(crate) const CLASSES: [&str; 4] = ["identity", "content", "provider", "network"];

/// Whose key, for what class of value: as the table of keys has it.
pub(crate) type KeyName = (Uuid, i16);

pub(crate) fn value(subject: Uuid, class: &str, v: Value) -> Value {
    json!({ MARKER: {"subject": subject, "class": class, "v": v} })
}

/// All keys of a person, also those that nobody has made yet.
pub(crate) fn keys_of(subject: Uuid) -> impl Iterator<Item = KeyName> {
    (1..).take(CLASSES.len()).map(move |class| (subject, class))
}

/// The keys under which the personal values in this are written.
pub(crate) fn names(value: &Value) -> BTreeSet<KeyName> {
    let mut found = BTreeSet::new();
    each(&mut value.clone(), &mut |body| found.extend(name(body)));
    found
}

/// Leaves of the values of those who are gone what readers see of them.
pub(crate) fn veil(value: &mut Value, gone: &BTreeSet<Uuid>) {
    each(value, &mut |body| {
        if name(body).is_some_and(|(subject, _)| gone.contains(&subject)) {
            *body = Value::Null;
        }
    });
}

fn name(body: &Value) -> Option<KeyName> {
    let class = body.get("class")?.as_str()?;
    let number = (1..).zip(CLASSES).find(|(_, name)| *name == class)?.0;
    Some((body.get("subject")?.as_str()?.parse().ok()?, number))
}

fn each(value: &mut Value, seen: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(object) => match object.get_mut(MARKER) {
            Some(body) => seen(body),
            None => object.values_mut().for_each(|member| each(member, seen)),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, seen)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_who_is_gone_nothing_is_seen_and_of_others_everything() {
        let (ana, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let list = [value(ana, "identity", json!("Ana")), value(ben, "content", Value::Null)];
        let mut payload = json!({"list": list, "n": 1});
        assert_eq!(names(&payload), [(ana, 1), (ben, 2)].into());
        veil(&mut payload, &[ana].into());
        let seen = [json!({ MARKER: null }), value(ben, "content", Value::Null)];
        assert_eq!(payload, json!({"list": seen, "n": 1}));
    }
}
