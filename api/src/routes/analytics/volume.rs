//! How many messages came and went.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use projections::message_volume::{self, Filter, MessageVolume, Volume};
use schemars::JsonSchema;
use serde::Serialize;

use super::span::Asked;
use super::steps::Step;
use super::table::{self, Table};
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::unreadable;

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsVolume")]
pub(super) struct Point {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
    pub(super) inbound: u64,
    pub(super) outbound: u64,
    #[schemars(example = serde_json::json!({"text": 17, "image": 2}))]
    by_kind: BTreeMap<String, u64>,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Vec<Point>>, Problem> {
    let span = asked.into_inner().span(&state, Some(Step::Hour))?;
    if span.agent.is_some() {
        let instead = "is not known of volumes; /v1/analytics/agents counts what members wrote";
        return Err(unreadable("agent", instead));
    }
    let (live, finder) = span.finder(&state, &member, &MessageVolume).await?;
    let filter = Filter { channel: span.channel, ..Filter::default() };
    let volumes = message_volume::series(&finder, &span.edges, filter).await?;
    table::answer(&request, &live, points(&span.edges, volumes), span.meta())
}

/// One point for each step, whether something happened in it or not.
pub(super) fn points(edges: &[DateTime<Utc>], volumes: Vec<Volume>) -> Vec<Point> {
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
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn steps_without_messages_are_there_with_zeros() {
        let hour = |hour| DateTime::UNIX_EPOCH + TimeDelta::hours(hour);
        let edges: Vec<DateTime<Utc>> = (0..4).map(hour).collect();
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
}
