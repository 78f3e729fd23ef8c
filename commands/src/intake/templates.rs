//! What Meta tells of a template that we know is told to the template, beside the channel's notice.
//! A template is known by Meta's id once that was heard, before by its name on the channel.

use chrono::DateTime;
use domain::template::{self, Category, Command, Draft, Report, Said};
use event_store::{Claim, Store};
use uuid::Uuid;

use super::Intake;
use crate::gateways::whatsapp::webhook::{Notification, Template, TemplateEvent};
use crate::{Error, Refusal, Work, names};

/// The scope of claims on a name in a language on a channel.
pub const NAME: &str = "template.name";
/// The scope of claims on Meta's ids.
pub const PROVIDER_ID: &str = "template.provider_id";

/// The beginning of the claims on a name.
pub fn name_claim(
    store: &Store,
    tenant: Uuid,
    channel: Uuid,
    name: &str,
    language: &str,
) -> Vec<u8> {
    let parts = [channel.as_bytes().as_slice(), name.as_bytes(), language.as_bytes()];
    names::value(store, tenant, NAME, &parts)
}

/// The value under which Meta's id of a template is claimed.
pub fn provider_claim(store: &Store, tenant: Uuid, provider_id: &str) -> Vec<u8> {
    store.lookup(tenant, &[PROVIDER_ID.as_bytes(), provider_id.as_bytes()]).to_vec()
}

/// The template that has Meta's id, where one is known to have it.
pub async fn known_as(
    store: &Store,
    tenant: Uuid,
    provider_id: &str,
) -> Result<Option<Uuid>, Error> {
    let claim = provider_claim(store, tenant, provider_id);
    let claims = store.claims(tenant, &[(PROVIDER_ID, claim)]).await?;
    claims.first().map(owner).transpose()
}

/// The template that bears a name, or was the last to bear it.
pub async fn last_named(
    store: &Store,
    tenant: Uuid,
    channel: Uuid,
    name: &str,
    language: &str,
) -> Result<Option<Uuid>, Error> {
    let claim = name_claim(store, tenant, channel, name, language);
    let claims = store.claims(tenant, &[(NAME, claim)]).await?;
    claims.last().map(owner).transpose()
}

fn owner(claim: &Claim) -> Result<Uuid, Error> {
    claim.owner.parse().map_err(|_| Refusal::NotFound.into())
}

/// Makes Meta's id known as this template's. One that has another owner stays with it.
pub async fn claim_provider_id(
    work: &mut Work<'_>,
    id: Uuid,
    provider_id: &str,
) -> Result<(), Error> {
    let (store, tenant) = (work.commands().store().clone(), work.meta().tenant);
    if known_as(&store, tenant, provider_id).await?.is_none() {
        work.claim(PROVIDER_ID, provider_claim(&store, tenant, provider_id), id.to_string());
    }
    Ok(())
}

/// Claims a new template's name, which is free where it has no owner or only one that was removed.
pub async fn claim_name(work: &mut Work<'_>, id: Uuid, draft: &Draft) -> Result<(), Error> {
    let (store, tenant) = (work.commands().store(), work.meta().tenant);
    let name = name_claim(store, tenant, draft.channel, &draft.name, &draft.language);
    names::claim(work, NAME, name, id, async |work, last| {
        let standing = &work.get::<template::Template>(last).await?.standing;
        Ok(standing.state == template::State::Removed)
    })
    .await
}

impl Intake<'_, '_> {
    pub(super) async fn template(
        &mut self,
        told: &Notification,
        about: &Template,
    ) -> Result<(), Error> {
        let names = self.names();
        let claim = names.provider_template(&about.provider_template_id);
        let by_name = names.template(about);
        let linked = self.known.find(PROVIDER_ID, &claim);
        let named = by_name
            .and_then(|prefix| self.known.beginning(NAME, &prefix).last().map(|(_, owner)| owner));
        let Some(id) = linked.or(named) else { return Ok(()) };
        let report = Report {
            at: told.told_at.unwrap_or(DateTime::UNIX_EPOCH),
            provider_id: Some(about.provider_template_id.clone()),
            category: about.category.as_deref().and_then(Category::named),
            said: said(about),
        };
        let news = self.work.execute::<template::Template>(id, Command::Report(report)).await?;
        if news > 0 && linked.is_none() {
            self.claim(PROVIDER_ID, claim, id);
        }
        Ok(())
    }
}

fn said(about: &Template) -> Said {
    let noted = |word: &str, detail: Option<String>| Said::Noted { word: word.to_owned(), detail };
    match &about.event {
        TemplateEvent::Approved => Said::Approved,
        TemplateEvent::Rejected { reason, explanation, recommendation } => Said::Rejected {
            reason: reason.clone(),
            explanation: explanation.clone(),
            recommendation: recommendation.clone(),
        },
        TemplateEvent::Pending | TemplateEvent::InAppeal => Said::Pending,
        TemplateEvent::Paused { title, description } => {
            Said::Paused { title: title.clone(), description: description.clone() }
        }
        TemplateEvent::Reinstated => Said::Reinstated,
        TemplateEvent::Disabled { reason } => Said::Disabled { reason: reason.clone() },
        TemplateEvent::Deleted => Said::Deleted,
        TemplateEvent::QualityChanged { from, to } => {
            Said::QualityChanged { from: from.clone(), to: to.clone() }
        }
        TemplateEvent::CategoryChanged { from, to } => match Category::named(to) {
            Some(category) => Said::Recategorised { from: from.clone(), to: category },
            None => noted("CATEGORY", Some(to.clone())),
        },
        TemplateEvent::CategoryChangeAnnounced { to, at, .. } => match Category::named(to) {
            Some(to) => Said::RecategorisationAnnounced { to, effective_at: *at },
            None => noted("CATEGORY_ANNOUNCED", Some(to.clone())),
        },
        TemplateEvent::Flagged { disable_date } => noted("FLAGGED", disable_date.clone()),
        TemplateEvent::Locked => noted("LOCKED", None),
        TemplateEvent::Unlocked => noted("UNLOCKED", None),
        TemplateEvent::Archived => noted("ARCHIVED", None),
        TemplateEvent::Unarchived => noted("UNARCHIVED", None),
        TemplateEvent::LimitExceeded => noted("LIMIT_EXCEEDED", None),
        TemplateEvent::PendingDeletion => noted("PENDING_DELETION", None),
        TemplateEvent::ComponentsChanged => noted("COMPONENTS", None),
        TemplateEvent::Other(word) => noted(word, None),
    }
}
