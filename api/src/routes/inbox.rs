//! What waits for an answer.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::rt;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use domain::conversation::{Author, Body, State as Status};
use domain::message::Kind;
use projections::contacts::{self, Contacts};
use projections::finder::Finder;
use projections::inbox::{self, Assignee, Cursor, Filter, Inbox};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use uuid::Uuid;

use crate::State;
use crate::app::InboxPage;
use crate::auth::Member;
use crate::envelope::{self, Common};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Live, Position};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};
use crate::shared::ago;
use crate::time;

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/inbox", list)
        .is("inbox.list", "Lists conversations, the last to have news first")
        .refuses(422, &["parameter.invalid"]);
}

/// How long a page is told to whoever asks for the same and finds its read models where they were, unless
/// somebody is erased meanwhile: all screens of a team ask for it whenever something happened.
const KEPT: Duration = Duration::from_millis(100);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// States with commas between, or `all`; otherwise all but `closed`.
    #[schemars(example = &"open,human_handling")]
    status: Option<String>,
    /// `me`, `unassigned`, or a user's id.
    #[schemars(example = &"me")]
    assignee: Option<String>,
    /// Only conversations with unread messages.
    #[serde(default)]
    unread: bool,
    /// Beginnings of words of a name; the beginning or the end of a number.
    q: Option<String>,
    /// Only conversations on this channel.
    #[schemars(with = "Option<Uuid>")]
    channel: Option<String>,
    /// Only conversations with this contact, under whichever name it was known.
    #[schemars(with = "Option<Uuid>")]
    contact: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

/// A conversation as lists and its own page show it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conversation")]
pub(super) struct Item {
    pub(super) conversation_id: Uuid,
    channel_id: Uuid,
    contact: Contact,
    /// Of the provider's group, where it is not between two.
    group_id: Option<String>,
    #[schemars(with = "Status")]
    status: &'static str,
    /// The user who has it.
    assignee_id: Option<Uuid>,
    /// Which round from opening to closing this is.
    cycle: u32,
    unread_count: u32,
    message_count: u32,
    last_message: Option<LastMessage>,
    #[serde(serialize_with = "time::write")]
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    version: i64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ConversationContact")]
struct Contact {
    id: Uuid,
    #[schemars(example = &"Ada Obi")]
    name: Option<String>,
    #[schemars(example = &"254712345678")]
    phone: Option<String>,
    /// By which the provider knows a person who hides the number.
    #[schemars(example = &"KE.1234567890")]
    user_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct LastMessage {
    #[serde(serialize_with = "time::write")]
    at: DateTime<Utc>,
    #[schemars(with = "Option<Kind>")]
    kind: Option<String>,
    #[schemars(with = "Option<Author>")]
    author: Option<String>,
    #[schemars(example = &"Is the red pot still there?")]
    preview: Option<String>,
    /// There, and true, where the person was erased.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
}

async fn list(
    state: Data<State>,
    member: Member,
    asked: Query<Asked>,
) -> Result<Common<envelope::Page<Item>>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let mut filter = Filter {
        states: statuses(asked.status.as_deref())?,
        assignee: assignee(asked.assignee.as_deref(), member.principal.user)?,
        unread: asked.unread,
        channel: reading::id("channel", asked.channel.as_deref())?,
        contacts: None,
        seen_by: member.only(),
    };
    if let Some(contact) = reading::id("contact", asked.contact.as_deref())? {
        filter.contacts = Some(reading::same_person(&state, &member, contact).await?);
    }
    let searched = reading::search(&state, &member, asked.q.as_deref(), min).await?;
    let (mut live, finder) = reading::finder(&state, &member, &Inbox, min).await?;
    if let Some((search, mut found)) = searched {
        live = live.with(search);
        if let Some(meant) = filter.contacts {
            found.retain(|contact| meant.contains(contact));
        }
        filter.contacts = Some(found);
    }
    let (live, contacts) = reading::beside(&state, &member, live, &Contacts, min).await?;
    let wanted = InboxPage {
        tenant: member.tenant(),
        generations: [finder.generation(), contacts.generation()],
        position: live.position.position,
        erasures: state.commands.store().erasures(),
        stale: live.stale.clone(),
        filter: filter.clone(),
        after: page.after,
        limit: page.limit,
    };
    let look = async || {
        let rows = inbox::page(&finder, filter, page.after, page.fetch()).await?;
        let cut = page.cut(rows, |row| row.cursor().unwrap_or_default());
        let items = shown(&state, &member, &contacts, cut.rows).await?;
        keep(&state, wanted.clone());
        envelope::page(&live, items, cut.next).write()
    };
    let found =
        state.inbox.with(wanted.clone(), async |shared| shared.look_since(ago(KEPT), look).await);
    Ok(envelope::common(&live, found.await?))
}

/// Keeps a page from being let go for a while, whoever goes meanwhile.
fn keep(state: &State, page: InboxPage) {
    let inbox = state.inbox.clone();
    let held = inbox.of(page.clone());
    rt::spawn(async move {
        let until_then = async |_: &_| {
            drop(held);
            sleep(KEPT).await;
        };
        inbox.with(page, until_then).await;
    });
}

/// Which states are meant: all but `closed` unless told, by name with commas between, or `all`.
fn statuses(text: Option<&str>) -> Result<Vec<Status>, Problem> {
    let open = || Status::ALL.into_iter().filter(|status| *status != Status::Closed).collect();
    let Some(text) = text else { return Ok(open()) };
    if text == "all" {
        return Ok(vec![]);
    }
    let known = |name: &str| Status::ALL.into_iter().find(|status| status.as_str() == name);
    text.split(',').map(known).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let names = Status::ALL.map(Status::as_str).join(", ");
        reading::unreadable("status", format!("is `all`, or some of {names}, with commas between"))
    })
}

