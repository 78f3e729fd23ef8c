//! The events behind a number that is kept in buckets of time.

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use domain::Actor;
use projections::agent_activity::{self, AgentActivity};
use projections::behind::{self, Place};
use projections::message_volume::{self, MessageVolume};
use projections::{ReadModel, Recorded};
use serde::Serialize;

use super::rows::{Asked, unknown};
use crate::State;
use crate::auth::Member;
use crate::envelope;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, unreadable};

/// An event, as far as everybody in the organisation may know of it.
#[derive(Serialize)]
struct Item {
    position: i64,
    action: String,
    actor: String,
    aggregate_type: String,
    aggregate_id: String,
    recorded_at: DateTime<Utc>,
}

/// Messages that came (`inbound`) or went (`outbound`).
pub(super) async fn volume(
    state: &State,
    member: &Member,
    way: &str,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let inbound = match way {
        "inbound" => true,
        "outbound" => false,
        _ => return Err(unknown(&format!("volume.{way}"))),
    };
    let channel = reading::id("channel", asked.channel.as_deref())?;
    let wanted = move |key: &message_volume::Key| {
        (key.author == "customer") == inbound
            && channel.is_none_or(|channel| channel == key.channel_id)
    };
    let types = ["MessageReceived", "MessageEchoed", "MessageQueued"].map(str::to_owned);
    list(state, member, &MessageVolume, asked, (None, Some(types.to_vec())), wanted).await
}

/// What a member did of one kind.
pub(super) async fn activity(
    state: &State,
    member: &Member,
    action: &str,
    asked: Asked,
) -> Result<HttpResponse, Problem> {
    let Some((_, event_type)) = action.split_once('.') else {
        return Err(unknown(&format!("activity.{action}")));
    };
    let agent = reading::id("agent", asked.agent.as_deref())?
        .ok_or_else(|| unreadable("agent", "says whose activity is meant"))?;
    let wanted = |key: &agent_activity::Key| key.agent_id == agent && key.action == action;
    let actor = Actor::User(agent).to_string();
    let narrowed = (Some(actor), Some(vec![event_type.to_owned()]));
    list(state, member, &AgentActivity, asked, narrowed, wanted).await
}

async fn list<M: ReadModel>(
    state: &State,
    member: &Member,
    model: &'static M,
    asked: Asked,
    (actor, event_types): (Option<String>, Option<Vec<String>>),
    wanted: impl Fn(&M::Key) -> bool,
) -> Result<HttpResponse, Problem> {
    let page = Page::<i64>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(state, asked.min_position.as_deref())?;
    let (from, to) = asked.span(state)?;
    let (live, _) = reading::finder(state, member, model, min).await?;
    let until = live.position.position;
    let place = Place { tenant: member.tenant(), from, to, until, actor, event_types };
    let (after, limit) = (page.after.unwrap_or_default(), page.fetch());
    let limit = usize::try_from(limit).unwrap_or_default();
    let events = behind::events::<M>(&state.database.app, &place, wanted, after, limit).await?;
    let cut = page.cut(events, |event| event.stored.position);
    let items: Vec<Item> = cut.rows.iter().map(item).collect();
    Ok(envelope::page(&live, items, cut.next))
}

fn item(event: &Recorded) -> Item {
    Item {
        position: event.stored.position,
        action: event.action(),
        actor: event.stored.actor.clone(),
        aggregate_type: event.stored.aggregate_type.clone(),
        aggregate_id: event.stored.aggregate_id.clone(),
        recorded_at: event.stored.recorded_at,
    }
}
