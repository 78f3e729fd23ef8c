//! Reading a conversation: where it stands, and what was said.

mod newest;

use std::collections::BTreeMap;

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use domain::conversation::Author;
use domain::message::{Content, Context, DeliveryError, Kind, Referral};
use projections::conversation_messages::{
    self, Among, ConversationMessages, Cursor, Shown, Touch, Version,
};
use projections::finder::Finder;
use projections::inbox::{self, Inbox};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{self, One, Read};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Live, Position, Since};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};
use crate::time;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/conversations/{id}", show).is("conversation.show", "Shows a conversation");
    api.get("/v1/conversations/{id}/messages", messages)
        .is("conversation.messages", "Lists messages and notes, the newest first");
    api.get("/v1/conversations/{id}/messages/{message_id}", message)
        .is("message.show", "Shows one message, and how far it got");
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MessagesAsked {
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

async fn show(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<Since>,
) -> Result<One<super::inbox::Item>, Problem> {
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = reading::finder(&state, &member, &Inbox, min).await?;
    let row = inbox::find(&finder, *id, member.only()).await?.ok_or_else(Problem::not_found)?;
    let version = row.version;
    let (live, items) = super::inbox::items(&state, &member, live, vec![row], min).await?;
    let item = items.into_iter().next().ok_or_else(Problem::not_found)?;
    Ok(envelope::composed(&live, version, item))
}

async fn messages(
    state: Data<State>,
    member: Member,
    id: Path<Uuid>,
    asked: Query<MessagesAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, inbox) = reading::finder(&state, &member, &Inbox, min).await?;
    let (live, finder) = reading::beside(&state, &member, live, &ConversationMessages, min).await?;
    let among = Among { messages: &finder, inbox: &inbox, seen_by: member.only() };
    let rows = match page.after.clone() {
        Some(after) => among.page(*id, after, page.fetch()).await?.into(),
        None => newest::newest(&state, &member, &live, among, *id, page.fetch()).await?,
    };
    if rows.is_empty() {
        inbox::find(&inbox, *id, member.only()).await?.ok_or_else(Problem::not_found)?;
    }
    let next = page.next(&rows, |row| row.cursor().unwrap_or_default());
    let items = items(&state, &member, &rows[..page.size().min(rows.len())]).await?;
    Ok(envelope::page(&live, items, next))
}

async fn message(
    state: Data<State>,
    member: Member,
    ids: Path<(Uuid, Uuid)>,
    asked: Query<Since>,
) -> Result<Read<Item>, Problem> {
    let (conversation, message) = ids.into_inner();
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (live, finder) = said_in(&state, &member, conversation, min).await?;
    let row = conversation_messages::find(&finder, conversation, message).await?;
    let items = items(&state, &member, row.as_slice()).await?;
    let item = items.into_iter().next().ok_or_else(Problem::not_found)?;
    Ok(envelope::read(&live, item))
}

/// What was said in a conversation that the caller may see.
pub(super) async fn said_in(
    state: &State,
    member: &Member,
    conversation: Uuid,
    min: Option<Position>,
) -> Result<(Live, Finder<ConversationMessages>), Problem> {
    let (live, inbox) = reading::finder(state, member, &Inbox, min).await?;
    inbox::find(&inbox, conversation, member.only()).await?.ok_or_else(Problem::not_found)?;
    reading::beside(state, member, live, &ConversationMessages, min).await
}

/// Rows as they are shown, their personal values opened together.
async fn items(state: &State, member: &Member, rows: &[Shown]) -> Result<Vec<Item>, Problem> {
    let tokens = rows.iter().flat_map(Shown::tokens);
    let values = Values::open(state, member, tokens).await?;
    Ok(rows.iter().map(|row| item(row, &values)).collect())
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "MessageOrNote")]
enum Item {
    Message(Box<Message>),
    Note(Note),
}

