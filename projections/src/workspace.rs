//! The organisation itself: how it wants to be shown, what it demands of its members, and how it
//! stands with the platform.

use chrono::{DateTime, Utc};
use domain::organization::{Event, Limits, Logo, Plan};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::finder::{Everybody, Finder};
use crate::model::{Column, ReadModel, Source, Table, column};
use crate::{Error, Recorded};

pub struct Workspace;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub tenant_id: Uuid,
    pub organization_id: Uuid,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub tenant_id: Uuid,
    pub organization_id: Uuid,
    pub name: String,
    /// Of the IANA database.
    pub timezone: Option<String>,
    /// A tag of BCP 47.
    pub locale: Option<String>,
    /// A code of ISO 4217.
    pub currency: Option<String>,
    pub logo: Option<Logo>,
    pub requires_second_factor: bool,
    /// Agents see only what is theirs or nobody's.
    pub agents_see_own_only: bool,
    pub plan: Plan,
    pub limits: Limits,
    pub suspended_at: Option<DateTime<Utc>>,
    pub suspension_reason: Option<String>,
    /// Of the settings: events about members don't move it.
    pub version: i64,
    pub founded_at: DateTime<Utc>,
}

impl Table for Row {
    const COLUMNS: &'static [Column] = &[
        column("tenant_id", "uuid"),
        column("organization_id", "uuid"),
        column("name", "text"),
        column("timezone", "text"),
        column("locale", "text"),
        column("currency", "text"),
        column("logo", "jsonb"),
        column("requires_second_factor", "boolean"),
        column("agents_see_own_only", "boolean"),
        column("plan", "text"),
        column("limits", "jsonb"),
        column("suspended_at", "timestamptz"),
        column("suspension_reason", "text"),
        column("version", "bigint"),
        column("founded_at", "timestamptz"),
    ];
    const KEY: usize = 2;
    const INDEXES: &'static [&'static str] = &["(founded_at desc, organization_id desc)"];
}

impl ReadModel for Workspace {
    const NAME: &'static str = "workspace";
    const VERSION: u32 = 2;
    const SOURCE: Source = Source::Stream("organization");
    type Key = Key;
    type Row = Row;

    fn keys(event: &Recorded) -> Vec<Key> {
        match &event.event {
            domain::Event::Organization(_) => {
                vec![Key { tenant_id: event.stored.tenant_id, organization_id: event.stream() }]
            }
            _ => vec![],
        }
    }

    fn fold(key: &Key, row: Option<Row>, recorded: &Recorded) -> Option<Row> {
        let domain::Event::Organization(event) = &recorded.event else { return row };
        let at = recorded.stored.recorded_at;
        let mut row = match (row, event) {
            (None, Event::Founded { name }) => founded(key, name, at),
            (row, _) => row?,
        };
        row.version += i64::from(event.is_of_settings());
        match event {
            Event::Founded { .. }
            | Event::OwnerAdded { .. }
            | Event::OwnerRemoved { .. }
            | Event::MembersCounted { .. }
            | Event::MemberAdded { .. }
            | Event::MemberRemoved { .. } => {}
            Event::Renamed { name } => row.name.clone_from(name),
            Event::TimezoneSet { timezone } => row.timezone = Some(timezone.clone()),
            Event::LocaleSet { locale } => row.locale = Some(locale.clone()),
            Event::CurrencySet { currency } => row.currency.clone_from(currency),
            Event::LogoSet { logo } => row.logo.clone_from(logo),
            Event::SecondFactorRequirementSet { required } => {
                row.requires_second_factor = *required;
            }
            Event::AgentsRestrictionSet { restricted } => row.agents_see_own_only = *restricted,
            Event::PlanSet { plan, limits } => {
                row.plan = *plan;
                row.limits = limits.clone();
            }
            Event::Suspended { reason } => {
                row.suspended_at = Some(at);
                row.suspension_reason = Some(reason.clone());
            }
            Event::Reactivated {} => {
                row.suspended_at = None;
                row.suspension_reason = None;
            }
        }
        Some(row)
    }
}

fn founded(key: &Key, name: &str, at: DateTime<Utc>) -> Row {
    Row {
        tenant_id: key.tenant_id,
        organization_id: key.organization_id,
        name: name.to_owned(),
        timezone: None,
        locale: None,
        currency: None,
        logo: None,
        requires_second_factor: false,
        agents_see_own_only: false,
        plan: Plan::default(),
        limits: Limits::default(),
        suspended_at: None,
        suspension_reason: None,
        version: 0,
        founded_at: at,
    }
}

/// The finder's own organisation.
pub async fn own(finder: &Finder<Workspace>) -> Result<Option<Row>, Error> {
    finder.select("r.*").fetch_one().await
}

/// Which organisations the platform's staff want to see.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Somewhere in the name.
    pub name: Option<String>,
    pub plan: Option<Plan>,
    pub suspended: Option<bool>,
}

/// The last row of a page: when it was founded, and its id.
pub type Cursor = (DateTime<Utc>, Uuid);

impl Row {
    /// Where a page goes on behind this row.
    pub fn cursor(&self) -> Cursor {
        (self.founded_at, self.organization_id)
    }
}

/// Organisations, the newest first.
pub async fn page(
    everybody: &Everybody<Workspace>,
    filter: Filter,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Row>, Error> {
    let mut find = everybody.select();
    find.when("strpos(lower(name), lower({})) > 0", filter.name)
        .when("plan = {}", filter.plan.map(Plan::as_str))
        .when("(suspended_at is not null) = {}", filter.suspended);
    if let Some((at, organization)) = after {
        find.sql.push(" and (founded_at, organization_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(organization).push(")");
    }
    find.fetch("founded_at desc, organization_id desc", limit).await
}
