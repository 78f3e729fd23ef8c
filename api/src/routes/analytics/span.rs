//! What all analytics are asked with: a span of time in steps of somebody's calendar, and whose
//! rows are counted.

use chrono::{DateTime, TimeDelta, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::ReadModel;
use projections::facts::Filter;
use projections::finder::Finder;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::steps::{self, OutOfRange, Step, Uncuttable};
use crate::State;
use crate::auth::Member;
use crate::position::{Live, Position};
use crate::problem::Problem;
use crate::reading::{self, unreadable};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Otherwise a day before `to`.
    #[schemars(with = "Option<DateTime<Utc>>")]
    from: Option<String>,
    /// Otherwise now.
    #[schemars(with = "Option<DateTime<Utc>>")]
    to: Option<String>,
    /// Whose calendar has the steps; otherwise UTC's.
    #[schemars(example = &"Africa/Lagos")]
    timezone: Option<String>,
    /// How long each step is.
    #[schemars(with = "Option<Step>")]
    step: Option<String>,
    /// Only what belongs to this channel.
    #[schemars(with = "Option<Uuid>")]
    channel: Option<String>,
    /// Only what this user did or has.
    #[schemars(with = "Option<Uuid>")]
    agent: Option<String>,
    min_position: Option<String>,
}

/// A span that was asked for, widened to whole steps.
pub(super) struct Span {
    pub(super) edges: Vec<DateTime<Utc>>,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) channel: Option<Uuid>,
    pub(super) agent: Option<Uuid>,
    timezone: String,
    step: Option<Step>,
    min: Option<Position>,
}

/// The span that an answer is about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsSpan")]
pub(super) struct Meta {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    #[schemars(example = &"Africa/Lagos")]
    timezone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<Step>,
}

impl Asked {
    /// The span in these steps unless others are asked for; `None`: as one, whose ends fall on
    /// quarters of an hour as all do. Without `from` it is the day before `to`, without `to` it
    /// ends now.
    pub(super) fn span(self, state: &State, usual: Option<Step>) -> Result<Span, Problem> {
        let min = Position::asked(state, self.min_position.as_deref())?;
        let timezone = self.timezone.unwrap_or_else(|| "UTC".into());
        let zone = TimeZone::get(&timezone)
            .map_err(|_| unreadable("timezone", "is a name like Africa/Lagos or UTC"))?;
        let step = reading::parsed("step", self.step.as_deref(), "15m, 1h, 1d, 1w or 1mo")?;
        let step = step.or(usual);
        let (from, to) = ends(state, self.from.as_deref(), self.to.as_deref())?;
        let mut edges = edges(from, to, step.unwrap_or(Step::Quarter), &zone)?;
        let (Some(first), Some(last)) = (edges.first().copied(), edges.last().copied()) else {
            return Err(unreadable("to", "is after from"));
        };
        if step.is_none() {
            edges = vec![first, last];
        }
        let channel = reading::id("channel", self.channel.as_deref())?;
        let agent = reading::id("agent", self.agent.as_deref())?;
        Ok(Span { edges, from: first, to: last, channel, agent, timezone, step, min })
    }
}

impl Span {
    /// Where each step begins and ends.
    pub(super) fn steps(&self) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        self.edges.iter().copied().zip(self.edges.iter().skip(1).copied())
    }

    /// The same span as one step.
    pub(super) fn whole(&self) -> [DateTime<Utc>; 2] {
        [self.from, self.to]
    }

    pub(super) fn filter(&self) -> Filter {
        Filter { channel: self.channel, agent: self.agent, group: None }
    }

    pub(super) fn meta(&self) -> Meta {
        Meta { from: self.from, to: self.to, timezone: self.timezone.clone(), step: self.step }
    }

    /// The organisation's rows of a read model that is as fresh as was asked.
    pub(super) async fn finder<M: ReadModel>(
        &self,
        state: &State,
        member: &Member,
        model: &'static M,
    ) -> Result<(Live, Finder<M>), Problem> {
        reading::finder(state, member, model, self.min).await
    }

    /// Those of another one for the same answer.
    pub(super) async fn beside<M: ReadModel>(
        &self,
        state: &State,
        member: &Member,
        first: Live,
        model: &'static M,
    ) -> Result<(Live, Finder<M>), Problem> {
        reading::beside(state, member, first, model, self.min).await
    }
}

/// Where a span begins and ends, before it is known whether it goes forward.
pub(super) fn ends(
    state: &State,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
    let to = reading::time("to", to)?.unwrap_or_else(|| state.commands.store().clock().now());
    let from = reading::time("from", from)?.unwrap_or(to - TimeDelta::days(1));
    Ok((from, to))
}

pub(super) fn forward(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), Problem> {
    if from >= to {
        return Err(unreadable("to", "is after from"));
    }
    Ok(())
}

pub(crate) fn edges(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    step: Step,
    zone: &TimeZone,
) -> Result<Vec<DateTime<Utc>>, Problem> {
    forward(from, to)?;
    let cut = || -> Result<Vec<DateTime<Utc>>, Uncuttable> {
        let civil = |time: DateTime<Utc>| {
            Timestamp::from_microsecond(time.timestamp_micros()).map_err(|_| OutOfRange)
        };
        let edges = steps::edges(civil(from)?, civil(to)?, step, zone)?;
        let instant = |edge: Timestamp| {
            DateTime::from_timestamp_micros(edge.as_microsecond()).ok_or(OutOfRange)
        };
        Ok(edges.into_iter().map(instant).collect::<Result<_, _>>()?)
    };
    cut().map_err(|error| Problem::field("from", "analytics.span", error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_span_that_ends_before_it_begins_is_refused() {
        let now = DateTime::UNIX_EPOCH;
        let problem = edges(now, now, Step::Day, &TimeZone::UTC).unwrap_err();
        assert_eq!(problem.code(), "parameter.invalid");
    }
}
