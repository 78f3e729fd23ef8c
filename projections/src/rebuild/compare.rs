//! Looks at what was built before it answers: rows are folded once more, each from its own events,
//! and held against the generation that it takes the place of.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use crate::generation::{self, Before, Generation, names};
use crate::model::Source;
use crate::stops::Stops;
use crate::verify::{canonical, first_difference};
use crate::{Error, Model, as_of};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    Nothing,
    /// Some rows.
    Sample,
    /// All rows against the generation before, and many more folded once more.
    Full,
}

impl Compare {
    /// Rows that are folded once more, and rows that are held against those before.
    fn sizes(self) -> (i64, i64) {
        match self {
            Compare::Nothing => (0, 0),
            Compare::Sample => (100, 10_000),
            Compare::Full => (5_000, i64::MAX),
        }
    }

    /// Events that are read for the rows that are folded once more, and again for those that are
    /// explained: when there were more, no further row is. A row of a bucket takes all that its
    /// organisation did in a quarter of an hour.
    fn events(self) -> usize {
        match self {
            Compare::Full => usize::MAX,
            Compare::Sample | Compare::Nothing => 1_000_000,
        }
    }
}

/// Differing rows that are explained.
const EXPLAINED: i64 = 100;

/// What was found. Had a row come out otherwise when it was folded once more, there would be none.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub rows: i64,
    /// Rows that were folded once more from their own events, with the same outcome.
    pub refolded: usize,
    pub before: Option<Against>,
}

/// How what was built differs from the generation before.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    pub generation: i32,
    pub version: i32,
    pub rows: i64,
    /// Keys of either that were looked up in both.
    pub compared: i64,
    /// Rows that only one of them has.
    pub appeared: i64,
    pub vanished: i64,
    /// Columns that only one of them has, by name.
    pub columns_added: Vec<String>,
    pub columns_dropped: Vec<String>,
    pub differences: Vec<ColumnDifference>,
    /// Of the differing rows of the same version that were looked at: those that had only read
    /// further, or less far, and those that were not what their events make.
    pub moved: usize,
    pub wrong_before: Vec<String>,
}

/// A column that is not the same in both.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnDifference {
    pub column: String,
    pub rows: i64,
    /// One of them.
    pub key: Value,
    pub before: Value,
    pub now: Value,
}

impl Against {
    pub fn is_the_same(&self) -> bool {
        self.appeared == 0 && self.vanished == 0 && self.differences.is_empty()
    }
}

/// Compares a generation that nobody feeds with its events and with the one before it.
pub(crate) async fn compare(
    owner: &PgPool,
    model: &'static dyn Model,
    built: &Generation,
    before: Option<Before>,
    how: Compare,
) -> Result<Option<Comparison>, Error> {
    if how == Compare::Nothing {
        return Ok(None);
    }
    let (refolded, _) = how.sizes();
    let refolded = if model.source() == Source::Bucket { refolded / 10 } else { refolded };
    let rows = generation::count(owner, model, built.generation).await?;
    let from = sample(&model.table(built.generation), rows, refolded);
    let refolded = refold(owner, model, built, (&from, refolded), how.events()).await?;
    let before = match before {
        Some(before) => Some(against(owner, model, (built, rows), &before, how).await?),
        None => None,
    };
    Ok(Some(Comparison { rows, refolded, before }))
}

/// Some rows `t` of a generation, about so many of what it has, wherever they lie.
fn sample(table: &str, rows: i64, about: i64) -> String {
    if rows <= about {
        return format!("{table} t");
    }
    let percent = (about as f64 * 100.0 / rows as f64).clamp(0.000_1, 100.0);
    format!("{table} t tablesample bernoulli ({percent:.4})")
}

