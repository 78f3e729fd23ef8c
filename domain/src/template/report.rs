//! What Meta tells about a template. Webhooks come late and out of order: of two that are about the
//! same thing, the one that was told later is true.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Category, Event, Identity, Template};

/// One thing that Meta told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When Meta told it, by its clock.
    pub at: DateTime<Utc>,
    /// Meta's id of the template.
    pub provider_id: Option<String>,
    /// The category that stood beside it.
    pub category: Option<Category>,
    pub said: Said,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is being reviewed, for the first time or after an appeal.
    Pending,
    Approved,
    Reinstated,
    Rejected {
        reason: Option<String>,
        explanation: Option<String>,
        recommendation: Option<String>,
    },
    Paused {
        title: Option<String>,
        description: Option<String>,
    },
    Disabled {
        reason: Option<String>,
    },
    /// It is gone at Meta.
    Deleted,
    Recategorised {
        from: Option<String>,
        to: Category,
    },
    /// It will have another category unless somebody objects.
    RecategorisationAnnounced {
        to: Category,
        effective_at: Option<DateTime<Utc>>,
    },
    QualityChanged {
        from: Option<String>,
        to: String,
    },
    /// Something that changes neither state nor category nor quality, in Meta's word.
    Noted {
        word: String,
        detail: Option<String>,
    },
}

/// What all events share that Meta is the source of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The template as it is since then.
    pub template: Identity,
    /// When Meta told it, by its clock.
    pub at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The category that stood beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

/// What a report can be newer about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    State,
    Category,
    Announcement,
    Quality,
    Note,
}

/// Decides which of two reports about the same thing stands: the later one, and of two for the
/// same moment always the same one, whichever comes first.
pub type Weight = (DateTime<Utc>, u8, String);

impl Template {
    /// What is news in a report.
    pub(super) fn report(&self, identity: &Identity, report: Report) -> Vec<Event> {
        let Report { at, provider_id, category, said } = report;
        let mut told = Told { template: identity.clone(), at, provider_id, category };
        let named = match &said {
            Said::Recategorised { to, .. } => Some(*to),
            _ => category,
        };
        let category = named.filter(|to| self.is_news(About::Category, &category_weight(at, *to)));
        if let Some(to) = category {
            told.template.category = to;
        }
        let event = event(told.clone(), said);
        let news = weight(&event).is_some_and(|(about, weight)| self.is_news(about, &weight));
        if news {
            return vec![event];
        }
        // A state that is out of date may come with a category that is not.
        let recategorised = |to| Event::Recategorised { told, from: None, to };
        category.map(recategorised).into_iter().collect()
    }

    fn is_news(&self, about: About, weight: &Weight) -> bool {
        self.told.get(&about).is_none_or(|known| known < weight)
    }

    /// Remembers when it was told what the event tells.
    pub(super) fn learn(&mut self, event: &Event) {
        let Some(told) = event.told() else { return };
        let mut weights: Vec<(About, Weight)> = weight(event).into_iter().collect();
        match event {
            Event::Recategorised { to, .. } => {
                weights.push((About::Announcement, (told.at, 1, to.as_str().to_owned())));
            }
            _ => {
                let category = told.category.map(|to| category_weight(told.at, to));
                weights.extend(category.map(|weight| (About::Category, weight)));
            }
        }
        for (about, weight) in weights {
            if self.is_news(about, &weight) {
                self.told.insert(about, weight);
            }
        }
        self.provider_id = told.provider_id.clone().or(self.provider_id.take());
    }
}

fn category_weight(at: DateTime<Utc>, to: Category) -> Weight {
    (at, 0, to.as_str().to_owned())
}

fn event(told: Told, said: Said) -> Event {
    match said {
        Said::Pending => Event::Pending { told },
        Said::Approved => Event::Approved { told },
        Said::Reinstated => Event::Reinstated { told },
        Said::Rejected { reason, explanation, recommendation } => {
            Event::Rejected { told, reason, explanation, recommendation }
        }
        Said::Paused { title, description } => Event::Paused { told, title, description },
        Said::Disabled { reason } => Event::Disabled { told, reason },
        Said::Deleted => Event::Deleted { told },
        Said::Recategorised { from, to } => Event::Recategorised { told, from, to },
        Said::RecategorisationAnnounced { to, effective_at } => {
            Event::RecategorisationAnnounced { told, to, effective_at }
        }
        Said::QualityChanged { from, to } => Event::QualityChanged { told, from, to },
        Said::Noted { word, detail } => Event::Noted { told, word, detail },
    }
}

/// What an event of Meta's is about, and its weight among those.
fn weight(event: &Event) -> Option<(About, Weight)> {
    let at = event.told()?.at;
    let text = |parts: &[&Option<String>]| -> String {
        parts.iter().map(|part| part.as_deref().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    };
    Some(match event {
        Event::Pending { .. } => (About::State, (at, 0, String::new())),
        Event::Approved { .. } => (About::State, (at, 1, String::new())),
        Event::Reinstated { .. } => (About::State, (at, 2, String::new())),
        Event::Rejected { reason, explanation, recommendation, .. } => {
            (About::State, (at, 3, text(&[reason, explanation, recommendation])))
        }
        Event::Paused { title, description, .. } => {
            (About::State, (at, 4, text(&[title, description])))
        }
        Event::Disabled { reason, .. } => (About::State, (at, 5, text(&[reason]))),
        Event::Deleted { .. } => (About::State, (at, 6, String::new())),
        Event::Recategorised { to, .. } => (About::Category, category_weight(at, *to)),
        Event::RecategorisationAnnounced { to, .. } => {
            (About::Announcement, (at, 0, to.as_str().to_owned()))
        }
        Event::QualityChanged { to, .. } => (About::Quality, (at, 0, to.clone())),
        Event::Noted { word, detail, .. } => {
            (About::Note, (at, 0, text(&[&Some(word.clone()), detail])))
        }
        _ => return None,
    })
}
