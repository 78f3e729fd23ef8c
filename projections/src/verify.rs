//! Compares a live read model with a fresh replay of the log, row by row.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use event_store::{log, transaction};
use serde_json::Value;
use sqlx::PgPool;

use crate::feed::{decode, fold_or_stop};
use crate::model::Column;
use crate::stops::Stops;
use crate::working_set::InTable;
use crate::{Error, Model, digest};

/// Rows of a read model by key, at a position.
#[derive(Debug)]
pub struct Rows {
    pub position: i64,
    pub rows: BTreeMap<String, String>,
    /// What stands still, and what is left out.
    pub(crate) stops: Stops,
}

/// What comparing found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verdict {
    pub model: &'static str,
    pub position: i64,
    pub rows: usize,
    pub digest: String,
    /// The first difference, by key; `None` where live and replay agree.
    pub difference: Option<Difference>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    pub key: String,
    /// The first column that differs; `None` where a whole row is missing or too many.
    pub column: Option<String>,
    pub live: Option<String>,
    pub replayed: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Difference { key, column, live, replayed } = self;
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
        match (column, live, replayed) {
            (Some(column), ..) => {
                let (live, replayed) = (value(live), value(replayed));
                write!(f, "row {key}, column {column}: live {live}, replayed {replayed}")
            }
            (None, Some(_), _) => write!(f, "row {key} is live, and a replay makes no such row"),
            (None, None, _) => write!(f, "row {key} is missing, and a replay makes it"),
        }
    }
}

/// The live rows and the checkpoint they belong to, from one snapshot.
pub async fn live(pool: &PgPool, model: &'static dyn Model) -> Result<Rows, Error> {
    let mut tx = transaction::begin(pool).await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *tx)
        .await?;
    let (generation, position): (i32, i64) = sqlx::query_as(
        "select generation, position from generations
          where model = $1 and version = $2 and shape = $3 and state = 'live'",
    )
    .bind(model.name())
    .bind(model.version())
    .bind(model.shape())
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Error::Building(model.name()))?;
    let query = format!("select row_to_json(t)::text from {} t", model.table(generation));
    let texts: Vec<String> = sqlx::query_scalar(&query).fetch_all(&mut *tx).await?;
    let mut rows = BTreeMap::new();
    for text in texts {
        rows.extend(canonical(model, text)?);
    }
    let stops = Stops::load(&mut *tx, model, Some(generation)).await?;
    Ok(Rows { position, rows, stops })
}

/// A stored row by its key, in the form that replayed ones have. What the row's code would not
/// write is an error: reading must not hide it.
pub(crate) fn canonical(
    model: &'static dyn Model,
    text: String,
) -> Result<BTreeMap<String, String>, Error> {
    let mut one = model.working_set();
    let supplied = one.supply(std::slice::from_ref(&text));
    supplied.map_err(|error| match error {
        Error::Row { reason, .. } => wrong(model, &text, &reason),
        other => other,
    })?;
    let rows = one.canonical();
    // Documents alone can hold what their types don't read.
    let mut documents =
        model.columns().iter().filter(|column| column.sql_type == "jsonb").peekable();
    if documents.peek().is_some() {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let (stored, read) = (parsed(&text), rows.values().next().map(|row| parsed(row)));
        let read = read.unwrap_or_default();
        let lossy = |name: &str| !means_the_same(stored.get(name), read.get(name));
        if let Some(column) = documents.find(|column| lossy(column.name)) {
            let reason = format!("column {} holds more than it may", column.name);
            return Err(wrong(model, &text, &reason));
        }
    }
    Ok(rows)
}

fn wrong(model: &'static dyn Model, row: &str, reason: &str) -> Error {
    let row: Value = serde_json::from_str(row).unwrap_or_default();
    let member =
        |column: &Column| format!("{} {}", column.name, row.get(column.name).unwrap_or_default());
    let key: Vec<String> = model.key().iter().map(member).collect();
    Error::Row { model: model.name(), reason: format!("{} ({reason})", key.join(", ")) }
}

/// Equal, but for how a time is spelled.
fn means_the_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    let time = |text: &str| text.parse::<DateTime<Utc>>().ok();
    match (one, other) {
        (Some(Value::String(one)), Some(Value::String(other))) => {
            one == other || time(one).is_some_and(|at| Some(at) == time(other))
        }
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| means_the_same(Some(value), other.get(name)))
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| means_the_same(Some(one), Some(other)))
        }
        (one, other) => one == other,
    }
}

/// All rows as a replay of the log up to where the live ones stand makes them. What stands still
/// there stands still here: a replay has no database that refuses a row.
async fn replay(
    pool: &PgPool,
    model: &'static dyn Model,
    live: &Rows,
) -> Result<BTreeMap<String, String>, Error> {
    let mut set = model.working_set();
    let (mut stops, mut letters, mut position) = (live.stops.clone(), vec![], 0);
    while position < live.position {
        let page = log::page(pool, position, live.position, 5_000).await?;
        let Some(last) = page.last().map(|event| event.position) else { break };
        for stored in page {
            if !model.source().covers(&stored) {
                continue;
            }
            let event = decode(stored);
            if let Ok(recorded) = &event {
                set.want(&[recorded], &InTable::Any);
            }
            fold_or_stop(&mut *set, &event, &mut stops, &mut letters);
        }
        position = last;
    }
    Ok(set.canonical())
}

/// Compares live rows with a replay up to their checkpoint.
pub async fn verify(pool: &PgPool, model: &'static dyn Model) -> Result<Verdict, Error> {
    let live = live(pool, model).await?;
    let replayed = replay(pool, model, &live).await?;
    Ok(Verdict {
        model: model.name(),
        position: live.position,
        rows: live.rows.len(),
        digest: digest::of_rows(&live.rows),
        difference: first_difference(&live.rows, &replayed),
    })
}

pub(crate) fn first_difference(
    live: &BTreeMap<String, String>,
    replayed: &BTreeMap<String, String>,
) -> Option<Difference> {
    let mut keys: Vec<&String> = live.keys().chain(replayed.keys()).collect();
    keys.sort();
    let key = keys.into_iter().find(|key| live.get(*key) != replayed.get(*key))?;
    let (live, replayed) = (live.get(key), replayed.get(key));
    let object = |row: Option<&String>| -> serde_json::Map<String, Value> {
        row.and_then(|row| serde_json::from_str(row).ok()).unwrap_or_default()
    };
    let (one, other) = (object(live), object(replayed));
    let column = match (live, replayed) {
        (Some(_), Some(_)) => one.keys().find(|name| one.get(*name) != other.get(*name)).cloned(),
        _ => None,
    };
    let shown = |row: Option<&String>, object: &serde_json::Map<_, Value>| {
        column
            .as_ref()
            .map_or_else(|| row.cloned(), |column| object.get(column).map(ToString::to_string))
    };
    Some(Difference {
        key: key.clone(),
        live: shown(live, &one),
        replayed: shown(replayed, &other),
        column,
    })
}

/// The digest of the live rows.
pub async fn live_digest(pool: &PgPool, model: &'static dyn Model) -> Result<Verdict, Error> {
    let live = live(pool, model).await?;
    Ok(Verdict {
        model: model.name(),
        position: live.position,
        rows: live.rows.len(),
        digest: digest::of_rows(&live.rows),
        difference: None,
    })
}
