//! What Meta answers when it is asked: why it would not do something, and a template as it has it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Category, Command, Content, Draft, Error, Event, Identity, Report, Said, State, Template, Told,
    fitting,
};

/// Why Meta did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// A stable word: `template_exists`.
    pub reason: String,
    /// Meta's code, where it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Meta's explanation, or ours where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A template as Meta has it. What can't be told from its answer is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// When it was asked for: to the second, as Meta's own clock tells.
    pub at: DateTime<Utc>,
    pub provider_id: String,
    /// Where it stands.
    pub said: Option<Said>,
    pub category: Option<Category>,
    pub quality: Option<String>,
    pub content: Option<Content>,
}

/// Takes over a template that was made at Meta.
pub(super) fn import(draft: &Draft, seen: Observed) -> Result<Vec<Event>, Error> {
    let content = fitting(draft)?;
    let told = Told {
        template: draft.identity(),
        at: seen.at,
        provider_id: Some(seen.provider_id.clone()),
        category: Some(draft.category),
    };
    let mut template = Template::default();
    let mut events = vec![Event::Imported { told, content }];
    template.evolve_all(&events);
    events.extend(template.observe(draft, Observed { content: None, ..seen }));
    Ok(events)
}

impl Template {
    /// What is different at Meta, told as its webhooks would have. While a submission is under
    /// way, only what becomes of that is news.
    pub(super) fn observe(&self, draft: &Draft, seen: Observed) -> Vec<Event> {
        if self.before.is_some() {
            return vec![];
        }
        let Observed { at, provider_id, said, category, quality, content } = seen;
        let mut after = self.clone();
        let mut events = vec![];
        // The words of an authentication template are Meta's.
        let ours = self.changed || draft.category == Category::Authentication;
        let other = content.filter(|content| !ours && !content.agrees(&draft.content()));
        if let Some(content) = other {
            let (template, provider_id) = (draft.identity(), Some(provider_id.clone()));
            let told = Told { template, at, provider_id, category: None };
            events.push(Event::Imported { told, content });
            after.evolve_all(&events);
        }
        let differs = |said: &Said| said.state().is_some_and(|state| state != self.standing.state);
        let reports = [
            said.filter(differs),
            category
                .filter(|to| *to != draft.category)
                .map(|to| Said::Recategorised { from: None, to }),
            quality
                .filter(|to| self.quality.as_ref() != Some(to))
                .map(|to| Said::QualityChanged { from: self.quality.clone(), to }),
        ];
        for said in reports.into_iter().flatten() {
            let Some(draft) = &after.draft else { continue };
            let provider_id = Some(provider_id.clone());
            let report = Report { at, provider_id, category: None, said };
            let news = after.report(&draft.identity(), report);
            after.evolve_all(&news);
            events.extend(news);
        }
        events
    }

    /// Of a template that we took out, only its end at Meta is news.
    pub(super) fn after_removal(
        &self,
        template: Identity,
        command: Command,
    ) -> Result<Vec<Event>, Error> {
        match command {
            Command::Draft { .. } | Command::Import { .. } => Err(Error::AlreadyDrafted),
            Command::Report(Report { at, provider_id, category, said: Said::Deleted })
                if !self.gone =>
            {
                let told = Told { template, at, provider_id, category };
                Ok(vec![Event::Deleted { told }])
            }
            Command::FailRemoval(denial) if !self.gone => {
                Ok(vec![Event::RemovalFailed { template, denial }])
            }
            Command::Remove if self.undone => Ok(vec![Event::Removed { template }]),
            Command::Remove
            | Command::Report(_)
            | Command::Observe(_)
            | Command::FailRemoval(_) => Ok(vec![]),
            _ => Err(Error::Removed),
        }
    }

    pub(super) fn fail(&self, template: Identity, denial: Denial) -> Result<Vec<Event>, Error> {
        let before = self.before.ok_or(Error::NotRequested)?;
        let state = match self.standing.state {
            State::Pending => before,
            // Meta knows it after all.
            state => state,
        };
        Ok(vec![Event::SubmissionFailed { template, denial, state }])
    }

    /// Where it stood before the submission that is under way, if one is.
    pub fn submitting(&self) -> Option<State> {
        self.before
    }

    /// Whether it was taken out here, for good.
    pub fn withdrawn(&self) -> bool {
        self.withdrawn
    }

    /// Whether it was taken out here, and Meta may still have it.
    pub fn lingers(&self) -> bool {
        self.withdrawn && !self.gone && (self.provider_id.is_some() || self.before.is_some())
    }
}

impl Said {
    /// The state that it tells, if it is about that.
    fn state(&self) -> Option<State> {
        match self {
            Said::Pending => Some(State::Pending),
            Said::Approved | Said::Reinstated => Some(State::Approved),
            Said::Rejected { .. } => Some(State::Rejected),
            Said::Paused { .. } => Some(State::Paused),
            Said::Disabled { .. } => Some(State::Disabled),
            Said::Deleted => Some(State::Removed),
            _ => None,
        }
    }
}
