//! The message templates of an organisation, and where each stands with Meta.

use chrono::{DateTime, Utc};
use domain::template::{Category, Content, Event, Identity, State};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::facts::{Facts, Group, Measure};
use crate::finder::Finder;
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Templates;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub template_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub template_id: Uuid,
    pub channel_id: Uuid,
    pub name: String,
    pub language: String,
    pub category: String,
    pub state: String,
    /// Why it stands so, in Meta's word, and what to do about it.
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub content: Content,
    /// Whether Meta has not seen it as it is now.
    pub changed: bool,
    pub work_approved: bool,
    pub override_reason: Option<String>,
    pub provider_id: Option<String>,
    pub quality: Option<String>,
    /// The category that Meta announced, and for when.
    pub next_category: Option<String>,
    pub next_category_at: Option<DateTime<Utc>>,
    /// The last that Meta told besides all that, in its word.
    pub note: Option<String>,
    pub note_detail: Option<String>,
    pub duplicate_of: Option<Uuid>,
    pub version: i64,
    pub drafted_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    /// What numbers count by: another submission changes no number of a day that is over.
    pub first_submitted_at: Option<DateTime<Utc>>,
    pub first_approved_at: Option<DateTime<Utc>>,
    pub first_rejected_at: Option<DateTime<Utc>>,
    /// When Meta's reviewers last said yes, and no.
    pub approved_at: Option<DateTime<Utc>>,
    pub rejected_at: Option<DateTime<Utc>>,
    pub changed_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("template_id", "uuid"),
        column("channel_id", "uuid"),
        column("name", "text"),
        column("language", "text"),
        column("category", "text"),
        column("state", "text"),
        column("reason", "text"),
        column("detail", "text"),
        column("content", "jsonb"),
        column("changed", "boolean"),
        column("work_approved", "boolean"),
        column("override_reason", "text"),
        column("provider_id", "text"),
        column("quality", "text"),
        column("next_category", "text"),
        column("next_category_at", "timestamptz"),
        column("note", "text"),
        column("note_detail", "text"),
        column("duplicate_of", "uuid"),
        column("version", "bigint"),
        column("drafted_at", "timestamptz"),
        column("submitted_at", "timestamptz"),
        column("first_submitted_at", "timestamptz"),
        column("first_approved_at", "timestamptz"),
        column("first_rejected_at", "timestamptz"),
        column("approved_at", "timestamptz"),
        column("rejected_at", "timestamptz"),
        column("changed_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &[
        "(tenant_id, drafted_at desc, template_id desc)",
        "(tenant_id, channel_id, name, language)",
    ];
}

impl ReadModel for Templates {
    const NAME: &'static str = "templates";
    const VERSION: u32 = 3;
    const SOURCE: Source = Source::Stream("template");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Template(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, template_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Template(event) = &recorded.event else { return row };
        let mut row = match (row, event) {
            (None, Event::Drafted { template, content, duplicate_of }) => {
                drafted(key, template, content, *duplicate_of, recorded)
            }
            (None, Event::Imported { told, content }) => {
                drafted(key, &told.template, content, None, recorded)
            }
            (row, _) => row?,
        };
        row.version = recorded.stored.sequence;
        row.changed_at = recorded.stored.recorded_at;
        let before =
            std::mem::replace(&mut row.category, event.template().category.as_str().into());
        if matches!(event, Event::Revised { .. }) && row.category != before {
            row.override_reason = None;
        }
        if let Some(standing) = event.standing() {
            row.state = standing.state.as_str().into();
            (row.reason, row.detail) = (standing.reason, standing.detail);
        }
        if let Some(id) = event.told().and_then(|told| told.provider_id.clone()) {
            row.provider_id = Some(id);
        }
        row.take(event, recorded);
        Some(row)
    }
}

fn drafted(
    key: &Key,
    template: &Identity,
    content: &Content,
    duplicate_of: Option<Uuid>,
    event: &Recorded,
) -> Row {
    Row {
        tenant_id: key.tenant_id,
        template_id: key.template_id,
        channel_id: template.channel,
        name: template.name.clone(),
        language: template.language.clone(),
        category: template.category.as_str().into(),
        state: State::Draft.as_str().into(),
        reason: None,
        detail: None,
        content: content.clone(),
        changed: true,
        work_approved: false,
        override_reason: None,
        provider_id: None,
        quality: None,
        next_category: None,
        next_category_at: None,
        note: None,
        note_detail: None,
        duplicate_of,
        version: 0,
        drafted_at: event.stored.recorded_at,
        submitted_at: None,
        first_submitted_at: None,
        first_approved_at: None,
        first_rejected_at: None,
        approved_at: None,
        rejected_at: None,
        changed_at: event.stored.recorded_at,
    }
}

