//! Old versions of events, brought to today's form as they are read. What is stored stays as it is.
//!
//! To change an event's form: let its type have the new form, add a line to [`UPCASTS`] that makes
//! the new form out of the old one, and a golden payload of the new version. The old ones stay.

use serde_json::Value;

/// The version of an event that never changed its form.
pub const FIRST: &str = "1";

/// Makes one version of an event out of the one before.
#[derive(Clone, Copy, Debug)]
pub struct Upcast {
    pub aggregate_type: &'static str,
    pub event_type: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// Gets and returns the event's fields, without its name around them.
    pub change: fn(Value) -> Result<Value, String>,
}

/// All that ever changed its form, for each event in the order of versions.
pub const UPCASTS: &[Upcast] = &[];

impl Upcast {
    fn is_of(&self, aggregate_type: &str, event_type: &str) -> bool {
        (self.aggregate_type, self.event_type) == (aggregate_type, event_type)
    }
}

/// The version that new events of a type are written in.
pub fn version(upcasts: &[Upcast], aggregate_type: &str, event_type: &str) -> &'static str {
    let newest = upcasts.iter().rfind(|upcast| upcast.is_of(aggregate_type, event_type));
    newest.map_or(FIRST, |upcast| upcast.to)
}

/// The payload in the form of the newest version.
pub fn upcast(
    upcasts: &[Upcast],
    (aggregate_type, event_type): (&str, &str),
    version: &str,
    payload: &str,
) -> Result<String, String> {
    let chain: Vec<&Upcast> =
        upcasts.iter().filter(|upcast| upcast.is_of(aggregate_type, event_type)).collect();
    let begin = chain.iter().position(|upcast| upcast.from == version).ok_or_else(|| {
        let known: Vec<&str> = chain.iter().map(|upcast| upcast.from).collect();
        let newest = chain.last().map_or(FIRST, |upcast| upcast.to);
        match known.is_empty() {
            true => format!("version {newest} is the only one known"),
            false => format!("the versions known are {} and {newest}", known.join(", ")),
        }
    })?;
    let mut payload: Value = serde_json::from_str(payload).map_err(|error| error.to_string())?;
    let fields = payload
        .get_mut(event_type)
        .ok_or_else(|| format!("the payload is not that of {event_type}"))?;
    for step in &chain[begin..] {
        *fields = (step.change)(fields.take())?;
    }
    Ok(payload.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    const PRICED: &[Upcast] = &[
        Upcast {
            aggregate_type: "order",
            event_type: "Priced",
            from: "1",
            to: "2",
            change: |mut fields| {
                let euros = fields["euros"].as_i64().ok_or("euros is no number")?;
                fields["cents"] = json!(euros * 100);
                Ok(fields)
            },
        },
        Upcast {
            aggregate_type: "order",
            event_type: "Priced",
            from: "2",
            to: "3",
            change: |fields| Ok(json!({"amount": fields["cents"], "currency": "EUR"})),
        },
    ];

    fn read(version: &str, payload: &str) -> Result<Value, String> {
        let read = upcast(PRICED, ("order", "Priced"), version, payload)?;
        Ok(serde_json::from_str(&read).unwrap())
    }

    #[test]
    fn an_old_version_takes_every_step_to_the_newest() {
        let newest = json!({"Priced": {"amount": 700, "currency": "EUR"}});
        assert_eq!(read("1", r#"{"Priced":{"euros":7}}"#).unwrap(), newest);
        assert_eq!(read("2", r#"{"Priced":{"euros":7,"cents":700}}"#).unwrap(), newest);
        assert_eq!(version(PRICED, "order", "Priced"), "3");
        assert_eq!(version(PRICED, "order", "Placed"), "1");
    }

    #[test]
    fn what_has_no_step_says_what_is_known() {
        assert_eq!(read("0", "{}").unwrap_err(), "the versions known are 1, 2 and 3");
        let other = upcast(PRICED, ("order", "Placed"), "2", "{}");
        assert_eq!(other.unwrap_err(), "version 1 is the only one known");
        assert_eq!(read("1", r#"{"Priced":{}}"#).unwrap_err(), "euros is no number");
        assert_eq!(read("1", r#"{"Placed":{}}"#).unwrap_err(), "the payload is not that of Priced");
    }
}
