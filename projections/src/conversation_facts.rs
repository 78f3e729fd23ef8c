//! What is measured of conversations: one row for each cycle, with the instants from which all
//! counts and times are taken.
//!
//! All instants are record times. The clock of a response starts when the customer first writes in
//! the cycle; a person's response is the first message by a human, a bot's the first by a bot, and
//! neither automations nor campaigns respond. A resolution takes from the cycle's beginning.

use chrono::{DateTime, Utc};
use domain::conversation::{Author, Event};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Recorded;
use crate::facts::{Facts, Group, Measure};
use crate::model::{Column, ReadModel, Source, Table, column};

pub struct ConversationFacts;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
    pub cycle: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub conversation_id: Uuid,
    pub cycle: u32,
    pub channel_id: Option<Uuid>,
    pub contact_id: Option<Uuid>,
    pub opened_at: DateTime<Utc>,
    pub by_customer: bool,
    /// Messages of the customer, and of the organisation by who wrote them.
    pub inbound: i64,
    pub human: i64,
    pub bot: i64,
    pub automation: i64,
    pub campaign: i64,
    pub first_inbound_at: Option<DateTime<Utc>>,
    /// Since when the customer waits for somebody's answer.
    pub waiting_since: Option<DateTime<Utc>>,
    pub first_response_at: Option<DateTime<Utc>>,
    pub first_responder: Option<Uuid>,
    pub bot_response_at: Option<DateTime<Utc>>,
    pub assignee: Option<Uuid>,
    pub first_assigned_at: Option<DateTime<Utc>>,
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who had it when it was resolved; where nobody had it, who resolved it.
    pub resolver: Option<Uuid>,
    /// Whether a person resolved it or wrote in it.
    pub by_people: Option<bool>,
    /// It goes on in another conversation.
    pub merged_at: Option<DateTime<Utc>>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("conversation_id", "uuid"),
        column("cycle", "bigint"),
        column("channel_id", "uuid"),
        column("contact_id", "uuid"),
        column("opened_at", "timestamptz"),
        column("by_customer", "boolean"),
        column("inbound", "bigint"),
        column("human", "bigint"),
        column("bot", "bigint"),
        column("automation", "bigint"),
        column("campaign", "bigint"),
        column("first_inbound_at", "timestamptz"),
        column("waiting_since", "timestamptz"),
        column("first_response_at", "timestamptz"),
        column("first_responder", "uuid"),
        column("bot_response_at", "timestamptz"),
        column("assignee", "uuid"),
        column("first_assigned_at", "timestamptz"),
        column("resolved_at", "timestamptz"),
        column("resolver", "uuid"),
        column("by_people", "boolean"),
        column("merged_at", "timestamptz"),
    ];
    const KEY: usize = 3;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, opened_at)",
        "(tenant_id, resolved_at) where resolved_at is not null",
        "(tenant_id, first_response_at) where first_response_at is not null",
        "(tenant_id, bot_response_at) where bot_response_at is not null",
        "(tenant_id, opened_at) where resolved_at is null and merged_at is null",
    ];
}

impl ReadModel for ConversationFacts {
    const NAME: &'static str = "conversation_facts";
    const VERSION: u32 = 1;
    const SOURCE: Source = Source::Stream("conversation");
    type Key = Key;
    type Row = Row;

    fn keys(recorded: &Recorded) -> Vec<Key> {
        let domain::Event::Conversation(event) = &recorded.event else { return vec![] };
        let Some(cycle) = event.cycle() else { return vec![] };
        let first = if matches!(event, Event::Merged { .. }) { 1 } else { cycle };
        let key = |cycle| Key {
            tenant_id: recorded.stored.tenant_id,
            conversation_id: recorded.stream(),
            cycle,
        };
        (first..=cycle).map(key).collect()
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Conversation(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Opened { .. } | Event::Reopened { .. }) => begun(key, at),
            (row, _) => row?,
        };
        match event {
            Event::Opened { channel, contact, .. } => {
                row.channel_id = Some(*channel);
                row.contact_id = Some(*contact);
                row.by_customer = recorded.user().is_none();
            }
            Event::Reopened { by_customer, channel, contact, agent, .. } => {
                row.channel_id = *channel;
                row.contact_id = *contact;
                row.assignee = *agent;
                row.by_customer = *by_customer;
            }
            Event::MessageReceived(message) if message.is_news() && !message.moved => {
                row.receive(message.channel, at);
            }
            Event::MessageEchoed(message) if message.is_news() && !message.moved => {
                row.say(message.author, None, at);
            }
            Event::MessageQueued(message) if message.is_news() && !message.moved => {
                row.say(message.author, recorded.user(), at);
            }
            Event::Assigned { agent, .. } => {
                row.assignee = Some(*agent);
                row.first_assigned_at.get_or_insert(at);
            }
            Event::Unassigned { .. } => row.assignee = None,
            Event::Resolved { agent, .. } => row.resolve(*agent, recorded.user(), at),
            Event::ContactReplaced { contact, .. } => row.contact_id = Some(*contact),
            Event::Merged { .. } => {
                row.merged_at = Some(at);
                row.waiting_since = None;
            }
            Event::MessageReceived(_)
            | Event::MessageEchoed(_)
            | Event::MessageQueued(_)
            | Event::Dispatched(_)
            | Event::Delivered(_)
            | Event::Read(_)
            | Event::Played(_)
            | Event::Failed(_)
            | Event::Unknown { .. }
            | Event::MessageRetried { .. }
            | Event::MessageDiscarded { .. }
            | Event::NoteAdded { .. }
            | Event::MarkedRead { .. } => {}
        }
        Some(row)
    }
}

