//! Messages: what customers wrote, what the business wrote in WhatsApp's own app, and the history
//! from before.

use chrono::{DateTime, Utc};
use domain::message::{Content, Context, Delivery, Referral};
use serde_json::Value;

use super::node::{Node, flag, name, text};
use super::{Change, LineError, Malformed, Party, Update, content, statuses};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub provider_id: String,
    /// The customer: who wrote it, or for an echo, to whom it was written.
    pub party: Party,
    /// The provider's time, in whole seconds.
    pub at: DateTime<Utc>,
    pub content: Content,
    pub quoted: Option<Quoted>,
    /// The provider id of the message that a reaction, edit or revoke is about.
    pub target: Option<String>,
    pub context: Option<Context>,
    pub referral: Option<Referral>,
    pub group_id: Option<String>,
    /// From the history that a business shares when it joins, so nothing new.
    pub imported: bool,
    /// How far a message of the history had come.
    pub history_status: Option<Delivery>,
    /// The provider's JSON of this message alone, keys sorted.
    pub raw: String,
}

/// The message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub provider_id: Option<String>,
    pub from: Option<String>,
}

pub(super) fn inbound(change: &Change, item: &Node) -> Result<Update, Malformed> {
    if change.field == "history" {
        return historic(change, item, None);
    }
    let mut message = message(change, item)?;
    message.party = customer(item.value, &message.content).joined(&change.contacts);
    Ok(Update::Message(message))
}

pub(super) fn echo(change: &Change, item: &Node) -> Result<Update, Malformed> {
    let mut message = message(change, item)?;
    message.party = Party::named(item.value, "to").joined(&change.contacts);
    Ok(Update::Echo(message))
}

/// A chunk of history: the messages of its threads, or why the business shares none.
pub(super) fn chunk(change: &Change, chunk: &Node) -> Result<Vec<Update>, Malformed> {
    let mut updates = Vec::new();
    for thread in chunk.list("threads")? {
        let id = name(thread.value, "id");
        for item in thread.list("messages")? {
            updates.push(historic(change, &item, id.as_deref())?);
        }
    }
    let errors = content::errors(chunk.value);
    if !errors.is_empty() {
        updates.push(Update::LineError(LineError { errors, raw: chunk.raw() }));
    }
    Ok(updates)
}

fn historic(change: &Change, item: &Node, thread: Option<&str>) -> Result<Update, Malformed> {
    let mut message = message(change, item)?;
    message.imported = true;
    let history = item.get("history_context").unwrap_or(&Value::Null);
    message.history_status = text(history, "status").and_then(|word| match word.as_str() {
        "ERROR" => Some(Delivery::Failed),
        word => statuses::delivery(word),
    });
    let ours = written_by_us(change, item.value, history);
    let named =
        if ours { Party::named(item.value, "to") } else { customer(item.value, &message.content) };
    let party = match thread {
        Some(thread) if named.is_unnamed() => Party::of_thread(thread),
        _ => named,
    };
    message.party = party.joined(&change.contacts);
    Ok(if ours { Update::Echo(message) } else { Update::Message(message) })
}

/// History tells it by the sender's number, by naming a recipient, or outright.
fn written_by_us(change: &Change, item: &Value, history: &Value) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let ours = change.line.as_ref().and_then(|line| line.display_phone_number.as_deref());
    let ours = ours.map(digits).filter(|digits| !digits.is_empty());
    flag(history, "from_me").unwrap_or_else(|| {
        !Party::named(item, "to").is_unnamed()
            || ours.is_some() && ours == text(item, "from").as_deref().map(digits)
    })
}

/// A change of user id names nobody but the new id.
fn customer(item: &Value, content: &Content) -> Party {
    let named = Party::named(item, "from");
    match content {
        Content::System { new_user_id, new_parent_user_id, .. } if named.is_unnamed() => Party {
            user_id: new_user_id.clone(),
            parent_user_id: new_parent_user_id.clone(),
            ..named
        },
        _ => named,
    }
}

/// Everything but who wrote it.
fn message(change: &Change, item: &Node) -> Result<Message, Malformed> {
    let provider_id = item.id("id")?;
    let at = item.time("timestamp")?;
    let word = content::word(item.value).ok_or_else(|| item.wrong("type", "is missing"))?;
    let mut content = content::of(item.value, &word);
    if let Content::Unsupported { errors, .. } = &mut content
        && errors.is_empty()
    {
        // WhatsApp sometimes says beside the message why it left it empty.
        *errors = content::errors(change.value.value);
    }
    let context = item.get("context").unwrap_or(&Value::Null);
    let quoted = Quoted {
        provider_id: text(context, "id"),
        from: text(context, "from").or_else(|| text(context, "from_user_id")),
    };
    Ok(Message {
        provider_id,
        party: Party::default(),
        at,
        quoted: (quoted.provider_id.is_some() || quoted.from.is_some()).then_some(quoted),
        target: content::target(item.value, &content),
        context: content::context(context),
        referral: content::referral(item.value),
        group_id: item.text("group_id"),
        imported: false,
        history_status: None,
        raw: item.raw(),
        content,
    })
}
