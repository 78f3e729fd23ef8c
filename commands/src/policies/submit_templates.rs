//! When a template is submitted, Meta is asked to review it; when it is removed, to delete it. What
//! Meta makes of it is told to the template.

mod errand;

use domain::Aggregate;
use domain::template::{Category, Draft, Event, Observed, State, Template};
use event_store::Store;
use event_store::log::Recorded;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Concerns, Policy, TRIES, put_off};
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
use crate::gateways::whatsapp::graph::{Graphs, Listed, Reason, Refusal, SendError};
use crate::intake::Routes;
use crate::intake::templates::{known_as, name_claim};
use crate::{Commands, Error, templates};
use errand::{Deed, Errand};

pub const KIND: &str = "whatsapp.template";
const NAME: &str = "submit_templates";
/// How often Meta is asked for a template that it may have been given before it was removed here.
const LOOKS: i32 = 4;

/// Asks Meta for what is submitted or removed.
pub struct SubmitTemplates {
    store: Store,
}

impl SubmitTemplates {
    pub fn new(store: Store) -> Self {
        SubmitTemplates { store }
    }
}

impl Policy for SubmitTemplates {
    const NAME: &'static str = NAME;
    /// What asks something of Meta, in place of whatever was asked about the template before.
    const CONCERNS: Concerns = &[(Template::TYPE, &["SubmissionRequested", "Removed"])];

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<bool, Error> {
        let event: Event = super::decode(stored)?;
        let (told, tenant) = (event.template(), stored.tenant_id);
        // What bears the same name happens in order: a removal, then who takes the name.
        let name = name_claim(&self.store, tenant, told.channel, &told.name, &told.language);
        let aggregate = stored.aggregate_id.parse().unwrap_or_default();
        let effect = NewEffect {
            id: stored.event_id,
            kind: KIND,
            aggregate,
            order_key: Uuid::from_slice(&name).unwrap_or(aggregate),
            line: told.channel,
            idempotent: false,
        };
        let asked = effects::ask(db, stored, &effect).await.map(|()| true);
        asked.map_err(|error| event_store::Error::from(error).into())
    }
}

/// Carries templates to Meta.
pub struct Submitter {
    commands: Commands,
    routes: Routes,
    graphs: Graphs,
}

impl Submitter {
    pub fn new(commands: Commands, graphs: Graphs) -> Self {
        Submitter { routes: Routes::new(commands.clone()), commands, graphs }
    }

    async fn submit(&self, errand: &Errand<'_>) -> Result<Outcome, Error> {
        let (draft, graph, at) = (&errand.draft, &errand.graph, errand.at);
        let answer = match &errand.template.provider_id {
            Some(id) => {
                let approved = errand.template.submitting() == Some(State::Approved);
                let edited = graph.edit_template(id, &change(draft, approved)).await;
                edited.map(|()| seen_nothing(id, at))
            }
            None => {
                let created = graph.create_template(&errand.route.account, &whole(draft)).await;
                created.map(|created| templates::made(created, at))
            }
        };
        match answer {
            Ok(seen) => self.took(errand, seen).await,
            Err(SendError::Refused(refusal)) => self.refused(errand, &refusal).await,
            Err(SendError::NotSent(cause)) => self.not_sent(errand, cause.to_string()).await,
            Err(SendError::Unclear(cause)) => Ok(Outcome::Unclear { reason: cause.to_string() }),
        }
    }

    async fn refused(&self, errand: &Errand<'_>, refusal: &Refusal) -> Result<Outcome, Error> {
        if refusal.reason == Reason::TemplateExists && errand.template.provider_id.is_none() {
            let found = match errand.at_meta().await {
                Ok(found) => found,
                Err(error) => return Ok(Outcome::Unclear { reason: error.to_string() }),
            };
            let ours = found.filter(|listed| says(listed, &errand.draft));
            return match ours {
                Some(listed) => self.found(errand, &listed).await,
                None => self.deny(errand, templates::denial(refusal)).await,
            };
        }
        match put_off(errand.effect, refusal) {
            Some(later) => Ok(later),
            None => self.deny(errand, templates::denial(refusal)).await,
        }
    }

    async fn not_sent(&self, errand: &Errand<'_>, reason: String) -> Result<Outcome, Error> {
        if errand.effect.attempts < TRIES {
            return Ok(Outcome::Retry { after: None, reason });
        }
        self.deny(errand, errand::ours("unreachable", "Meta can't be reached")).await
    }

