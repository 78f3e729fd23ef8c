//! Numbers about rows of facts. A number and the list of the rows behind it come from one
//! [`Measure`], so that they cannot disagree.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::finder::{Finder, Select};
use crate::model::Table;
use crate::{Error, ReadModel};

/// A read model whose rows are counted.
pub trait Facts: ReadModel {
    /// Its columns that hold no personal value, as SQL; the key's are among them.
    const SHOWN: &'static str;
    const MEASURES: &'static [Measure];
    /// By what its rows can be told apart.
    const GROUPS: &'static [Group];
}

/// What is counted: which rows, on which day, and what is added up of them. All parts are SQL on
/// the row's own columns.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// `noun.what`.
    pub name: &'static str,
    /// The instant that decides when a row counts; rows without it don't.
    pub at: &'static str,
    pub when: Option<&'static str>,
    /// From which instant until `at` it took.
    pub since: Option<&'static str>,
    /// An amount that is added up.
    pub sum: Option<&'static str>,
    /// Whose number it is, and on which channel it came about.
    pub agent: Option<&'static str>,
    pub channel: Option<&'static str>,
}

impl Measure {
    pub(crate) const fn new(name: &'static str, at: &'static str) -> Measure {
        let channel = Some("channel_id");
        Measure { name, at, when: None, since: None, sum: None, agent: None, channel }
    }
}

/// Which of the rows are counted, besides what the measure says.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub channel: Option<Uuid>,
    pub agent: Option<Uuid>,
    /// The value of [`Group`], where only one is counted.
    pub group: Option<(Group, String)>,
}

/// By what rows are told apart: a name for it, and its value as SQL that makes a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub name: &'static str,
    pub sql: &'static str,
}

/// A count, and how long it took, of the rows of one group in one step.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Count {
    /// The number of the step, from 0.
    pub step: usize,
    pub key: Option<String>,
    pub count: u64,
    pub sum: Option<i64>,
    /// In microseconds.
    pub average: Option<i64>,
    pub median: Option<i64>,
    pub p90: Option<i64>,
}

/// Counts between each two neighbours of `edges`, which ascend. Steps and groups without rows are
/// left out.
pub async fn count<M: Facts>(
    finder: &Finder<M>,
    measure: Measure,
    edges: &[DateTime<Utc>],
    group: Option<Group>,
    filter: &Filter,
) -> Result<Vec<Count>, Error> {
    let (Some(from), Some(to)) = (edges.first(), edges.last()) else { return Ok(vec![]) };
    let took = measure.since.map_or("null::bigint".into(), |since| {
        format!("(extract(epoch from {} - {since}) * 1000000)::bigint", measure.at)
    });
    let mut find = finder.select_with(|sql| {
        sql.push(format!("width_bucket({}, ", measure.at)).push_bind(edges.to_vec());
        sql.push(format!(
            ") - 1 as step, {} as key, count(*) as count, sum({})::bigint as sum,
             round(avg({took}))::bigint as average,
             round(percentile_cont(0.5) within group (order by {took}))::bigint as median,
             round(percentile_cont(0.9) within group (order by {took}))::bigint as p90",
            group.map_or("null::text", |group| group.sql),
            measure.sum.unwrap_or("null::bigint"),
        ));
    });
    narrow(&mut find, measure, *from, *to, filter);
    find.sql.push(" group by 1, 2");
    find.fetch("step, key", i64::MAX).await
}

/// The last row of a page: its instant, and its key.
pub type Cursor<M> = (DateTime<Utc>, <M as ReadModel>::Key);

/// The rows that [`count`] counts between `from` and `to`, the newest first, and where each
/// stands in the list.
pub async fn rows<M: Facts>(
    finder: &Finder<M>,
    measure: Measure,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    filter: &Filter,
    after: Option<Cursor<M>>,
    limit: i64,
) -> Result<Vec<(Cursor<M>, Map<String, Value>)>, Error> {
    let key: Vec<&str> = M::Row::COLUMNS[1..M::Row::KEY].iter().map(|column| column.name).collect();
    let (key, at) = (key.join(", "), measure.at);
    let mut find = finder.select(&format!("{}, {at} as counted_at", M::SHOWN));
    narrow(&mut find, measure, from, to, filter);
    if let Some((counted_at, last)) = after {
        let last = serde_json::to_string(&last).unwrap_or_default();
        find.sql.push(format!(" and ({at}, {key}) < (select ")).push_bind(counted_at);
        find.sql.push(format!(", {key} from json_populate_record(null::{}, ", finder.table()));
        find.sql.push_bind(last).push("::json))");
    }
    let order: Vec<String> = key.split(", ").map(|column| format!("{column} desc")).collect();
    let found: Vec<Map<String, Value>> =
        find.fetch(&format!("counted_at desc, {}", order.join(", ")), limit).await?;
    found.into_iter().map(placed::<M>).collect()
}

fn placed<M: Facts>(mut row: Map<String, Value>) -> Result<(Cursor<M>, Map<String, Value>), Error> {
    let unreadable =
        |error: serde_json::Error| Error::Row { model: M::NAME, reason: error.to_string() };
    let key = serde_json::from_value(Value::Object(row.clone())).map_err(unreadable)?;
    let at = row.get("counted_at").cloned().unwrap_or_default();
    let at = serde_json::from_value(at).map_err(unreadable)?;
    row.remove("tenant_id");
    Ok(((at, key), row))
}

fn narrow<'a, M: Facts>(
    find: &mut Select<'a, M>,
    measure: Measure,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    filter: &Filter,
) {
    let at = measure.at;
    find.when(&format!("{at} >= {{}}"), Some(from)).when(&format!("{at} < {{}}"), Some(to));
    if let Some(when) = measure.when {
        find.sql.push(format!(" and ({when})"));
    }
    for (column, wanted) in [(measure.channel, filter.channel), (measure.agent, filter.agent)] {
        match column {
            Some(column) => {
                find.when(&format!("{column} = {{}}"), wanted);
            }
            // What belongs to nobody is not counted for anybody.
            None if wanted.is_some() => {
                find.sql.push(" and false");
            }
            None => {}
        }
    }
    if let Some((group, value)) = &filter.group {
        find.when(&format!("{} = {{}}", group.sql), Some(value.clone()));
    }
}
