//! What waits for an answer: one row for each conversation, with its newest message.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::conversation::{Author, Event, Message, Outgoing, State};
use domain::message::Kind;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::contacts::token;
use crate::finder::{Finder, Select, time};
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Inbox;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
    pub channel_id: Uuid,
    pub contact_id: Uuid,
    /// Token of the group's id, where the conversation is a group's.
    pub group_id: Option<String>,
    pub state: State,
    pub assignee: Option<Uuid>,
    pub cycle: u32,
    pub unread: u32,
    pub messages: u32,
    /// By the provider's clock. Empty while only receipts have come.
    #[serde(deserialize_with = "time::read_if_any")]
    pub last_message_at: Option<DateTime<Utc>>,
    pub last_message_order: Option<String>,
    pub last_message_kind: Option<String>,
    pub last_message_author: Option<String>,
    /// Token of the newest message's body.
    pub last_message_body: Option<String>,
    pub version: i64,
    #[serde(deserialize_with = "time::read")]
    pub opened_at: DateTime<Utc>,
    #[serde(deserialize_with = "time::read_if_any")]
    pub closed_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("conversation_id", "uuid"),
        column("channel_id", "uuid"),
        column("contact_id", "uuid"),
        column("group_id", "text"),
        column("state", "text"),
        column("assignee", "uuid"),
        column("cycle", "bigint"),
        column("unread", "bigint"),
        column("messages", "bigint"),
        column("last_message_at", "timestamptz"),
        column("last_message_order", "text"),
        column("last_message_kind", "text"),
        column("last_message_author", "text"),
        column("last_message_body", "text"),
        column("version", "bigint"),
        column("opened_at", "timestamptz"),
        column("closed_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, last_message_at desc, conversation_id desc) where last_message_at is not null",
        "(tenant_id, state, last_message_at desc, conversation_id desc) where last_message_at is not null",
        "(tenant_id, assignee, last_message_at desc, conversation_id desc) where last_message_at is not null",
        "(tenant_id, contact_id)",
    ];
}

impl ReadModel for Inbox {
    const NAME: &'static str = "inbox";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("conversation");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Conversation(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, conversation_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Conversation(event) = &recorded.event else { return row };
        let mut row = match (row, event) {
            (None, Event::Opened { channel, contact, .. }) => {
                opened(key, *channel, *contact, recorded)
            }
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        match event {
            Event::Opened { group, .. } => row.group_id = group.as_ref().and_then(token),
            Event::MessageReceived(message) => {
                row.unread += u32::from(message.is_news());
                row.show(Shown::received(message));
            }
            Event::MessageEchoed(message) => row.show(Shown::received(message)),
            Event::MessageQueued(message) => row.show(Shown::queued(message)),
            Event::MarkedRead { .. } => row.unread = 0,
            Event::Assigned { agent, .. } => row.assignee = Some(*agent),
            Event::Unassigned { .. } => row.assignee = None,
            Event::Resolved { .. } => row.closed_at = Some(recorded.stored.recorded_at),
            Event::Reopened { cycle, .. } => {
                row.cycle = *cycle;
                row.closed_at = None;
            }
            Event::ContactReplaced { contact, .. } => row.contact_id = *contact,
            Event::Merged { .. } => return None,
            Event::Dispatched(_)
            | Event::Delivered(_)
            | Event::Read(_)
            | Event::Played(_)
            | Event::Failed(_)
            | Event::Unknown { .. }
            | Event::MessageRetried { .. }
            | Event::MessageDiscarded { .. }
            | Event::NoteAdded { .. } => {}
        }
        row.state = row.state.after(event, row.assignee.is_some());
        Some(row)
    }
}

fn opened(key: &Key, channel: Uuid, contact: Uuid, event: &Recorded) -> Row {
    Row {
        tenant_id: key.tenant_id,
        conversation_id: key.conversation_id,
        channel_id: channel,
        contact_id: contact,
        group_id: None,
        state: State::Open,
        assignee: None,
        cycle: 1,
        unread: 0,
        messages: 0,
        last_message_at: None,
        last_message_order: None,
        last_message_kind: None,
        last_message_author: None,
        last_message_body: None,
        version: 0,
        opened_at: event.stored.recorded_at,
        closed_at: None,
    }
}

/// What the inbox shows of a message.
struct Shown<'a> {
    order: (DateTime<Utc>, &'a str),
    kind: Kind,
    author: Author,
    body: Option<String>,
}

impl<'a> Shown<'a> {
    fn received(message: &'a Message) -> Self {
        let Message { kind, author, .. } = *message;
        Shown { order: message.order(), kind, author, body: token(&message.body) }
    }

