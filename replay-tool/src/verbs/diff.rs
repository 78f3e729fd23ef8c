//! `diff`: the columns of a row that changed between two positions or times.

use projections::{Model, as_of};
use serde::Serialize;
use serde_json::{Value, json};

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::moment::Moment;
use crate::opener::Open;
use crate::shown;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A read model.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    model: &'static dyn Model,
    /// The row's key as name=value…, as a JSON object, or by its id alone.
    #[arg(required = true)]
    key: Vec<String>,
    /// As of this position or time …
    #[arg(long, value_name = "POSITION|TIME")]
    from: Moment,
    /// … and as of this one; now, if nothing is told.
    #[arg(long, value_name = "POSITION|TIME")]
    to: Option<Moment>,
    #[command(flatten)]
    open: Open,
}

#[derive(Debug, PartialEq, Serialize)]
struct Change {
    column: &'static str,
    before: Value,
    after: Value,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let (pool, model) = (session.pool(), args.model);
    let from = args.from.last(pool).await?;
    let to = match args.to {
        Some(moment) => moment.last(pool).await?,
        None => event_store::log::head(pool).await?,
    };
    let key = key::key(pool, model, &args.key).await?;
    let opener = args.open.opener(session).await?;
    let before = as_of::row(pool, model, &key, from).await?;
    let after = as_of::row(pool, model, &key, to).await?;
    let parsed =
        |row: Option<String>| row.map_or(Ok(Value::Null), |row| serde_json::from_str(&row));
    let (mut one, mut other) = (parsed(before.row)?, parsed(after.row)?);
    if let Some(event) = after.last {
        opener.row(event.tenant_id, &mut one).await?;
        opener.row(event.tenant_id, &mut other).await?;
    }
    let changes = changes(model, &one, &other);
    if session.json {
        let name = model.name();
        return shown::say_json(
            &json!({"model": name, "key": key, "from": from, "to": to, "changes": changes}),
        );
    }
    shown::say(format!("{} between positions {from} and {to}:", model.name()))?;
    if changes.is_empty() {
        return shown::say("no column changed");
    }
    let mut table = shown::table(&["column", "before", "after"]);
    for Change { column, before, after } in &changes {
        table.add_row([(*column).to_owned(), shown::cell(Some(before)), shown::cell(Some(after))]);
    }
    shown::say(table.trim_fmt())
}

/// A row that is not there has no value in any column.
fn changes(model: &dyn Model, one: &Value, other: &Value) -> Vec<Change> {
    let value = |row: &Value, column: &str| row.get(column).cloned().unwrap_or_default();
    let change = |column: &projections::model::Column| {
        let (before, after) = (value(one, column.name), value(other, column.name));
        (before != after).then_some(Change { column: column.name, before, after })
    };
    model.columns().iter().filter_map(change).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_columns_that_changed_are_told() {
        let inbox = key::read_model("inbox").unwrap();
        let found = changes(
            inbox,
            &json!({"unread": 1, "state": "open"}),
            &json!({"unread": 2, "state": "open"}),
        );
        assert_eq!(found, [Change { column: "unread", before: json!(1), after: json!(2) }]);
        let born = changes(inbox, &Value::Null, &json!({"cycle": 1}));
        assert_eq!(born, [Change { column: "cycle", before: Value::Null, after: json!(1) }]);
    }
}