/// Folds some rows once more, each from its own events. A difference is an error.
async fn refold(
    owner: &PgPool,
    model: &'static dyn Model,
    built: &Generation,
    (from, most): (&str, i64),
    events: usize,
) -> Result<usize, Error> {
    let rows: Vec<String> = sqlx::query_scalar(&format!(
        "select row_to_json(t)::text from {from} order by random() limit {most}"
    ))
    .fetch_all(owner)
    .await?;
    // Rows that stand still are not what all of their events make; they are told as such.
    let stops = Stops::load(owner, model, Some(built.generation)).await?;
    let (mut refolded, mut read) = (0, 0);
    for row in &rows {
        if read > events {
            break;
        }
        let built_rows = canonical(model, row.clone())?;
        let Some(key) = built_rows.keys().next() else { continue };
        if stops.holds(key, built.position) {
            continue;
        }
        let made = as_of::refold(owner, model, key, built.position, &stops).await?;
        read += made.read;
        let Ok(row) = made.row else { continue };
        let row = row.map(|row| (key.clone(), row)).into_iter().collect();
        if let Some(difference) = first_difference(&built_rows, &row) {
            let difference = difference.to_string();
            return Err(Error::Wrong { model: model.name(), difference });
        }
        refolded += 1;
    }
    Ok(refolded)
}

/// Two tables and what they have in common.
struct Tables {
    new: String,
    old: String,
    key: String,
    /// Both have them, and they are no part of the key; ready for a query.
    common: Vec<String>,
    /// A query for the keys that are compared.
    keys: String,
}

impl Tables {
    fn joined(&self) -> String {
        let Tables { new, old, key, keys, .. } = self;
        // `there` tells a row whose columns are all empty from one that is not there.
        format!(
            "({keys}) k left join (select true as there, * from {new}) n using ({key})
                        left join (select true as there, * from {old}) o using ({key})"
        )
    }

    /// A condition that holds where a column differs in rows that both have.
    fn differs(column: &str) -> String {
        format!("(n.there and o.there and n.{column} is distinct from o.{column})")
    }
}

async fn against(
    owner: &PgPool,
    model: &'static dyn Model,
    (built, rows): (&Generation, i64),
    before: &Before,
    how: Compare,
) -> Result<Against, Error> {
    let (_, about) = how.sizes();
    let rows_before = generation::count(owner, model, before.generation).await?;
    let (new, old) = (model.table(built.generation), model.table(before.generation));
    let theirs: Vec<String> = sqlx::query_scalar(
        "select attname::text from pg_attribute
          where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum",
    )
    .bind(&old)
    .fetch_all(owner)
    .await?;
    let ours: Vec<&str> = model.columns().iter().map(|column| column.name).collect();
    let key = names(model.key());
    let values = ours.iter().skip(model.key().len());
    let common = values.filter(|name| theirs.iter().any(|other| other == *name));
    let keys = format!(
        "select {key} from {} union select {key} from {}",
        sample(&new, rows, about),
        sample(&old, rows_before, about)
    );
    let tables =
        Tables { new, old, key, common: common.map(|name| format!("\"{name}\"")).collect(), keys };
    let mut found = Against {
        generation: before.generation,
        version: before.version,
        rows: rows_before,
        compared: 0,
        appeared: 0,
        vanished: 0,
        columns_added: ours
            .iter()
            .filter(|name| !theirs.iter().any(|other| other == *name))
            .map(ToString::to_string)
            .collect(),
        columns_dropped: theirs.into_iter().filter(|name| !ours.contains(&name.as_str())).collect(),
        differences: vec![],
        moved: 0,
        wrong_before: vec![],
    };
    tally(owner, &tables, &mut found).await?;
    explain(owner, model, (built, before), (&tables, how.events()), &mut found).await?;
    Ok(found)
}

