//! Reading JSON that somebody else wrote: strict where we can't do without, with the path to what
//! is wrong, and lenient everywhere else.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Malformed;

/// The longest text that names something, and that many items may share: what a body says must not
/// grow as it is read.
const LONGEST_NAME: usize = 512;

/// One JSON value and where in the body it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Node<'a> {
        Node { value, path: String::new() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn wrong(&self, key: &str, what: &str) -> Malformed {
        Malformed(format!("{} {what}", self.path_of(key)))
    }

    /// The field's value, unless it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn object(&self, key: &str) -> Result<Node<'a>, Malformed> {
        match self.get(key) {
            None => Err(self.wrong(key, "is missing")),
            Some(value @ Value::Object(_)) => Ok(Node { value, path: self.path_of(key) }),
            Some(_) => Err(self.wrong(key, "is not an object")),
        }
    }

    /// The objects of a list that must be there.
    pub(super) fn required_list(&self, key: &str) -> Result<Vec<Node<'a>>, Malformed> {
        match self.get(key) {
            None => Err(self.wrong(key, "is missing")),
            Some(_) => self.list(key),
        }
    }

    /// The objects of a list; a missing one is empty.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Node<'a>>, Malformed> {
        let items = match self.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong(key, "is not a list")),
        };
        let path = self.path_of(key);
        let node = |(index, value)| Node { value, path: format!("{path}[{index}]") };
        let nodes: Vec<Node<'a>> = items.iter().enumerate().map(node).collect();
        match nodes.iter().find(|node| !node.value.is_object()) {
            Some(node) => Err(Malformed(format!("{} is not an object", node.path))),
            None => Ok(nodes),
        }
    }

    pub(super) fn id(&self, key: &str) -> Result<String, Malformed> {
        match self.get(key) {
            None => Err(self.wrong(key, "is missing")),
            // Not of a fraction or of what is larger than an integer: those lose digits.
            Some(Value::Number(number)) if number.is_f64() => Err(self.wrong(key, "is not a text")),
            Some(_) => match text(self.value, key) {
                None => Err(self.wrong(key, "is empty or not a text")),
                Some(id) if id.len() > LONGEST_NAME => Err(self.wrong(key, "is too long")),
                Some(id) => Ok(id),
            },
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        text(self.value, key)
    }

    pub(super) fn time(&self, key: &str) -> Result<DateTime<Utc>, Malformed> {
        self.time_if_told(key)?.ok_or_else(|| self.wrong(key, "is missing"))
    }

    pub(super) fn time_if_told(&self, key: &str) -> Result<Option<DateTime<Utc>>, Malformed> {
        match self.get(key) {
            None => Ok(None),
            Some(_) => match moment(self.value, key) {
                None => Err(self.wrong(key, "is not a time in Unix seconds")),
                at => Ok(at),
            },
        }
    }

    pub(super) fn raw(&self) -> String {
        self.value.to_string()
    }
}

/// A text, or a number as text; an empty one says nothing.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    match value.get(key)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text, unless it is too long for a name: such a one stays in the raw JSON.
pub(super) fn name(value: &Value, key: &str) -> Option<String> {
    text(value, key).filter(|name| name.len() <= LONGEST_NAME)
}

pub(super) fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.as_bool()
}

pub(super) fn number(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Unix seconds between 1970 and the year 9999.
pub(super) fn moment(value: &Value, key: &str) -> Option<DateTime<Utc>> {
    let seconds = number(value, key).filter(|seconds| (0..=253_402_300_799).contains(seconds))?;
    DateTime::from_timestamp(seconds, 0)
}

pub(super) fn elements<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
