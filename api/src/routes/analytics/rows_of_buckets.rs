//! The events behind a number that is kept in buckets of time.

use domain::conversation::Conversation;
use domain::{Actor, Aggregate};
use projections::agent_activity::{self, AgentActivity};
use projections::behind::{self, Place};
use projections::message_volume::{self, MessageVolume};
use projections::{ReadModel, Recorded};
use serde_json::{Value, json};

use super::rows::{Asked, Meta, Row, seen, unknown};
use crate::State;
use crate::auth::Member;
use crate::envelope::{Read, read_with};
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::reading::{self, unreadable};

/// Messages that came (`inbound`) or went (`outbound`).
pub(super) async fn volume(
    state: &State,
    member: &Member,
    way: &str,
    asked: Asked,
) -> Result<Read<Vec<Row>, Meta>, Problem> {
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
) -> Result<Read<Vec<Row>, Meta>, Problem> {
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
) -> Result<Read<Vec<Row>, Meta>, Problem> {
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
    let is_conversation = |row: &Row| row["aggregate_type"] == Conversation::TYPE;
    let (told, others): (Vec<Row>, Vec<Row>) = cut.rows.iter().map(row).partition(is_conversation);
    let mut rows = seen(state, member, told, "aggregate_id").await?;
    rows.extend(others);
    rows.sort_by_key(|row| row["position"].as_i64());
    let meta = Meta { count: None, has_more: cut.next.is_some(), next_cursor: cut.next };
    Ok(read_with(&live, rows, meta))
}

/// An event, as far as everybody in the organisation may know of it.
fn row(event: &Recorded) -> Row {
    let stored = &event.stored;
    let told: [(&str, Value); 6] = [
        ("position", json!(stored.position)),
        ("action", json!(event.action())),
        ("actor", json!(stored.actor)),
        ("aggregate_type", json!(stored.aggregate_type)),
        ("aggregate_id", json!(stored.aggregate_id)),
        ("recorded_at", json!(stored.recorded_at)),
    ];
    told.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
