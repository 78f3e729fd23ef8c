//! A message template: what an organisation may write to customers who have not written lately,
//! once Meta has approved it. One template is one name in one language on one channel.

mod answer;
mod buttons;
pub mod component;
mod draft;
mod placeholder;
mod report;
mod rules;
mod special;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::aggregate::{Aggregate, Context};

pub use answer::{Denial, Observed};
pub use component::Component;
pub use draft::{Category, Content, Draft, Identity, Revision, State};
pub use placeholder::ParameterFormat;
pub use report::{About, Report, Said, Told, Weight};
pub use rules::{Fault, MOST_NAME, identity, validate};
pub use standing::Standing;

/// What a template's components may take up as JSON.
const MOST_CONTENT: usize = 64 * 1024;
const MOST_REASON: usize = 500;

#[derive(Debug)]
pub enum Command {
    /// A draft may have faults, but not in what never changes: its name and language.
    Draft {
        draft: Draft,
        /// The template that it began as a copy of.
        duplicate_of: Option<Uuid>,
    },
    Revise(Revision),
    /// Ask Meta to review it as it is now.
    RequestSubmission,
    /// Meta took the submission, and calls the template so.
    Accept {
        provider_id: String,
    },
    /// Meta did not take the submission.
    FailSubmission(Denial),
    Report(Report),
    /// Compare with what Meta has.
    Observe(Observed),
    /// Take over what was made at Meta.
    Import {
        draft: Draft,
        seen: Observed,
    },
    /// Whether it may be used at work before the client has signed it off.
    MarkWorkApproved(bool),
    /// Why it must have a category that costs more than utility.
    OverrideCategory {
        reason: String,
    },
    Remove,
    /// Meta did not delete what was removed.
    FailRemoval(Denial),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    Drafted {
        template: Identity,
        content: Content,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duplicate_of: Option<Uuid>,
    },
    Revised {
        template: Identity,
        content: Content,
    },
    SubmissionRequested {
        template: Identity,
    },
    Submitted {
        template: Identity,
        provider_id: String,
    },
    SubmissionFailed {
        template: Identity,
        #[serde(flatten)]
        denial: Denial,
        /// The state that it fell back to.
        state: State,
    },
    /// As Meta has it: made there, or changed there, by somebody.
    Imported {
        told: Told,
        content: Content,
    },
    Pending {
        told: Told,
    },
    Approved {
        told: Told,
    },
    Reinstated {
        told: Told,
    },
    Rejected {
        told: Told,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explanation: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recommendation: Option<String>,
    },
    Paused {
        told: Told,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    Disabled {
        told: Told,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Gone at Meta: by somebody there, or because it was removed here.
    Deleted {
        told: Told,
    },
    /// Also told when the category stays, so that an older word that comes late is known as older.
    Recategorised {
        told: Told,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: Category,
    },
    RecategorisationAnnounced {
        told: Told,
        to: Category,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        effective_at: Option<DateTime<Utc>>,
    },
    QualityChanged {
        told: Told,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        to: String,
    },
    Noted {
        told: Told,
        word: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    WorkApprovalSet {
        template: Identity,
        approved: bool,
    },
    CategoryOverridden {
        template: Identity,
        reason: String,
    },
    Removed {
        template: Identity,
    },
    /// Meta still has it.
    RemovalFailed {
        template: Identity,
        #[serde(flatten)]
        denial: Denial,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the template exists already")]
    AlreadyDrafted,
    #[error("there is no such template")]
    NotFound,
    #[error("Meta would not take the template as it is; errors names each place")]
    Invalid(Vec<Fault>),
    #[error("the components take up more than 64 KiB")]
    TooLarge,
    #[error("the template is being reviewed; wait for the result")]
    UnderReview,
    #[error("Meta disabled the template; duplicate it under another name")]
    Disabled,
    #[error("the template was removed")]
    Removed,
    #[error("nothing changed since Meta saw the template")]
    Unchanged,
    #[error("the category of an approved template can't be changed")]
    CategoryFixed,
    #[error("a {0} template needs a reason why it is not utility; override the category first")]
    NeedsOverride(&'static str),
    #[error("a utility template needs no override")]
    NothingToOverride,
    #[error("a reason has 1 to 500 characters")]
    InvalidReason,
    #[error("give the id of a connected channel of this organisation")]
    UnknownChannel,
    #[error("no submission is under way")]
    NotRequested,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Template {
    pub draft: Option<Draft>,
    pub standing: Standing,
    /// The state before a submission that is under way.
    before: Option<State>,
    /// Whether Meta has not seen it as it is now.
    pub changed: bool,
    /// Whether we took it out ourselves, for good.
    withdrawn: bool,
    /// Whether Meta has it no more.
    gone: bool,
    /// Whether Meta would not delete what we took out.
    undone: bool,
    pub work_approved: bool,
    /// The category that was allowed, and why.
    pub overridden: Option<(Category, String)>,
    pub provider_id: Option<String>,
    pub quality: Option<String>,
    /// How new what Meta told is, for each thing it told about.
    told: BTreeMap<About, Weight>,
}

impl Aggregate for Template {
    const TYPE: &'static str = "template";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command, _: &Context) -> Result<Vec<Event>, Error> {
        let Some(draft) = &self.draft else {
            return match command {
                Command::Draft { draft, duplicate_of } => drafted(draft, duplicate_of),
                Command::Import { draft, seen } => answer::import(&draft, seen),
                _ => Err(Error::NotFound),
            };
        };
        let template = draft.identity();
        if self.withdrawn {
            return self.after_removal(template, command);
        }
        match command {
            Command::Draft { .. } | Command::Import { .. } => Err(Error::AlreadyDrafted),
            Command::Report(report) => Ok(self.report(&template, report)),
            Command::Observe(seen) => Ok(self.observe(draft, seen)),
            Command::FailRemoval(_) => Ok(vec![]),
            Command::Remove => Ok(vec![Event::Removed { template }]),
            _ if self.standing.state == State::Removed => Err(Error::Removed),
            Command::Revise(revision) => self.revise(draft, revision),
            Command::RequestSubmission => self.request_submission(draft),
            Command::Accept { provider_id } if self.before.is_some() => {
                Ok(vec![Event::Submitted { template, provider_id }])
            }
            Command::Accept { provider_id } if self.provider_id == Some(provider_id.clone()) => {
                Ok(vec![])
            }
            Command::Accept { .. } => Err(Error::NotRequested),
            Command::FailSubmission(denial) => self.fail(template, denial),
            Command::MarkWorkApproved(approved) if approved == self.work_approved => Ok(vec![]),
            Command::MarkWorkApproved(approved) => {
                Ok(vec![Event::WorkApprovalSet { template, approved }])
            }
            Command::OverrideCategory { reason } => self.override_category(template, reason),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::SubmissionRequested { .. } => self.before = Some(self.standing.state),
            Event::Submitted { .. } | Event::SubmissionFailed { .. } => self.before = None,
            _ => {}
        }
        if let Some(standing) = event.standing() {
            // What is told of it alive came after its end.
            self.gone &= standing.state == State::Removed;
            self.standing = standing;
        }
        if let Some(draft) = &mut self.draft {
            draft.category = event.template().category;
        }
        self.learn(event);
        match event {
            Event::Drafted { template, content, .. } | Event::Revised { template, content } => {
                self.draft = Some(Draft::of(template, content));
                self.changed = true;
                // A reason was given for one category.
                self.overridden.take_if(|(category, _)| *category != template.category);
            }
            Event::SubmissionRequested { .. } => self.changed = false,
            Event::Imported { told, content } => {
                self.draft = Some(Draft::of(&told.template, content));
                self.changed = false;
            }
            Event::Submitted { provider_id, .. } => self.provider_id = Some(provider_id.clone()),
            Event::SubmissionFailed { .. } => self.changed = true,
            Event::QualityChanged { to, .. } => self.quality = Some(to.clone()),
            Event::WorkApprovalSet { approved, .. } => self.work_approved = *approved,
            Event::CategoryOverridden { template, reason } => {
                self.overridden = Some((template.category, reason.clone()));
            }
            Event::Deleted { .. } => self.gone = true,
            Event::Removed { .. } => (self.withdrawn, self.undone) = (true, false),
            Event::RemovalFailed { .. } => self.undone = true,
            _ => {}
        }
    }
}

fn drafted(draft: Draft, duplicate_of: Option<Uuid>) -> Result<Vec<Event>, Error> {
    let faults = identity(&draft.name, &draft.language);
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let (template, content) = (draft.identity(), fitting(&draft)?);
    Ok(vec![Event::Drafted { template, content, duplicate_of }])
}

fn fitting(draft: &Draft) -> Result<Content, Error> {
    let content = draft.content();
    let size = serde_json::to_vec(&content).map_or(0, |json| json.len());
    if size > MOST_CONTENT { Err(Error::TooLarge) } else { Ok(content) }
}

impl Template {
    fn evolve_all(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.evolve(event));
    }

    fn revise(&self, draft: &Draft, revision: Revision) -> Result<Vec<Event>, Error> {
        let revised = draft.revised(revision);
        if revised == *draft {
            return Ok(vec![]);
        }
        match self.standing.state {
            State::Pending => return Err(Error::UnderReview),
            State::Disabled => return Err(Error::Disabled),
            State::Approved if revised.category != draft.category => {
                return Err(Error::CategoryFixed);
            }
            _ => {}
        }
        Ok(vec![Event::Revised { template: revised.identity(), content: fitting(&revised)? }])
    }

    fn request_submission(&self, draft: &Draft) -> Result<Vec<Event>, Error> {
        match self.standing.state {
            State::Pending => return Err(Error::UnderReview),
            State::Disabled => return Err(Error::Disabled),
            State::Approved | State::Paused if !self.changed => return Err(Error::Unchanged),
            _ => {}
        }
        let faults = validate(draft);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let allowed = self.overridden.as_ref().is_some_and(|(to, _)| *to == draft.category);
        if draft.category != Category::Utility && !allowed {
            return Err(Error::NeedsOverride(draft.category.as_str()));
        }
        Ok(vec![Event::SubmissionRequested { template: draft.identity() }])
    }

    fn override_category(&self, template: Identity, reason: String) -> Result<Vec<Event>, Error> {
        if template.category == Category::Utility {
            return Err(Error::NothingToOverride);
        }
        if reason.trim().is_empty() || reason.chars().count() > MOST_REASON {
            return Err(Error::InvalidReason);
        }
        if self
            .overridden
            .as_ref()
            .is_some_and(|known| *known == (template.category, reason.clone()))
        {
            return Ok(vec![]);
        }
        Ok(vec![Event::CategoryOverridden { template, reason }])
    }
}
