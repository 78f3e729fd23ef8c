//! What each member of the organisation did, and how fast.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpRequest;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use projections::agent_activity::{self, Activity, AgentActivity};
use projections::conversation_facts::{
    ConversationFacts, RESOLVED, RESOLVER, RESPONDER, RESPONSES_OF_PEOPLE,
};
use projections::conversation_messages::{ConversationMessages, SENDER, WRITTEN};
use projections::tickets::{ASSIGNEE, SOLVED, Tickets};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::number::{Counted, Number, Times, address_of};
use super::span::{Asked, Span};
use super::table::{self, Table};
use crate::State;
use crate::auth::Member;
use crate::problem::Problem;
use crate::query::Query;

/// One member in one step in which they did something.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsAgent")]
pub(super) struct Agent {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    #[schemars(with = "Uuid")]
    agent_id: String,
    first_response: Times,
    /// Of the conversations that they had when they were resolved.
    resolution: Times,
    messages: Number,
    tickets_solved: Times,
    /// All that they did, named as in the audit log. Not told of one channel, for not everything
    /// belongs to one.
    activity: Option<BTreeMap<String, Number>>,
}

pub(super) async fn show(
    state: Data<State>,
    member: Member,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<Table<Vec<Agent>>, Problem> {
    let span = asked.into_inner().span(&state, None)?;
    let (live, conversations) = span.finder(&state, &member, &ConversationFacts).await?;
    let (live, messages) = span.beside(&state, &member, live, &ConversationMessages).await?;
    let (live, tickets) = span.beside(&state, &member, live, &Tickets).await?;
    let (live, activity) = span.beside(&state, &member, live, &AgentActivity).await?;
    let (filter, edges) = (span.filter(), &span.edges[..]);
    let (responses, resolved, written, solved) = tokio::try_join!(
        Counted::find(&conversations, RESPONSES_OF_PEOPLE, edges, Some(RESPONDER), &filter),
        Counted::find(&conversations, RESOLVED, edges, Some(RESOLVER), &filter),
        Counted::find(&messages, WRITTEN, edges, Some(SENDER), &filter),
        Counted::find(&tickets, SOLVED, edges, Some(ASSIGNEE), &filter),
    )?;
    let activity = match span.channel {
        None => Some(agent_activity::series(&activity, edges, span.agent).await?),
        Some(_) => None,
    };
    let mut places = BTreeSet::new();
    for counted in [&responses, &resolved, &written, &solved] {
        places.extend(counted.places());
    }
    let acted = activity.iter().flatten().map(|done| (done.step, done.agent_id.to_string()));
    places.extend(acted);
    let agent = |(step, agent_id): (usize, String)| {
        let place = (step, Some(agent_id.as_str()));
        Agent {
            start: span.edges[step],
            end: span.edges[step + 1],
            first_response: responses.times(place),
            resolution: resolved.times(place),
            messages: written.number(place),
            tickets_solved: solved.times(place),
            activity: activity.as_ref().map(|all| done(all, &span, step, &agent_id)),
            agent_id,
        }
    };
    let agents: Vec<Agent> = places.into_iter().map(agent).collect();
    table::answer(&request, &live, agents, span.meta())
}

fn done(all: &[Activity], span: &Span, step: usize, agent: &str) -> BTreeMap<String, Number> {
    let pair = (span.edges[step], span.edges[step + 1]);
    let theirs = all.iter().filter(|one| one.step == step && one.agent_id.to_string() == agent);
    let number = |one: &Activity| {
        let name = format!("activity.{}", one.action);
        let rows = address_of(&name, pair, vec![("agent", agent.to_owned())]);
        (one.action.clone(), Number { value: one.times, rows })
    };
    theirs.map(number).collect()
}