    fn queued(message: &'a Outgoing) -> Self {
        let Outgoing { kind, author, at, .. } = *message;
        Shown { order: (at, &message.order), kind, author, body: token(&message.body) }
    }
}

impl Row {
    /// Counts the message, and shows it if it is the newest.
    fn show(&mut self, message: Shown) {
        self.messages += 1;
        let newest = self.last_message_at.zip(self.last_message_order.as_deref());
        if newest.is_some_and(|newest| newest > message.order) {
            return;
        }
        self.last_message_at = Some(message.order.0);
        self.last_message_order = Some(message.order.1.to_owned());
        self.last_message_kind = Some(message.kind.as_str().into());
        self.last_message_author = Some(author(message.author).into());
        self.last_message_body = message.body;
    }
}

/// What somebody wants to see of the inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Empty: all.
    pub states: Vec<State>,
    pub assignee: Assignee,
    pub unread: bool,
    pub channel: Option<Uuid>,
    /// Only conversations with these contacts.
    pub contacts: Option<Vec<Uuid>>,
    /// Only those that are this user's or nobody's.
    pub seen_by: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Assignee {
    #[default]
    Anyone,
    Nobody,
    Agent(Uuid),
}

/// The last row of a page: when its newest message was, and its conversation.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Option<Cursor> {
        Some((self.last_message_at?, self.conversation_id))
    }
}

/// Conversations in which somebody said something, newest first.
pub async fn page(
    finder: &Finder<Inbox>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.sql.push(" and last_message_at is not null");
    find.is_one_of("state", filter.states.iter().map(|state| state.as_str()));
    match filter.assignee {
        Assignee::Anyone => {}
        Assignee::Nobody => {
            find.sql.push(" and assignee is null");
        }
        Assignee::Agent(agent) => {
            find.when("assignee = {}", Some(agent));
        }
    }
    if filter.unread {
        find.sql.push(" and unread > 0");
    }
    find.when("channel_id = {}", filter.channel);
    find.when("contact_id = any({})", filter.contacts).when(SEEN_BY, filter.seen_by);
    if let Some((at, conversation)) = after {
        find.sql.push(" and (last_message_at, conversation_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(conversation).push(")");
    }
    find.fetch("last_message_at desc, conversation_id desc", limit).await
}

const SEEN_BY: &str = "(assignee is null or assignee = {})";

/// One conversation; where `seen_by` is told, only if it is theirs or nobody's.
pub async fn find(
    finder: &Finder<Inbox>,
    conversation: Uuid,
    seen_by: Option<Uuid>,
) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("conversation_id = {}", Some(conversation)).when(SEEN_BY, seen_by);
    find.fetch_one().await
}

/// Adds to a query for something else the condition that [`find`] would find this conversation, which
/// the query knows by that name.
pub(crate) fn has<M: ReadModel>(
    finder: &Finder<Inbox>,
    query: &mut Select<'_, M>,
    conversation: &str,
    seen_by: Option<Uuid>,
) {
    let table = finder.table();
    query.sql.push(format!(
        " and exists (select from {table} i where i.tenant_id = t.id and i.conversation_id = {conversation}"
    ));
    query.when(SEEN_BY, seen_by);
    query.sql.push(")");
}

/// Those of these conversations that there are; where `seen_by` is told, theirs and nobody's.
pub async fn of_ids(
    finder: &Finder<Inbox>,
    among: impl IntoIterator<Item = Uuid>,
    seen_by: Option<Uuid>,
) -> Result<Vec<Row>, Error> {
    let among: Vec<Uuid> = among.into_iter().collect();
    let mut find = finder.select("r.*");
    find.when("conversation_id = any({})", Some(among)).when(SEEN_BY, seen_by);
    find.fetch_all().await
}

/// Which of these conversations are this user's or nobody's.
pub async fn seen_by(
    finder: &Finder<Inbox>,
    user: Uuid,
    among: Vec<Uuid>,
) -> Result<BTreeSet<Uuid>, Error> {
    let rows = of_ids(finder, among, Some(user)).await?;
    Ok(rows.into_iter().map(|row| row.conversation_id).collect())
}

/// Conversations that somebody has and that are not closed.
pub async fn open_of(
    finder: &Finder<Inbox>,
    assignee: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, Error> {
    let mut find = finder.select("r.*");
    find.sql.push(" and state <> 'closed'");
    find.when("assignee = {}", Some(assignee));
    let rows: Vec<Row> = find.fetch("conversation_id", limit).await?;
    Ok(rows.into_iter().map(|row| row.conversation_id).collect())
}

pub(crate) fn author(author: Author) -> &'static str {
    match author {
        Author::Customer => "customer",
        Author::Human => "human",
        Author::Bot => "bot",
        Author::Automation => "automation",
        Author::Campaign => "campaign",
    }
}
