//! Everything that is neither a message nor a receipt: templates, numbers, accounts, calls,
//! groups, preferences. Each becomes an event of the channel.

use chrono::{DateTime, Utc};
use domain::channel::{About, Channel, Command, Notice};
use domain::{Personal, channel};
use uuid::Uuid;

use super::Intake;
use super::known::NOTICE;
use crate::Error;
use crate::gateways::whatsapp::webhook::{
    ContactSynced, Notification, Party, Template, TemplateEvent, Update, UserIdChanged,
};

/// The provider's JSON of a notice.
pub(super) fn raw(update: &Update) -> Option<&str> {
    Some(match update {
        Update::Message(message) | Update::Echo(message) => &message.raw,
        Update::Status(status) => &status.raw,
        Update::Template(template) => &template.body,
        Update::PhoneNumber(number) => &number.body,
        Update::Account(account) => &account.body,
        Update::Call(call) => &call.raw,
        Update::Group(group) => &group.raw,
        Update::Preference(preference) => &preference.raw,
        Update::UserIdChanged(change) => &change.raw,
        Update::ContactSynced(contact) => &contact.raw,
        Update::AutomaticEvent(event) => &event.raw,
        Update::LineError(error) => &error.raw,
        Update::Unsupported { body, .. } => body,
    })
}

/// What a notice is about, in which webhook field it came, what happened, and when.
struct Told {
    about: About,
    field: String,
    event: String,
    at: Option<DateTime<Utc>>,
}

impl Intake<'_, '_> {
    pub(super) async fn notice(&mut self, told: &Notification) -> Result<(), Error> {
        let raw = raw(&told.update).unwrap_or_default().to_owned();
        let claim = self.names().notice(told, &raw);
        if self.known.find(NOTICE, &claim).is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        self.claim(NOTICE, claim, self.route.channel);
        let contact = self.concerned(&told.update).await?;
        let Told { about, field, event, at } = describe(&told.update);
        let notice = Notice {
            about,
            field,
            event,
            line: self.foreign_line(told),
            at: at.or(told.told_at),
            contact,
            body: Personal::provider(contact.unwrap_or(self.route.channel), raw),
        };
        self.work.execute::<Channel>(self.route.channel, Command::Notice(notice)).await?;
        match &told.update {
            Update::Template(template) => self.template(told, template).await,
            _ => Ok(()),
        }
    }

    /// The contact that a notice is about, with what the notice says of them taken in.
    async fn concerned(&mut self, update: &Update) -> Result<Option<Uuid>, Error> {
        match update {
            Update::Call(call) => {
                let at = call.at.unwrap_or(DateTime::UNIX_EPOCH);
                self.contact(&call.party, at).await
            }
            Update::Preference(preference) => {
                let at = preference.at.unwrap_or(DateTime::UNIX_EPOCH);
                self.contact(&preference.party, at).await
            }
            Update::UserIdChanged(change) => self.user_id_changed(change).await,
            Update::ContactSynced(contact) => self.synced(contact).await,
            _ => Ok(None),
        }
    }

    async fn user_id_changed(&mut self, change: &UserIdChanged) -> Result<Option<Uuid>, Error> {
        let party = Party {
            wa_id: change.wa_id.clone(),
            user_id: change.previous.clone(),
            profile_name: change.profile_name.clone(),
            ..Party::default()
        };
        let at = change.at.unwrap_or(DateTime::UNIX_EPOCH);
        let contact = self.contact(&party, at).await?;
        if let (Some(contact), Some(current)) = (contact, &change.current) {
            let previous = change.previous.as_deref().unwrap_or_default();
            return self.change_user_id(contact, previous, current, at).await.map(Some);
        }
        Ok(contact)
    }

    async fn synced(&mut self, synced: &ContactSynced) -> Result<Option<Uuid>, Error> {
        let party = Party {
            wa_id: synced.phone.clone(),
            profile_name: synced.full_name.clone(),
            ..Party::default()
        };
        let at = synced.at.unwrap_or(DateTime::UNIX_EPOCH);
        let Some(contact) = self.contact(&party, at).await? else { return Ok(None) };
        if synced.action.as_deref() != Some("remove") {
            self.name(contact, synced.full_name.as_ref(), at, DateTime::UNIX_EPOCH).await?;
        }
        Ok(Some(contact))
    }
}

