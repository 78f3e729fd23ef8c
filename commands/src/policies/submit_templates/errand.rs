//! What is to be done about a template at Meta, and what is told to the template of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::Aggregate;
use domain::template::{self, Command, Denial, Draft, Observed, Report, Said, Template};
use event_store::log;

use super::super::{concerns, decode};
use super::{NAME, SubmitTemplates, Submitter};
use crate::effects::{Effect, Outcome};
use crate::gateways::whatsapp::graph::{Graph, Listed, SendError};
use crate::intake::Route;
use crate::intake::templates::claim_provider_id;
use crate::{Error, Meta, Refusal, Work, templates};

/// An effect with everything that carrying it out takes.
pub(super) struct Errand<'e> {
    pub(super) effect: &'e Effect,
    pub(super) deed: Deed,
    pub(super) template: Template,
    pub(super) draft: Draft,
    pub(super) route: Arc<Route>,
    pub(super) graph: Graph,
    pub(super) at: DateTime<Utc>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Submit,
    Remove,
}

impl Deed {
    /// What a template waits for.
    fn about(template: &Template) -> Option<Deed> {
        if template.lingers() {
            return Some(Deed::Remove);
        }
        let waits = template.submitting().is_some() && !template.withdrawn();
        waits.then_some(Deed::Submit)
    }
}

/// Each telling of an attempt has its number, so that its repeat causes the same events.
#[derive(Clone, Copy)]
enum Telling {
    Took,
    Denied,
    Gone,
}

/// A denial that isn't Meta's.
pub(super) fn ours(reason: &str, detail: &str) -> Denial {
    Denial { reason: reason.to_owned(), code: None, detail: Some(detail.to_owned()) }
}

impl Errand<'_> {
    pub(super) async fn at_meta(&self) -> Result<Option<Listed>, SendError> {
        let provider_id = self.template.provider_id.as_deref();
        templates::at_meta(&self.graph, &self.route.account, &self.draft, provider_id).await
    }
}

impl Submitter {
    /// What is to be done now, whatever was asked for then; or that nothing is, or can be.
    pub(super) async fn errand<'e>(
        &self,
        effect: &'e Effect,
    ) -> Result<Result<Errand<'e>, Outcome>, Error> {
        let template = self.template(effect).await?;
        let deed = template.as_ref().and_then(Deed::about);
        let (Some(deed), Some(Template { draft: Some(draft), .. })) = (deed, &template) else {
            return Ok(Err(Outcome::Done));
        };
        let draft = draft.clone();
        let Some(route) = self.routes.find(draft.channel).await? else {
            let denial = ours("channel_gone", "the channel is gone");
            return self.denied(effect, deed, denial).await.map(Err);
        };
        let Some(graph) = self.graphs.with(route.access_token.as_deref()) else {
            let denial = ours("no_access_token", "the channel has no access token");
            return self.denied(effect, deed, denial).await.map(Err);
        };
        let at = templates::now(self.commands.store());
        let template = template.unwrap_or_default();
        Ok(Ok(Errand { effect, deed, template, draft, route, graph, at }))
    }

    /// The template as it is now, unless it has asked for something else since: then that effect
    /// does what is left to do.
    async fn template(&self, effect: &Effect) -> Result<Option<Template>, Error> {
        let (pool, id) = (self.commands.store().pool(), effect.aggregate.to_string());
        let stored = log::stream_of(pool, effect.tenant_id, Template::TYPE, &id, 0)
            .await
            .map_err(event_store::Error::from)?;
        let asks_later = |event: &log::Recorded| {
            event.position > effect.position && concerns::<SubmitTemplates>(event)
        };
        if stored.iter().any(asks_later) {
            return Ok(None);
        }
        let mut template = Template::default();
        for event in &stored {
            template.evolve(&decode(event)?);
        }
        Ok(Some(template))
    }

    fn meta(effect: &Effect, telling: Telling) -> Meta {
        let attempt = usize::try_from(effect.attempts).unwrap_or_default();
        effect.meta(NAME, crate::event_id(effect.id, (telling as usize) << 32 | attempt))
    }

    /// Meta has it, and says this of it.
    pub(super) async fn took(&self, errand: &Errand<'_>, seen: Observed) -> Result<Outcome, Error> {
        let (effect, id) = (errand.effect, errand.effect.aggregate);
        let told = self
            .commands
            .transact(&Self::meta(effect, Telling::Took), async |work: &mut Work<'_>| {
                let provider_id = seen.provider_id.clone();
                work.execute::<Template>(id, Command::Accept { provider_id }).await?;
                work.execute::<Template>(id, Command::Observe(seen.clone())).await?;
                claim_provider_id(work, id, &seen.provider_id).await
            })
            .await;
        match told {
            // Removed meanwhile; that is an effect of its own.
            Ok(_) | Err(Error::Refused(Refusal::Template(template::Error::Removed))) => {
                Ok(Outcome::Done)
            }
            Err(error) => Err(error),
        }
    }

    /// Meta has it no more.
    pub(super) async fn gone(&self, errand: &Errand<'_>, id: String) -> Result<Outcome, Error> {
        let gone = || {
            let (at, provider_id) = (errand.at, Some(id.clone()));
            Command::Report(Report { at, provider_id, category: None, said: Said::Deleted })
        };
        let (effect, meta) = (errand.effect, Self::meta(errand.effect, Telling::Gone));
        self.commands.execute::<Template>(effect.aggregate, gone, &meta).await?;
        Ok(Outcome::Done)
    }

    /// Meta would not. The template says so, and a person asks again once that is mended.
    pub(super) async fn deny(&self, errand: &Errand<'_>, denial: Denial) -> Result<Outcome, Error> {
        self.denied(errand.effect, errand.deed, denial).await
    }

    async fn denied(&self, effect: &Effect, deed: Deed, denial: Denial) -> Result<Outcome, Error> {
        let fail = || match deed {
            Deed::Submit => Command::FailSubmission(denial.clone()),
            Deed::Remove => Command::FailRemoval(denial.clone()),
        };
        let meta = Self::meta(effect, Telling::Denied);
        match self.commands.execute::<Template>(effect.aggregate, fail, &meta).await {
            Ok(_) | Err(Error::Refused(Refusal::Template(_))) => Ok(Outcome::Done),
            Err(error) => Err(error),
        }
    }
}