fn assignee(text: Option<&str>, me: Uuid) -> Result<Assignee, Problem> {
    match text {
        None => Ok(Assignee::Anyone),
        Some("me") => Ok(Assignee::Agent(me)),
        Some("unassigned") => Ok(Assignee::Nobody),
        text => {
            let agent = reading::parsed("assignee", text, "`me`, `unassigned`, or a user's UUID")?;
            Ok(agent.map_or(Assignee::Anyone, Assignee::Agent))
        }
    }
}

/// The rows as they are shown, with their contacts; the answer is as fresh as the older model.
pub(super) async fn items(
    state: &State,
    member: &Member,
    live: Live,
    rows: Vec<inbox::Row>,
    min: Option<Position>,
) -> Result<(Live, Vec<Item>), Problem> {
    let (live, finder) = reading::beside(state, member, live, &Contacts, min).await?;
    Ok((live, shown(state, member, &finder, rows).await?))
}

async fn shown(
    state: &State,
    member: &Member,
    finder: &Finder<Contacts>,
    rows: Vec<inbox::Row>,
) -> Result<Vec<Item>, Problem> {
    let ids = rows.iter().map(|row| row.contact_id).collect();
    let contacts = contacts::of_ids(finder, ids).await?;
    let bodies = rows.iter().flat_map(|row| [&row.last_message_body, &row.group_id]);
    let people = contacts.values().flat_map(|row| [&row.name, &row.phone, &row.user_id]);
    let values = Values::open(state, member, bodies.chain(people).flatten()).await?;
    Ok(rows.into_iter().map(|row| item(row, &contacts, &values)).collect())
}

fn item(row: inbox::Row, contacts: &BTreeMap<Uuid, contacts::Person>, values: &Values) -> Item {
    let contact = contacts.get(&row.contact_id);
    let told =
        |field: fn(&contacts::Person) -> Option<&String>| values.text(contact.and_then(field));
    Item {
        contact: Contact {
            id: contact.map_or(row.contact_id, |contact| contact.contact_id),
            name: told(|contact| contact.name.as_ref()),
            phone: told(|contact| contact.phone.as_ref()),
            user_id: told(|contact| contact.user_id.as_ref()),
        },
        group_id: values.text(row.group_id.as_ref()),
        last_message: last_message(&row, values),
        conversation_id: row.conversation_id,
        channel_id: row.channel_id,
        status: row.state.as_str(),
        assignee_id: row.assignee,
        cycle: row.cycle,
        unread_count: row.unread,
        message_count: row.messages,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
        version: row.version,
    }
}

fn last_message(row: &inbox::Row, values: &Values) -> Option<LastMessage> {
    let token = row.last_message_body.as_ref();
    let body: Option<Body> = values.get(token);
    Some(LastMessage {
        at: row.last_message_at?,
        kind: row.last_message_kind.clone(),
        author: row.last_message_author.clone(),
        preview: body.map(|body| body.content.preview()),
        erased: values.erased(token),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn closed_conversations_show_only_when_asked_for() {
        assert!(!statuses(None).unwrap().contains(&Status::Closed));
        assert_eq!(statuses(None).unwrap().len(), Status::ALL.len() - 1);
        assert_eq!(statuses(Some("open,closed")).unwrap(), [Status::Open, Status::Closed]);
        assert!(statuses(Some("all")).unwrap().is_empty());
        for wrong in ["", "opened", "open,", "open closed"] {
            assert_eq!(statuses(Some(wrong)).unwrap_err().code(), "parameter.invalid");
        }
    }

    #[test]
    fn mine_are_those_of_the_keys_user() {
        let me = Uuid::from_u128(7);
        assert_eq!(assignee(Some("me"), me).unwrap(), Assignee::Agent(me));
        assert_eq!(assignee(Some("unassigned"), me).unwrap(), Assignee::Nobody);
        assert_eq!(assignee(None, me).unwrap(), Assignee::Anyone);
        assert!(assignee(Some("bob"), me).is_err());
    }
}
