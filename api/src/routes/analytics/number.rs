//! How a number is told: with the address of the rows that it counts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use projections::facts::{Count, Facts, Filter, Group, Measure, count};
use projections::finder::Finder;
use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::Problem;

/// As documents show it.
const ROWS: &str = "/v1/analytics/rows/conversations.opened\
                    ?from=2026-01-31T00%3A00%3A00Z&to=2026-02-01T00%3A00%3A00Z";

/// How many.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsNumber")]
pub(super) struct Number {
    pub(super) value: u64,
    /// Where the list of them is.
    #[schemars(example = ROWS)]
    pub(super) rows: String,
}

/// How many, and how long it took, in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsTimes")]
pub(super) struct Times {
    pub(super) count: u64,
    pub(super) average_ms: Option<i64>,
    pub(super) median_ms: Option<i64>,
    pub(super) p90_ms: Option<i64>,
    /// Where the list of them is.
    #[schemars(example = ROWS)]
    pub(super) rows: String,
}

/// How many, how much in the currency's smallest unit, and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsSum")]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) amount: i64,
    pub(super) average_ms: Option<i64>,
    pub(super) median_ms: Option<i64>,
    pub(super) p90_ms: Option<i64>,
    /// Where the list of them is.
    #[schemars(example = ROWS)]
    pub(super) rows: String,
}

/// What a measure counts in each step of a span, as one or by group.
pub(super) struct Counted<'a> {
    measure: Measure,
    edges: &'a [DateTime<Utc>],
    group: Option<Group>,
    filter: &'a Filter,
    /// By step and group: a chart has thousands of steps.
    counts: BTreeMap<(usize, Option<String>), Count>,
}

/// One step's number, of one group where there are groups.
pub(super) type Place<'k> = (usize, Option<&'k str>);

impl<'a> Counted<'a> {
    pub(super) async fn find<M: Facts>(
        finder: &Finder<M>,
        measure: Measure,
        edges: &'a [DateTime<Utc>],
        group: Option<Group>,
        filter: &'a Filter,
    ) -> Result<Counted<'a>, Problem> {
        let counts = count(finder, measure, edges, group, filter).await?;
        let placed = |count: Count| ((count.step, count.key.clone()), count);
        let counts = counts.into_iter().map(placed).collect();
        Ok(Counted { measure, edges, group, filter, counts })
    }

    /// The steps and groups in which there is something.
    pub(super) fn places(&self) -> BTreeSet<(usize, String)> {
        let place = |(step, key): &(usize, Option<String>)| Some((*step, key.clone()?));
        self.counts.keys().filter_map(place).collect()
    }

    pub(super) fn number(&self, place: Place) -> Number {
        let value = self.at(place).map_or(0, |count| count.count);
        Number { value, rows: self.rows(place) }
    }

    pub(super) fn times(&self, place: Place) -> Times {
        Times::new(self.at(place), self.rows(place))
    }

    pub(super) fn sum(&self, place: Place) -> Sum {
        Sum::new(self.at(place), self.rows(place))
    }

    fn at(&self, (step, key): Place) -> Option<&Count> {
        self.counts.get(&(step, key.map(str::to_owned)))
    }

    fn rows(&self, (step, key): Place) -> String {
        let edge = |number: usize| self.edges.get(number).copied().unwrap_or_default();
        let group = self.group.zip(key.map(str::to_owned));
        let filter = Filter { group, ..self.filter.clone() };
        address(self.measure, (edge(step), edge(step + 1)), &filter)
    }
}

impl Times {
    fn new(count: Option<&Count>, rows: String) -> Times {
        let Count { count, average, median, p90, .. } = count.cloned().unwrap_or_default();
        let [average_ms, median_ms, p90_ms] = [average, median, p90].map(milliseconds);
        Times { count, average_ms, median_ms, p90_ms, rows }
    }
}

impl Sum {
    fn new(found: Option<&Count>, rows: String) -> Sum {
        let amount = found.and_then(|count| count.sum).unwrap_or_default();
        let Times { count, average_ms, median_ms, p90_ms, rows } = Times::new(found, rows);
        Sum { count, amount, average_ms, median_ms, p90_ms, rows }
    }
}

fn milliseconds(microseconds: Option<i64>) -> Option<i64> {
    microseconds.map(|microseconds| (microseconds + 500).div_euclid(1_000))
}

/// The address of the rows that a measure counts.
fn address(
    measure: Measure,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    filter: &Filter,
) -> String {
    let mut told = vec![];
    if let Some(channel) = filter.channel {
        told.push(("channel", channel.to_string()));
    }
    if let Some(agent) = filter.agent {
        told.push(("agent", agent.to_string()));
    }
    if let Some((group, key)) = &filter.group {
        told.push(("by", group.name.to_owned()));
        told.push(("key", key.clone()));
    }
    address_of(measure.name, (from, to), told)
}

pub(super) fn address_of(
    name: &str,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    told: Vec<(&str, String)>,
) -> String {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("from", &time(from)).append_pair("to", &time(to)).extend_pairs(told);
    format!("/v1/analytics/rows/{name}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use projections::facts::Count;
    use projections::payout_facts::{FAILED, FAILURE};

    use super::*;

    #[test]
    fn an_address_says_everything_that_was_counted_by() {
        let (from, to) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let group = Some((FAILURE, r#"["KES", "X"]"#.to_owned()));
        let filter = Filter { group, ..Filter::default() };
        assert_eq!(
            address(FAILED, (from, to), &filter),
            "/v1/analytics/rows/payouts.failed?from=1970-01-01T00%3A00%3A00Z\
             &to=1970-01-01T00%3A00%3A00Z&by=failure&key=%5B%22KES%22%2C+%22X%22%5D"
        );
    }

    #[test]
    fn times_are_told_in_whole_milliseconds() {
        let count = Count { count: 1, median: Some(1_500), ..Count::default() };
        assert_eq!(Times::new(Some(&count), String::new()).median_ms, Some(2));
        assert_eq!(Times::new(None, String::new()).median_ms, None);
    }
}
