//! What each event says of the template it is about.

use serde::Serialize;

use super::{Denial, Event, Identity, State, Told};

/// Where a template stands, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub state: State,
    /// A word or a title: `INVALID_FORMAT`.
    pub reason: Option<String>,
    /// What to do about it.
    pub detail: Option<String>,
}

impl Event {
    /// The template as it is since the event.
    pub fn template(&self) -> &Identity {
        match self {
            Event::Drafted { template, .. }
            | Event::Revised { template, .. }
            | Event::SubmissionRequested { template }
            | Event::Submitted { template, .. }
            | Event::SubmissionFailed { template, .. }
            | Event::WorkApprovalSet { template, .. }
            | Event::CategoryOverridden { template, .. }
            | Event::Removed { template }
            | Event::RemovalFailed { template, .. } => template,
            Event::Imported { told, .. }
            | Event::Pending { told }
            | Event::Approved { told }
            | Event::Reinstated { told }
            | Event::Rejected { told, .. }
            | Event::Paused { told, .. }
            | Event::Disabled { told, .. }
            | Event::Deleted { told }
            | Event::Recategorised { told, .. }
            | Event::RecategorisationAnnounced { told, .. }
            | Event::QualityChanged { told, .. }
            | Event::Noted { told, .. } => &told.template,
        }
    }

    /// What Meta told, where it is Meta's event.
    pub fn told(&self) -> Option<&Told> {
        match self {
            Event::Imported { told, .. }
            | Event::Pending { told }
            | Event::Approved { told }
            | Event::Reinstated { told }
            | Event::Rejected { told, .. }
            | Event::Paused { told, .. }
            | Event::Disabled { told, .. }
            | Event::Deleted { told }
            | Event::Recategorised { told, .. }
            | Event::RecategorisationAnnounced { told, .. }
            | Event::QualityChanged { told, .. }
            | Event::Noted { told, .. } => Some(told),
            _ => None,
        }
    }

    /// Where the template stands since the event, if that is what the event is about.
    pub fn standing(&self) -> Option<Standing> {
        let plain = |state| Standing { state, reason: None, detail: None };
        Some(match self {
            Event::Drafted { .. } => plain(State::Draft),
            Event::SubmissionRequested { .. } | Event::Pending { .. } => plain(State::Pending),
            Event::SubmissionFailed { denial, state, .. } => denied(denial, *state),
            Event::RemovalFailed { denial, .. } => denied(denial, State::Removed),
            Event::Approved { .. } | Event::Reinstated { .. } => plain(State::Approved),
            Event::Rejected { reason, explanation, recommendation, .. } => {
                let told = [explanation.as_deref(), recommendation.as_deref()];
                let detail = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
                let detail = Some(detail).filter(|detail| !detail.is_empty());
                Standing { state: State::Rejected, reason: reason.clone(), detail }
            }
            Event::Paused { title, description, .. } => Standing {
                state: State::Paused,
                reason: title.clone(),
                detail: description.clone(),
            },
            Event::Disabled { reason, .. } => {
                Standing { state: State::Disabled, reason: reason.clone(), detail: None }
            }
            Event::Deleted { .. } | Event::Removed { .. } => plain(State::Removed),
            _ => return None,
        })
    }
}

fn denied(denial: &Denial, state: State) -> Standing {
    Standing { state, reason: Some(denial.reason.clone()), detail: denial.detail.clone() }
}
