//! How many messages came and went, in steps of the asker's calendar.

mod steps;

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query, ServiceConfig, get, resource};
use chrono::{DateTime, TimeDelta, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use projections::message_volume::{self, Filter, MessageVolume, Volume};
use serde::{Deserialize, Serialize};

use self::steps::{OutOfRange, Step, Uncuttable};
use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, unreadable};

pub(crate) fn routes(cfg: &mut ServiceConfig) {
    cfg.service(resource("/v1/analytics/volume").route(get().to(volume)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    from: Option<String>,
    to: Option<String>,
    timezone: Option<String>,
    step: Option<String>,
    channel: Option<String>,
    min_position: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Point {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    inbound: u64,
    outbound: u64,
    by_kind: BTreeMap<String, u64>,
}

/// The span that the points cover: what was asked for, widened to whole steps.
#[derive(Serialize)]
struct Meta<'a> {
    from: Option<&'a DateTime<Utc>>,
    to: Option<&'a DateTime<Utc>>,
    timezone: &'a str,
    step: Step,
}

async fn volume(
    state: Data<State>,
    member: Member,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let name = asked.timezone.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(name)
        .map_err(|_| unreadable("timezone", "is a name like Africa/Lagos or UTC"))?;
    let step = reading::parsed("step", asked.step.as_deref(), "15m, 1h, 1d, 1w or 1mo")?
        .unwrap_or(Step::Hour);
    let to = reading::time("to", asked.to.as_deref())?
        .unwrap_or_else(|| state.commands.store().clock().now());
    let from = reading::time("from", asked.from.as_deref())?.unwrap_or(to - TimeDelta::hours(24));
    let edges = edges(from, to, step, &zone)?;
    let channel = reading::id("channel", asked.channel.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &MessageVolume, min).await?;
    let filter = Filter { channel, ..Filter::default() };
    let volumes = message_volume::series(&finder, &edges, filter).await?;
    let meta = Meta { from: edges.first(), to: edges.last(), timezone: name, step };
    Ok(envelope::with_meta(&live, points(&edges, volumes), meta))
}

fn edges(
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    step: Step,
    zone: &TimeZone,
) -> Result<Vec<DateTime<Utc>>, Problem> {
    if from >= to {
        return Err(unreadable("to", "is after from"));
    }
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

/// One point for each step, whether something happened in it or not.
fn points(edges: &[DateTime<Utc>], volumes: Vec<Volume>) -> Vec<Point> {
    let empty = |(start, end): (&DateTime<Utc>, &DateTime<Utc>)| Point {
        start: *start,
        end: *end,
        inbound: 0,
        outbound: 0,
        by_kind: BTreeMap::new(),
    };
    let mut points: Vec<Point> = edges.iter().zip(edges.iter().skip(1)).map(empty).collect();
    for Volume { step, author, kind, messages } in volumes {
        let Some(point) = points.get_mut(step) else { continue };
        match author.as_str() {
            "customer" => point.inbound += messages,
            _ => point.outbound += messages,
        }
        *point.by_kind.entry(kind).or_default() += messages;
    }
    points
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn steps_without_messages_are_there_with_zeros() {
        let (from, zone) = (DateTime::UNIX_EPOCH, TimeZone::UTC);
        let edges = edges(from, from + TimeDelta::hours(3), Step::Hour, &zone).unwrap();
        let count = |step, author: &str, kind: &str, messages| Volume {
            step,
            author: author.into(),
            kind: kind.into(),
            messages,
        };
        let volumes = vec![
            count(1, "customer", "text", 3),
            count(1, "customer", "image", 1),
            count(1, "bot", "text", 2),
        ];
        let points = points(&edges, volumes);
        let counts: Vec<(u64, u64)> = points.iter().map(|p| (p.inbound, p.outbound)).collect();
        assert_eq!(counts, [(0, 0), (4, 2), (0, 0)]);
        assert_eq!(points[1].by_kind["text"], 5);
        assert_eq!(points[1].end, points[2].start);
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_refused() {
        let now = DateTime::UNIX_EPOCH;
        let problem = edges(now, now, Step::Day, &TimeZone::UTC).unwrap_err();
        assert_eq!(problem.code(), "parameter.invalid");
    }
}