/// Counts what differs, and shows one of each.
async fn tally(owner: &PgPool, tables: &Tables, found: &mut Against) -> Result<(), Error> {
    let mut counts = vec![
        "count(*)".to_owned(),
        "count(*) filter (where o.there is null)".to_owned(),
        "count(*) filter (where n.there is null)".to_owned(),
    ];
    let per_column = tables
        .common
        .iter()
        .map(|name| format!("count(*) filter (where {})", Tables::differs(name)));
    counts.extend(per_column);
    let query = format!("select array[{}] from {}", counts.join(", "), tables.joined());
    let counts: Vec<i64> = sqlx::query_scalar(&query).fetch_one(owner).await?;
    let [compared, appeared, vanished, per_column @ ..] = &counts[..] else { return Ok(()) };
    (found.compared, found.appeared, found.vanished) = (*compared, *appeared, *vanished);
    for (name, rows) in tables.common.iter().zip(per_column).filter(|(_, rows)| **rows > 0) {
        let query = format!(
            "select row_to_json(k), to_json(o.{name}), to_json(n.{name}) from {} where {} limit 1",
            tables.joined(),
            Tables::differs(name)
        );
        let shown: Option<(Value, Option<Value>, Option<Value>)> =
            sqlx::query_as(&query).fetch_optional(owner).await?;
        let (key, before, now) = shown.unwrap_or_default();
        found.differences.push(ColumnDifference {
            column: name.trim_matches('"').to_owned(),
            rows: *rows,
            key,
            before: before.unwrap_or_default(),
            now: now.unwrap_or_default(),
        });
    }
    Ok(())
}

/// Rows that differ, or that only one of both has. What was built must be what its events make, or
/// it may not answer. A row before that was of the same version had read less far, or more; or it
/// was not what its events make.
async fn explain(
    owner: &PgPool,
    model: &'static dyn Model,
    (built, before): (&Generation, &Before),
    (tables, events): (&Tables, usize),
    found: &mut Against,
) -> Result<(), Error> {
    let differs = tables.common.iter().map(|name| Tables::differs(name));
    let differs: Vec<String> =
        differs.chain(["n.there is null".into(), "o.there is null".into()]).collect();
    let row = |table: &str| {
        let key = &tables.key;
        format!(
            "(select row_to_json(it)::text from {table} it where ({key}) = (select {key} from (select k.*) k))"
        )
    };
    let query = format!(
        "select {}, {}, (select position from generations where model = $1 and generation = $2)
           from {} where {} limit {EXPLAINED}",
        row(&tables.new),
        row(&tables.old),
        tables.joined(),
        differs.join(" or "),
    );
    let rows: Vec<(Option<String>, Option<String>, i64)> =
        sqlx::query_as(&query).bind(model.name()).bind(before.generation).fetch_all(owner).await?;
    let is_same_version = (before.version, &before.shape) == (model.version(), &model.shape());
    let stops = Stops::load(owner, model, Some(built.generation)).await?;
    let mut read = 0;
    for (now, was, position) in rows {
        if read > events {
            break;
        }
        let now = one(model, now)?;
        let was = match is_same_version {
            true => one(model, was)?,
            // The row of another version may not be one that this program can read.
            false => was.and_then(|was| canonical(model, was).ok()?.into_iter().next()),
        };
        let Some(key) = now.as_ref().or(was.as_ref()).map(|(key, _)| key.clone()) else { continue };
        if stops.holds(&key, built.position) {
            continue;
        }
        let made = as_of::refold(owner, model, &key, built.position, &stops).await?;
        read += made.read;
        let Ok(made) = made.row else { continue };
        let now = now.map(|(_, row)| row);
        if made != now {
            let (made, now) = (keyed(&key, made), keyed(&key, now));
            let difference = first_difference(&now, &made).map(|found| found.to_string());
            let difference = difference.unwrap_or_default();
            return Err(Error::Wrong { model: model.name(), difference });
        }
        if !is_same_version {
            continue;
        }
        let made = as_of::refold(owner, model, &key, position, &stops).await?;
        read += made.read;
        let Ok(made) = made.row else { continue };
        match made == was.map(|(_, row)| row) {
            true => found.moved += 1,
            false => found.wrong_before.push(key),
        }
    }
    Ok(())
}

/// A stored row by its key, as replayed ones are spelled.
fn one(model: &'static dyn Model, row: Option<String>) -> Result<Option<(String, String)>, Error> {
    match row {
        Some(row) => Ok(canonical(model, row)?.into_iter().next()),
        None => Ok(None),
    }
}

fn keyed(key: &str, row: Option<String>) -> BTreeMap<String, String> {
    row.map(|row| (key.to_owned(), row)).into_iter().collect()
}