impl Row {
    /// What an event tells besides where the template stands.
    fn take(&mut self, event: &Event, recorded: &Recorded) {
        let at = recorded.stored.recorded_at;
        match event {
            Event::Revised { content, .. } => {
                self.content = content.clone();
                self.changed = true;
            }
            Event::Imported { content, .. } => {
                self.content = content.clone();
                self.changed = false;
            }
            Event::SubmissionRequested { .. } => {
                self.changed = false;
                self.submitted_at = Some(at);
                self.first_submitted_at.get_or_insert(at);
            }
            Event::Approved { .. } => {
                self.approved_at = Some(at);
                self.first_approved_at.get_or_insert(at);
            }
            Event::Rejected { .. } => {
                self.rejected_at = Some(at);
                self.first_rejected_at.get_or_insert(at);
            }
            Event::SubmissionFailed { .. } => self.changed = true,
            Event::Submitted { provider_id, .. } => self.provider_id = Some(provider_id.clone()),
            Event::RecategorisationAnnounced { to, effective_at, .. } => {
                self.next_category = Some(to.as_str().into());
                self.next_category_at = *effective_at;
            }
            Event::Recategorised { to, .. } => {
                if self.next_category.as_deref() == Some(to.as_str()) {
                    (self.next_category, self.next_category_at) = (None, None);
                }
            }
            Event::QualityChanged { to, .. } => self.quality = Some(to.clone()),
            Event::Noted { word, detail, .. } => {
                (self.note, self.note_detail) = (Some(word.clone()), detail.clone());
            }
            Event::WorkApprovalSet { approved, .. } => self.work_approved = *approved,
            Event::CategoryOverridden { reason, .. } => {
                self.override_reason = Some(reason.clone());
            }
            Event::Drafted { .. }
            | Event::Pending { .. }
            | Event::Reinstated { .. }
            | Event::Paused { .. }
            | Event::Disabled { .. }
            | Event::Deleted { .. }
            | Event::Removed { .. }
            | Event::RemovalFailed { .. } => {}
        }
    }
}

impl Facts for Templates {
    const SHOWN: &'static str = "tenant_id, template_id, channel_id, name, language, category,
        state, first_submitted_at, first_approved_at, first_rejected_at";
    const MEASURES: &'static [Measure] = &[SUBMITTED, APPROVED, REJECTED];
    const GROUPS: &'static [Group] = &[];
}

pub const SUBMITTED: Measure = Measure::new("templates.submitted", "first_submitted_at");
pub const APPROVED: Measure = Measure {
    since: Some("first_submitted_at"),
    ..Measure::new("templates.approved", "first_approved_at")
};
pub const REJECTED: Measure = Measure {
    since: Some("first_submitted_at"),
    ..Measure::new("templates.rejected", "first_rejected_at")
};

/// What somebody wants to see of the templates.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Empty: all.
    pub states: Vec<State>,
    pub channel: Option<Uuid>,
    pub category: Option<Category>,
    pub language: Option<String>,
    pub name: Option<String>,
    pub work_approved: Option<bool>,
}

/// The last row of a page: when the template was drafted, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.drafted_at, self.template_id)
    }
}

/// Templates, the newest first.
pub async fn page(
    finder: &Finder<Templates>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = finder.select("r.*");
    find.is_one_of("state", filter.states.iter().map(|state| state.as_str()))
        .when("channel_id = {}", filter.channel)
        .when("category = {}", filter.category.map(Category::as_str))
        .when("language = {}", filter.language)
        .when("name = {}", filter.name)
        .when("work_approved = {}", filter.work_approved);
    if let Some((at, template)) = after {
        find.sql.push(" and (drafted_at, template_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(template).push(")");
    }
    find.fetch("drafted_at desc, template_id desc", limit).await
}

/// One template.
pub async fn find(finder: &Finder<Templates>, template: Uuid) -> Result<Option<Row>, Error> {
    let mut find = finder.select("r.*");
    find.when("template_id = {}", Some(template));
    find.fetch_one().await
}
