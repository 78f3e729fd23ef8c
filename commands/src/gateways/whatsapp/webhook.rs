//! From the body of a webhook to what it says: one notification for each message, status and
//! update in it, in their order. All or nothing: one malformed item refuses the whole body.

mod content;
mod messages;
mod node;
mod party;
mod statuses;
mod templates;
mod updates;

use chrono::{DateTime, Utc};
use domain::message::Kind;

use crate::gateways::json;

pub use messages::{Message, Quoted};
use node::{Node, elements, moment};
pub use party::Party;
pub use statuses::Status;
pub use templates::{Template, TemplateEvent};
pub use updates::{
    Account, AutomaticEvent, Call, ContactSynced, Group, LineError, PhoneNumber, Preference,
    UserIdChanged,
};

/// Why a body can't be understood, with the path to the place. Quotes nothing that it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// One thing that WhatsApp tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The WhatsApp Business account.
    pub account: String,
    /// The phone number of ours that it's about, where it is about one.
    pub line: Option<Line>,
    /// When the webhook was made; only told for changes of accounts and templates.
    pub told_at: Option<DateTime<Utc>>,
    pub update: Update,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub phone_number_id: String,
    pub display_phone_number: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A customer wrote.
    Message(Message),
    /// A person of the business wrote in WhatsApp's own app.
    Echo(Message),
    Status(Status),
    Template(Template),
    PhoneNumber(PhoneNumber),
    Account(Account),
    Call(Call),
    Group(Group),
    Preference(Preference),
    UserIdChanged(UserIdChanged),
    ContactSynced(ContactSynced),
    AutomaticEvent(AutomaticEvent),
    LineError(LineError),
    /// A kind of change that we don't know, kept whole.
    Unsupported {
        field: String,
        body: String,
    },
}

impl Update {
    /// Whether errors that stand beside it in the same change are its own.
    fn takes_errors(&self) -> bool {
        match self {
            Update::Call(_) => true,
            Update::Message(message) | Update::Echo(message) => {
                message.content.kind() == Kind::Unsupported
            }
            _ => false,
        }
    }
}

/// Each item looks for its own among them; Meta sends at most so many items at once.
const MOST_CONTACTS: usize = 1000;

/// One change of one entry, with what its items share.
struct Change<'a> {
    field: String,
    value: Node<'a>,
    line: Option<Line>,
    contacts: Vec<Party>,
}

pub fn parse(body: &[u8]) -> Result<Vec<Notification>, Malformed> {
    let mut body = json::read(body).map_err(|error| Malformed(format!("not JSON: {error}")))?;
    // So that the same item gives the same raw JSON, whatever serde_json was built with.
    body.sort_all_objects();
    let root = Node::root(&body);
    if root.id("object")? != "whatsapp_business_account" {
        return Err(root.wrong("object", "is not whatsapp_business_account"));
    }
    let mut notifications = Vec::new();
    for entry in root.required_list("entry")? {
        let account = entry.id("id")?;
        let told_at = moment(entry.value, "time");
        for change in entry.required_list("changes")? {
            let change = Change::read(&change)?;
            let notification = |update| Notification {
                account: account.clone(),
                line: change.line.clone(),
                told_at,
                update,
            };
            notifications.extend(change.updates()?.into_iter().map(notification));
        }
    }
    Ok(notifications)
}

type Read = fn(&Change, &Node) -> Result<Update, Malformed>;

/// The lists that a change may hold, and what one item of each says.
const LISTS: [(&str, Read); 9] = [
    ("messages", messages::inbound),
    ("message_echoes", messages::echo),
    ("statuses", statuses::status),
    ("calls", updates::call),
    ("groups", updates::group),
    ("user_preferences", updates::preference),
    ("user_id_update", updates::user_id_changed),
    ("state_sync", updates::synced),
    ("automatic_events", updates::automatic),
];

impl<'a> Change<'a> {
    fn read(change: &Node<'a>) -> Result<Change<'a>, Malformed> {
        let value = change.object("value")?;
        // Calling settings name their line in another place.
        let line = value.get("metadata").or_else(|| value.get("phone_number_settings"));
        let line = line.and_then(|line| {
            Some(Line {
                phone_number_id: node::name(line, "phone_number_id")?,
                display_phone_number: node::name(line, "display_phone_number"),
            })
        });
        let contacts = elements(value.value, "contacts");
        Ok(Change {
            field: change.id("field")?,
            line,
            contacts: contacts.iter().take(MOST_CONTACTS).map(Party::contact).collect(),
            value,
        })
    }

    fn updates(&self) -> Result<Vec<Update>, Malformed> {
        let mut updates = Vec::new();
        for (list, read) in LISTS {
            for item in self.value.list(list)? {
                updates.push(read(self, &item)?);
            }
        }
        for chunk in self.value.list("history")? {
            updates.extend(messages::chunk(self, &chunk)?);
        }
        let errors = content::errors(self.value.value);
        if !errors.is_empty() && !updates.iter().any(Update::takes_errors) {
            updates.push(Update::LineError(LineError { errors, raw: self.value.raw() }));
        }
        if updates.is_empty() && !self.has_a_list() {
            updates.push(updates::whole(self));
        }
        Ok(updates)
    }

    fn has_a_list(&self) -> bool {
        let mut lists = LISTS.iter().map(|(list, _)| *list).chain(["history"]);
        lists.any(|list| self.value.get(list).is_some())
    }
}

#[cfg(test)]
mod tests;
