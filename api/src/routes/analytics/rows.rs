//! The rows behind a number: as many as the number says, for they are found by the same measure.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use projections::ReadModel;
use projections::conversation_facts::ConversationFacts;
use projections::conversation_messages::ConversationMessages;
use projections::facts::{self, Cursor, Facts, Filter, Group};
use projections::inbox::{self, Inbox};
use projections::payout_facts::PayoutFacts;
use projections::template_usage::TemplateUsage;
use projections::templates::Templates;
use projections::tickets::Tickets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{rows_of_buckets, span};
use crate::State;
use crate::auth::Member;
use crate::envelope::{Read, read_with};
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, unreadable};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Otherwise a day before `to`.
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub(super) from: Option<String>,
    /// Otherwise now.
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub(super) to: Option<String>,
    /// Only what belongs to this channel.
    #[schemars(with = "Option<Uuid>")]
    pub(super) channel: Option<String>,
    /// Only what this user did or has.
    #[schemars(with = "Option<Uuid>")]
    pub(super) agent: Option<String>,
    /// By what the rows are told apart.
    #[schemars(example = &"failure")]
    by: Option<String>,
    /// What `by` is for the rows that are wanted.
    #[schemars(example = &"[131026,null]")]
    key: Option<String>,
    pub(super) limit: Option<i64>,
    pub(super) cursor: Option<String>,
    pub(super) min_position: Option<String>,
}

/// A row of the measure's read model, or an event.
pub(super) type Row = Map<String, Value>;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AnalyticsRowsPage")]
pub(super) struct Meta {
    /// The number; not told where it is kept in buckets of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    pub(super) next_cursor: Option<String>,
    pub(super) has_more: bool,
}

pub(super) async fn list(
    state: Data<State>,
    member: Member,
    measure: Path<String>,
    asked: Query<Asked>,
) -> Result<Read<Vec<Row>, Meta>, Problem> {
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
) -> Result<Read<Vec<Row>, Meta>, Problem> {
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
    let rows = cut.rows.into_iter().map(|(_, row)| row).collect();
    let of_conversations = [ConversationFacts::NAME, ConversationMessages::NAME];
    let rows = match of_conversations.contains(&M::NAME) {
        true => seen(state, member, rows, "conversation_id").await?,
        false => rows,
    };
    let meta = Meta {
        count: Some(counts.first().map_or(0, |count| count.count)),
        has_more: cut.next.is_some(),
        next_cursor: cut.next,
    };
    Ok(read_with(&live, rows, meta))
}

/// Without the rows of conversations that don't exist for the caller; the number counts them all
/// the same. `field` names their conversations.
pub(super) async fn seen(
    state: &State,
    member: &Member,
    mut rows: Vec<Row>,
    field: &str,
) -> Result<Vec<Row>, Problem> {
    let Some(user) = member.only() else { return Ok(rows) };
    let of = |row: &Row| row.get(field)?.as_str()?.parse::<Uuid>().ok();
    let (_, inbox) = reading::finder(state, member, &Inbox, None).await?;
    let seen = inbox::seen_by(&inbox, user, rows.iter().filter_map(of).collect()).await?;
    rows.retain(|row| of(row).is_none_or(|conversation| seen.contains(&conversation)));
    Ok(rows)
}

impl Asked {
    /// As a number's link tells it: to the instant, not widened to steps.
    pub(super) fn span(&self, state: &State) -> Result<(DateTime<Utc>, DateTime<Utc>), Problem> {
        let (from, to) = span::ends(state, self.from.as_deref(), self.to.as_deref())?;
        span::forward(from, to)?;
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