fn describe(update: &Update) -> Told {
    let told = |about, field: &str, event: &str, at| Told {
        about,
        field: field.to_owned(),
        event: event.to_owned(),
        at,
    };
    let or = |word: &Option<String>, otherwise: &str| {
        word.clone().unwrap_or_else(|| otherwise.to_owned())
    };
    match update {
        Update::Template(template) => {
            told(template_of(template), "template", &word(&template.event), None)
        }
        Update::PhoneNumber(number) => told(About::PhoneNumber, &number.field, &number.event, None),
        Update::Account(account) => told(About::Account, &account.field, &account.event, None),
        Update::Call(call) => told(About::Call, "calls", &call.event, call.at),
        Update::Group(group) => told(About::Group, &group.field, &group.event, group.at),
        Update::Preference(preference) => {
            let event = or(&preference.value, "changed");
            told(About::Preference, "user_preferences", &event, preference.at)
        }
        Update::UserIdChanged(change) => {
            told(About::ContactSync, "user_id_update", "user_id_changed", change.at)
        }
        Update::ContactSynced(contact) => {
            let event = or(&contact.action, "synced");
            told(About::ContactSync, "smb_app_state_sync", &event, contact.at)
        }
        Update::AutomaticEvent(event) => {
            told(About::Automation, "automatic_events", &or(&event.event, "unnamed"), event.at)
        }
        Update::LineError(error) => {
            let code = error.errors.first().map_or(0, |error| error.code).to_string();
            told(About::LineError, "messages", &code, None)
        }
        Update::Unsupported { field, .. } => told(About::Unsupported, field, "unknown", None),
        Update::Message(message) | Update::Echo(message) => {
            told(About::Unsupported, "messages", "message_of_nobody", Some(message.at))
        }
        Update::Status(status) => {
            told(About::Unsupported, "messages", "status_for_nobody", Some(status.at))
        }
    }
}

fn template_of(template: &Template) -> channel::About {
    About::Template {
        template: template.provider_template_id.clone(),
        name: template.name.clone().unwrap_or_default(),
        language: template.language.clone().unwrap_or_default(),
    }
}

/// The provider's word, with what changed from and to where that is told.
fn word(event: &TemplateEvent) -> String {
    let change = |what: &str, from: &Option<String>, to: &str| match from {
        Some(from) => format!("{what} {from} {to}"),
        None => format!("{what} {to}"),
    };
    match event {
        TemplateEvent::Approved => "APPROVED".into(),
        TemplateEvent::Rejected { reason, .. } => match reason {
            Some(reason) => format!("REJECTED {reason}"),
            None => "REJECTED".into(),
        },
        TemplateEvent::Pending => "PENDING".into(),
        TemplateEvent::InAppeal => "IN_APPEAL".into(),
        TemplateEvent::Flagged { .. } => "FLAGGED".into(),
        TemplateEvent::Paused { .. } => "PAUSED".into(),
        TemplateEvent::Reinstated => "REINSTATED".into(),
        TemplateEvent::Disabled { .. } => "DISABLED".into(),
        TemplateEvent::Locked => "LOCKED".into(),
        TemplateEvent::Unlocked => "UNLOCKED".into(),
        TemplateEvent::Archived => "ARCHIVED".into(),
        TemplateEvent::Unarchived => "UNARCHIVED".into(),
        TemplateEvent::LimitExceeded => "LIMIT_EXCEEDED".into(),
        TemplateEvent::PendingDeletion => "PENDING_DELETION".into(),
        TemplateEvent::Deleted => "DELETED".into(),
        TemplateEvent::QualityChanged { from, to } => change("QUALITY", from, to),
        TemplateEvent::CategoryChanged { from, to } => change("CATEGORY", from, to),
        TemplateEvent::CategoryChangeAnnounced { from, to, .. } => {
            change("CATEGORY_ANNOUNCED", from, to)
        }
        TemplateEvent::ComponentsChanged => "COMPONENTS".into(),
        TemplateEvent::Other(word) => word.clone(),
    }
}
