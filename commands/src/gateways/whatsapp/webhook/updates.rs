//! Everything but messages and their statuses: calls, groups, preferences, the account.

use chrono::{DateTime, Utc};
use domain::message::DeliveryError;
use serde_json::Value;

use super::node::{Node, text};
use super::{Change, Malformed, Party, Update, content, statuses, templates};

/// A step of a voice call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub call_id: String,
    /// `connect`, `terminate`, `ringing`, `accepted`, `rejected` …
    pub event: String,
    /// How a call ended.
    pub status: Option<String>,
    pub direction: Option<String>,
    pub party: Party,
    pub at: Option<DateTime<Utc>>,
    pub errors: Vec<DeliveryError>,
    pub callback_data: Option<String>,
    pub raw: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub field: String,
    pub event: String,
    /// Missing where a group could not be created.
    pub group_id: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub raw: String,
}

/// A customer stops or resumes marketing messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    pub party: Party,
    pub category: Option<String>,
    pub value: Option<String>,
    pub detail: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub raw: String,
}

/// A customer's id for this business became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserIdChanged {
    pub wa_id: Option<String>,
    pub profile_name: Option<String>,
    pub previous: Option<String>,
    pub current: Option<String>,
    pub previous_parent: Option<String>,
    pub current_parent: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub raw: String,
}

/// A contact of the address book in the WhatsApp Business app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactSynced {
    /// `add` (also for a change) or `remove`.
    pub action: Option<String>,
    pub phone: Option<String>,
    pub full_name: Option<String>,
    pub first_name: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub raw: String,
}

/// WhatsApp believes that a conversation led to a lead or a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutomaticEvent {
    /// The message's.
    pub provider_id: Option<String>,
    pub event: Option<String>,
    pub ctwa_clid: Option<String>,
    pub at: Option<DateTime<Utc>>,
    pub raw: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    pub field: String,
    pub event: String,
    pub display_phone_number: Option<String>,
    pub body: String,
}

/// Something about the business account that we keep as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub field: String,
    pub event: String,
    pub body: String,
}

/// An error of the line as a whole, not of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    pub errors: Vec<DeliveryError>,
    pub raw: String,
}

pub(super) fn call(change: &Change, item: &Node) -> Result<Update, Malformed> {
    let mut errors = content::errors(item.value);
    errors.extend(content::errors(change.value.value));
    let direction = item.text("direction");
    let role = if direction.as_deref() == Some("BUSINESS_INITIATED") { "to" } else { "from" };
    Ok(Update::Call(Call {
        call_id: item.id("id")?,
        event: item.text("event").unwrap_or_else(|| "call".into()).to_ascii_lowercase(),
        status: item.text("status"),
        direction,
        party: Party::named(item.value, role).joined(&change.contacts),
        at: item.time_if_told("timestamp")?,
        errors,
        callback_data: item.text("biz_opaque_callback_data"),
        raw: item.raw(),
    }))
}

pub(super) fn call_status(change: &Change, item: &Node) -> Result<Update, Malformed> {
    Ok(Update::Call(Call {
        call_id: item.id("id")?,
        event: item.id("status")?.to_ascii_lowercase(),
        status: None,
        direction: None,
        party: statuses::recipient(item.value, false).joined(&change.contacts),
        at: Some(item.time("timestamp")?),
        errors: content::errors(item.value),
        callback_data: item.text("biz_opaque_callback_data"),
        raw: item.raw(),
    }))
}

pub(super) fn group(change: &Change, item: &Node) -> Result<Update, Malformed> {
    Ok(Update::Group(Group {
        field: change.field.clone(),
        event: item.text("type").unwrap_or_else(|| change.field.clone()),
        group_id: item.text("group_id"),
        at: item.time_if_told("timestamp")?,
        raw: item.raw(),
    }))
}

pub(super) fn preference(change: &Change, item: &Node) -> Result<Update, Malformed> {
    let named = Party {
        wa_id: item.text("wa_id"),
        user_id: item.text("user_id"),
        parent_user_id: item.text("parent_user_id"),
        ..Party::default()
    };
    Ok(Update::Preference(Preference {
        party: named.joined(&change.contacts),
        category: item.text("category"),
        value: item.text("value"),
        detail: item.text("detail"),
        at: item.time_if_told("timestamp")?,
        raw: item.raw(),
    }))
}

pub(super) fn user_id_changed(change: &Change, item: &Node) -> Result<Update, Malformed> {
    let of = |id: &str, which: &str| item.get(id).and_then(|part| text(part, which));
    let current = of("user_id", "current");
    let named = Party { wa_id: item.text("wa_id"), user_id: current.clone(), ..Party::default() };
    let party = named.joined(&change.contacts);
    Ok(Update::UserIdChanged(UserIdChanged {
        wa_id: party.wa_id,
        profile_name: party.profile_name,
        previous: of("user_id", "previous"),
        current,
        previous_parent: of("parent_user_id", "previous"),
        current_parent: of("parent_user_id", "current"),
        at: item.time_if_told("timestamp")?,
        raw: item.raw(),
    }))
}

pub(super) fn synced(change: &Change, item: &Node) -> Result<Update, Malformed> {
    let Some(contact) = item.get("contact") else {
        return Ok(Update::Unsupported { field: change.field.clone(), body: item.raw() });
    };
    let at = match item.get("metadata") {
        Some(Value::Object(_)) => item.object("metadata")?.time_if_told("timestamp")?,
        _ => None,
    };
    Ok(Update::ContactSynced(ContactSynced {
        action: item.text("action"),
        phone: text(contact, "phone_number"),
        full_name: text(contact, "full_name"),
        first_name: text(contact, "first_name"),
        at,
        raw: item.raw(),
    }))
}

pub(super) fn automatic(_: &Change, item: &Node) -> Result<Update, Malformed> {
    Ok(Update::AutomaticEvent(AutomaticEvent {
        provider_id: item.text("id"),
        event: item.text("event_name"),
        ctwa_clid: item.text("ctwa_clid"),
        at: item.time_if_told("timestamp")?,
        raw: item.raw(),
    }))
}

/// A change without lists: one update that goes by the field's name.
pub(super) fn whole(change: &Change) -> Update {
    let field = change.field.clone();
    let body = change.value.raw();
    match field.as_str() {
        "message_template_status_update"
        | "message_template_quality_update"
        | "message_template_components_update"
        | "template_category_update"
        | "template_correct_category_detection" => match templates::read(&field, &change.value) {
            Some(template) => Update::Template(template),
            None => Update::Unsupported { field, body },
        },
        "phone_number_name_update" | "phone_number_quality_update" => {
            Update::PhoneNumber(PhoneNumber {
                event: event(change),
                display_phone_number: change.value.text("display_phone_number"),
                field,
                body,
            })
        }
        "partner_solutions" | "payment_configuration_update" | "security" | "user" | "flows" => {
            Update::Account(Account { event: event(change), field, body })
        }
        name if name.starts_with("account_") || name.starts_with("business_") => {
            Update::Account(Account { event: event(change), field, body })
        }
        _ => Update::Unsupported { field, body },
    }
}

/// What happened: each field has its own place for the word.
fn event(change: &Change) -> String {
    let alert = change.value.get("alert_info").and_then(|alert| text(alert, "alert_type"));
    ["event", "decision", "status"]
        .into_iter()
        .find_map(|key| change.value.text(key))
        .or(alert)
        .unwrap_or_else(|| change.field.clone())
}