/// Between colleagues; the customer never sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ShownNote")]
struct Note {
    id: Uuid,
    #[schemars(with = "Option<String>", extend("const" = "note"))]
    kind: Option<SmolStr>,
    #[schemars(with = "Option<Author>")]
    author: Option<SmolStr>,
    #[serde(serialize_with = "time::write_if_any")]
    at: Option<DateTime<Utc>>,
    cycle: Option<u32>,
    #[schemars(example = &"She wants it before Friday.")]
    body: Option<String>,
    /// There, and true, where the person was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    #[serde(serialize_with = "time::write")]
    recorded_at: DateTime<Utc>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Message")]
struct Message {
    id: Uuid,
    #[schemars(with = "Option<Kind>")]
    kind: Option<SmolStr>,
    #[schemars(with = "Option<Author>")]
    author: Option<SmolStr>,
    contact_id: Option<Uuid>,
    #[serde(serialize_with = "time::write_if_any")]
    at: Option<DateTime<Utc>>,
    cycle: Option<u32>,
    /// By its `type`; null where it was erased.
    #[schemars(with = "Option<Content>")]
    content: Option<Box<RawValue>>,
    /// There, and true, where the person was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// What the customer's app told of where the message hangs on.
    #[schemars(with = "Option<Context>")]
    context: Option<Box<RawValue>>,
    /// The advertisement or post that led here.
    #[schemars(with = "Option<Referral>")]
    referral: Option<Box<RawValue>>,
    reply_to: Option<Uuid>,
    edited: Option<Edited>,
    reactions: Vec<Reaction>,
    revoked_at: Option<DateTime<Utc>>,
    /// Whether other contents came under the same provider id, and which.
    conflict: bool,
    conflicts: Vec<Conflict>,
    imported: bool,
    /// Of a message of ours: how far it came.
    delivery: Option<Delivery>,
    #[serde(serialize_with = "time::write")]
    recorded_at: DateTime<Utc>,
}

#[derive(Serialize, JsonSchema)]
struct Conflict {
    #[schemars(with = "Kind")]
    kind: String,
    #[schemars(with = "Author")]
    author: String,
    at: DateTime<Utc>,
    #[schemars(with = "Option<Content>")]
    content: Option<Box<RawValue>>,
}

#[derive(Serialize, JsonSchema)]
struct Edited {
    at: DateTime<Utc>,
    #[schemars(with = "Option<Content>")]
    content: Option<Box<RawValue>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ShownReaction")]
struct Reaction {
    /// A contact's id, or `business`.
    #[schemars(example = &"business")]
    by: String,
    at: DateTime<Utc>,
    #[schemars(example = &"👍")]
    emoji: Option<String>,
}

/// How far a message of ours can be; `unknown` is what may have been sent or not.
const DELIVERIES: [&str; 8] =
    ["queued", "sent", "delivered", "read", "played", "failed", "unknown", "discarded"];

#[derive(Serialize, JsonSchema)]
struct Delivery {
    #[schemars(with = "String", extend("enum" = DELIVERIES))]
    status: SmolStr,
    /// When it came that far, by status.
    #[schemars(example = serde_json::json!({"delivered": "2026-01-31T09:00:02Z"}))]
    receipts: BTreeMap<String, DateTime<Utc>>,
    /// The provider's reasons, where it failed.
    errors: Vec<DeliveryError>,
}

/// A message's body, which is shown as it was written.
#[derive(Default, Deserialize)]
struct Body {
    content: Option<Box<RawValue>>,
    context: Option<Box<RawValue>>,
    referral: Option<Box<RawValue>>,
}

/// The body of a message that does something to another one.
#[derive(Deserialize)]
struct Deed<T> {
    content: T,
}

#[derive(Deserialize)]
struct Edit {
    content: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Emoji {
    emoji: Option<String>,
}

fn item(row: &Shown, values: &Values) -> Item {
    let token = row.body.as_ref();
    let erased = values.erased(token);
    if row.kind.as_deref() == Some("note") {
        return Item::Note(Note {
            body: values.text(token),
            erased,
            id: row.message_id,
            kind: row.kind.clone(),
            author: row.author.clone(),
            at: row.at,
            cycle: row.cycle,
            recorded_at: row.recorded_at,
        });
    }
    let Body { content, context, referral } = values.get(token).unwrap_or_default();
    let delivery = |status: &SmolStr| Delivery {
        status: status.clone(),
        receipts: row.receipts.clone(),
        errors: row.errors.clone(),
    };
    Item::Message(Box::new(Message {
        content,
        erased,
        context,
        referral,
        edited: row.edited.as_ref().map(|edit| edited(edit, values)),
        reactions: row.reactions.iter().filter_map(|(by, it)| reaction(by, it, values)).collect(),
        delivery: row.delivery.as_ref().map(delivery),
        id: row.message_id,
        kind: row.kind.clone(),
        author: row.author.clone(),
        contact_id: row.contact_id,
        at: row.at,
        cycle: row.cycle,
        reply_to: row.reply_to,
        revoked_at: row.revoked_at,
        conflict: !row.conflicts.is_empty(),
        conflicts: row.conflicts.iter().map(|version| conflict(version, values)).collect(),
        imported: row.imported,
        recorded_at: row.recorded_at,
    }))
}

fn conflict(version: &Version, values: &Values) -> Conflict {
    Conflict {
        kind: version.kind.clone(),
        author: version.author.clone(),
        at: version.at,
        content: values.get(version.body.as_ref()).and_then(|body: Body| body.content),
    }
}

/// What the message says since its edit.
fn edited(edit: &Touch, values: &Values) -> Edited {
    let deed: Option<Deed<Edit>> = values.get(edit.body.as_ref());
    Edited { at: edit.at, content: deed.and_then(|deed| deed.content.content) }
}

/// `None` where the reaction was taken back. An erased one still tells that there was one.
fn reaction(by: &str, touch: &Touch, values: &Values) -> Option<Reaction> {
    let token = touch.body.as_ref();
    let deed: Option<Deed<Emoji>> = values.get(token);
    let emoji = deed.and_then(|deed| deed.content.emoji);
    if emoji.is_none() && !values.erased(token) {
        return None;
    }
    Some(Reaction { by: by.to_owned(), at: touch.at, emoji })
}
