//! How conversations went: how many were opened and resolved, and how long people and bots took
//! to respond and to resolve.

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use projections::conversation_facts::{self as facts, ConversationFacts};
use projections::finder::Finder;
use schemars::JsonSchema;
use serde::Serialize;

use super::number::{Counted, Number, Times};
use super::span::{Asked, Span};
use super::steps::Step;
use super::table::{self, Table};
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;

/// One step of the span.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsConversations")]
pub(super) struct Point {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    #[serde(flatten)]
    course: Course,
}

/// What is told of conversations in a span of time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsCourse")]
pub(super) struct Course {
    opened: Number,
    /// Of the opened, those that had been closed before.
    reopened: Number,
    resolved: Number,
    first_response: Apart,
    resolution: Apart,
}

/// People's and bots' times, apart.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsApart")]
pub(super) struct Apart {
    people: Times,
    bots: Times,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Vec<Point>>, Problem> {
    let span = asked.into_inner().span(&state, Some(Step::Day))?;
    let (live, finder) = span.finder(&state, &member, &ConversationFacts).await?;
    let courses = courses(&finder, &span, &span.edges).await?;
    let point = |((start, end), course)| Point { start, end, course };
    let points: Vec<Point> = span.steps().zip(courses).map(point).collect();
    table::answer(&request, &live, points, span.meta())
}

/// What is told of the steps between each two of the edges.
pub(super) async fn courses(
    finder: &Finder<ConversationFacts>,
    span: &Span,
    edges: &[DateTime<Utc>],
) -> Result<Vec<Course>, Problem> {
    let filter = span.filter();
    let counted = |measure| Counted::find(finder, measure, edges, None, &filter);
    let (opened, reopened, resolved) = tokio::try_join!(
        counted(facts::OPENED),
        counted(facts::REOPENED),
        counted(facts::RESOLVED),
    )?;
    let (responses, bots_responses, by_people, by_bots) = tokio::try_join!(
        counted(facts::RESPONSES_OF_PEOPLE),
        counted(facts::RESPONSES_OF_BOTS),
        counted(facts::RESOLVED_BY_PEOPLE),
        counted(facts::RESOLVED_BY_BOTS),
    )?;
    let course = |step| {
        let place = (step, None);
        let apart = |people: &Counted, bots: &Counted| Apart {
            people: people.times(place),
            bots: bots.times(place),
        };
        Course {
            opened: opened.number(place),
            reopened: reopened.number(place),
            resolved: resolved.number(place),
            first_response: apart(&responses, &bots_responses),
            resolution: apart(&by_people, &by_bots),
        }
    };
    Ok((0..edges.len().saturating_sub(1)).map(course).collect())
}