fn begun(key: &Key, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        conversation_id: key.conversation_id,
        cycle: key.cycle,
        channel_id: None,
        contact_id: None,
        opened_at: at,
        by_customer: false,
        inbound: 0,
        human: 0,
        bot: 0,
        automation: 0,
        campaign: 0,
        first_inbound_at: None,
        waiting_since: None,
        first_response_at: None,
        first_responder: None,
        bot_response_at: None,
        assignee: None,
        first_assigned_at: None,
        resolved_at: None,
        resolver: None,
        by_people: None,
        merged_at: None,
    }
}

impl Row {
    fn receive(&mut self, channel: Uuid, at: DateTime<Utc>) {
        // A cycle that an older program reopened learns its channel here.
        self.channel_id.get_or_insert(channel);
        self.inbound += 1;
        self.first_inbound_at.get_or_insert(at);
        self.waiting_since.get_or_insert(at);
    }

    fn say(&mut self, author: Author, sender: Option<Uuid>, at: DateTime<Utc>) {
        let asked = self.first_inbound_at.is_some();
        match author {
            Author::Human => {
                self.human += 1;
                self.waiting_since = None;
                if asked && self.first_response_at.is_none() {
                    self.first_response_at = Some(at);
                    self.first_responder = sender;
                }
            }
            Author::Bot => {
                self.bot += 1;
                self.waiting_since = None;
                if asked {
                    self.bot_response_at.get_or_insert(at);
                }
            }
            Author::Automation => self.automation += 1,
            Author::Campaign => self.campaign += 1,
            Author::Customer => {}
        }
    }

    fn resolve(&mut self, agent: Option<Uuid>, user: Option<Uuid>, at: DateTime<Utc>) {
        self.resolved_at = Some(at);
        self.resolver = agent.or(user);
        self.by_people = Some(self.human > 0 || user.is_some());
        self.waiting_since = None;
    }
}

impl Facts for ConversationFacts {
    const SHOWN: &'static str = "*";
    const MEASURES: &'static [Measure] = &[
        OPENED,
        REOPENED,
        RESPONSES_OF_PEOPLE,
        RESPONSES_OF_BOTS,
        RESOLVED,
        RESOLVED_BY_PEOPLE,
        RESOLVED_BY_BOTS,
        OPEN,
        UNASSIGNED,
        WAITING,
    ];
    const GROUPS: &'static [Group] = &[RESPONDER, RESOLVER];
}

pub const RESPONDER: Group = Group { name: "responder", sql: "first_responder::text" };
pub const RESOLVER: Group = Group { name: "resolver", sql: "resolver::text" };

/// Cycles that began, reopened ones among them.
pub const OPENED: Measure =
    Measure { agent: Some("assignee"), ..Measure::new("conversations.opened", "opened_at") };
pub const REOPENED: Measure =
    Measure { name: "conversations.reopened", when: Some("cycle > 1"), ..OPENED };
pub const RESPONSES_OF_PEOPLE: Measure = Measure {
    since: Some("first_inbound_at"),
    agent: Some("first_responder"),
    ..Measure::new("conversations.responses_of_people", "first_response_at")
};
pub const RESPONSES_OF_BOTS: Measure = Measure {
    since: Some("first_inbound_at"),
    ..Measure::new("conversations.responses_of_bots", "bot_response_at")
};
pub const RESOLVED: Measure = Measure {
    since: Some("opened_at"),
    agent: Some("resolver"),
    ..Measure::new("conversations.resolved", "resolved_at")
};
pub const RESOLVED_BY_PEOPLE: Measure =
    Measure { name: "conversations.resolved_by_people", when: Some("by_people"), ..RESOLVED };
pub const RESOLVED_BY_BOTS: Measure =
    Measure { name: "conversations.resolved_by_bots", when: Some("not by_people"), ..RESOLVED };
/// Cycles that are not over, whenever they began.
pub const OPEN: Measure = Measure {
    name: "conversations.open",
    when: Some("resolved_at is null and merged_at is null"),
    ..OPENED
};
pub const UNASSIGNED: Measure = Measure {
    name: "conversations.unassigned",
    when: Some("resolved_at is null and merged_at is null and assignee is null"),
    ..OPENED
};
pub const WAITING: Measure = Measure {
    name: "conversations.waiting",
    when: Some("resolved_at is null and merged_at is null and waiting_since is not null"),
    ..OPENED
};