    /// Looks at Meta for what a submission whose answer was lost has become.
    async fn look(&self, errand: &Errand<'_>) -> Result<Outcome, Error> {
        let edited = errand.template.provider_id.is_some();
        match errand.at_meta().await {
            Err(error) => Ok(Outcome::Unclear { reason: error.to_string() }),
            Ok(None) if edited => {
                let detail = "Meta no longer has the template; duplicate it under another name";
                self.deny(errand, errand::ours("not_found", detail)).await
            }
            Ok(None) => Ok(Outcome::Retry { after: None, reason: "Meta hasn't got it".into() }),
            Ok(Some(listed)) if edited && !is_edited(&listed, &errand.draft) => {
                Ok(Outcome::Retry { after: None, reason: "Meta has it unchanged".into() })
            }
            Ok(Some(listed)) => self.found(errand, &listed).await,
        }
    }

    async fn found(&self, errand: &Errand<'_>, listed: &Listed) -> Result<Outcome, Error> {
        if !self.is_ours(errand, listed).await? {
            let detail = "another template has this name and language at Meta";
            return self.deny(errand, errand::ours("template_exists", detail)).await;
        }
        self.took(errand, templates::observed(listed, errand.at)).await
    }

    /// Whether what Meta has under our name belongs to no other template of ours.
    async fn is_ours(&self, errand: &Errand<'_>, listed: &Listed) -> Result<bool, Error> {
        let (store, effect) = (self.commands.store(), errand.effect);
        let known = known_as(store, effect.tenant_id, &listed.id).await?;
        Ok(known.is_none_or(|known| known == effect.aggregate))
    }

    /// Deletes by id, so that a repeat can hit nothing else: it is told that there is none.
    async fn remove(&self, errand: &Errand<'_>) -> Result<Outcome, Error> {
        let id = match &errand.template.provider_id {
            Some(id) => id.clone(),
            // A submission whose answer was lost may have brought it there.
            None => match errand.at_meta().await {
                Err(error) => return Ok(Outcome::Unclear { reason: error.to_string() }),
                Ok(Some(listed)) if self.is_ours(errand, &listed).await? => listed.id,
                Ok(_) if errand.effect.attempts < LOOKS => {
                    return Ok(Outcome::Unclear { reason: "Meta hasn't got it yet".into() });
                }
                Ok(_) => return Ok(Outcome::Done),
            },
        };
        let account = &errand.route.account;
        match errand.graph.delete_template(account, &errand.draft.name, Some(&id)).await {
            Ok(()) => self.gone(errand, id).await,
            Err(SendError::Refused(refusal)) if refusal.reason == Reason::NotFound => {
                self.gone(errand, id).await
            }
            Err(SendError::Refused(refusal)) => match put_off(errand.effect, &refusal) {
                Some(later) => Ok(later),
                None => self.deny(errand, templates::denial(&refusal)).await,
            },
            Err(SendError::NotSent(cause)) => self.not_sent(errand, cause.to_string()).await,
            Err(SendError::Unclear(cause)) => Ok(Outcome::Unclear { reason: cause.to_string() }),
        }
    }
}

impl Executor for Submitter {
    const KIND: &'static str = KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        match self.errand(effect).await? {
            Ok(errand) => match errand.deed {
                Deed::Submit => self.submit(&errand).await,
                Deed::Remove => self.remove(&errand).await,
            },
            Err(settled) => Ok(settled),
        }
    }

    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        match self.errand(effect).await? {
            Ok(errand) => match errand.deed {
                Deed::Submit => self.look(&errand).await,
                Deed::Remove => self.remove(&errand).await,
            },
            Err(settled) => Ok(settled),
        }
    }
}

/// What a new template is made of.
fn whole(draft: &Draft) -> Value {
    let mut template = change(draft, false);
    template["name"] = json!(draft.name);
    template["language"] = json!(draft.language);
    template["parameter_format"] = json!(draft.parameter_format);
    template
}

/// What may change later; the category no more once it was approved.
fn change(draft: &Draft, approved: bool) -> Value {
    let mut change = json!({"components": draft.components});
    if !approved {
        change["category"] = json!(draft.category.as_str().to_uppercase());
    }
    if let Some(seconds) = draft.message_send_ttl_seconds {
        change["message_send_ttl_seconds"] = json!(seconds);
    }
    change
}

fn says(listed: &Listed, draft: &Draft) -> bool {
    let category = Category::named(&listed.category);
    templates::content(listed, category).is_ok_and(|content| content.agrees(&draft.content()))
}

/// An edited template is under review, or says already what it was to say.
fn is_edited(listed: &Listed, draft: &Draft) -> bool {
    listed.status == "PENDING" || says(listed, draft)
}

/// Meta took an edit, and says nothing else of it.
fn seen_nothing(id: &str, at: chrono::DateTime<chrono::Utc>) -> Observed {
    Observed {
        at,
        provider_id: id.to_owned(),
        said: None,
        category: None,
        quality: None,
        content: None,
    }
}
