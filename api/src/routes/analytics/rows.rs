//! The rows behind a number: as many as the number says, for they are found by the same measure.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, Utc};
use projections::conversation_facts::ConversationFacts;
use projections::conversation_messages::ConversationMessages;
use projections::facts::{self, Cursor, Facts, Filter, Group};
use projections::payout_facts::PayoutFacts;
use projections::template_usage::TemplateUsage;
use projections::templates::Templates;
use projections::tickets::Tickets;
use serde::{Deserialize, Serialize};

use super::rows_of_buckets;
use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, unreadable};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) agent: Option<String>,
    /// By what the rows are told apart, and what it is for those that are wanted.
    by: Option<String>,
    key: Option<String>,
    pub(super) limit: Option<i64>,
    pub(super) cursor: Option<String>,
    pub(super) min_position: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Meta {
    pub(super) count: u64,
    pub(super) next_cursor: Option<String>,
    pub(super) has_more: bool,
}

pub(super) async fn list(
    state: Data<State>,
    member: Member,
    measure: Path<String>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let (name, asked) = (measure.into_inner(), asked.into_inner());
    match name.split_once('.').unwrap_or_default() {
        ("conversations", _) => of(&state, &member, &ConversationFacts, &name, asked).await,
        ("messages", _) => of(&state, &member, &ConversationMessages, &name, asked).await,
        ("payouts", _) => of(&state, &member, &PayoutFacts, &name, asked).await,
        ("templates", _) => of(&state, &member, &Templates, &name, asked).await,
        ("template_usage", _) => of(&state, &member, &TemplateUsage, &name, asked).await,
        ("tickets", _) => of(&state, &member, &Tickets, &name, asked).await,
        ("volume", way) => rows_of_buckets::volume(&state, &member, way, asked).await,
        ("activity", action) => rows_of_buckets::activity(&state, &member, action, asked).await,
        _ => Err(unknown(&name)),
    }
}

pub(super) fn unknown(name: &str) -> Problem {
    let detail = format!("there is no measure {name}; follow the links beside numbers");
    Problem::new(actix_web::http::StatusCode::NOT_FOUND, "analytics.unknown_measure", detail)
}

async fn of<M: Facts>(
    state: &State,
    member: &Member,
    model: &'static M,
    name: &str,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let measure = M::MEASURES.iter().find(|measure| measure.name == name);
    let measure = *measure.ok_or_else(|| unknown(name))?;
    let page = Page::<Cursor<M>>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(state, asked.min_position.as_deref())?;
    let (from, to) = asked.span(state)?;
    let filter = Filter {
        channel: reading::id("channel", asked.channel.as_deref())?,
        agent: reading::id("agent", asked.agent.as_deref())?,
        group: group(M::GROUPS, asked.by, asked.key)?,
    };
    let (live, finder) = reading::finder(state, member, model, min).await?;
    let counts = facts::count(&finder, measure, &[from, to], None, &filter).await?;
    let rows = facts::rows(&finder, measure, (from, to), &filter, page.after.clone(), page.fetch())
        .await?;
    let cut = page.cut(rows, |(cursor, _)| cursor.clone());
    let rows: Vec<_> = cut.rows.into_iter().map(|(_, row)| row).collect();
    let meta = Meta {
        count: counts.first().map_or(0, |count| count.count),
        has_more: cut.next.is_some(),
        next_cursor: cut.next,
    };
    Ok(envelope::with_meta(&live, rows, meta))
}

impl Asked {
    /// As a number's link tells it: to the instant, not widened to steps.
    pub(super) fn span(&self, state: &State) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
        let to = reading::time("to", self.to.as_deref())?
            .unwrap_or_else(|| state.commands.store().clock().now());
        let from =
            reading::time("from", self.from.as_deref())?.unwrap_or(to - chrono::TimeDelta::days(1));
        if from >= to {
            return Err(unreadable("to", "is after from"));
        }
        Ok((from, to))
    }
}

fn group(
    known: &[Group],
    by: Option<String>,
    key: Option<String>,
) -> Result<Option<(Group, String)>, Problem> {
    let Some(by) = by else { return Ok(None) };
    let Some(group) = known.iter().find(|group| group.name == by) else {
        let names: Vec<&str> = known.iter().map(|group| group.name).collect();
        return Err(unreadable("by", format!("is one of these here: {}", names.join(", "))));
    };
    let key = reading::text("key", key)?.ok_or_else(|| unreadable("key", "goes with by"))?;
    Ok(Some((*group, key)))
}
