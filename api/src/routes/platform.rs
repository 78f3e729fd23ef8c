//! What the platform's staff do: see organisations, suspend them, agree on plans, and enter.

use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use commands::Work;
use commands::access::staff::{self, PLATFORM};
use domain::organization::{self, Limits, Organization, Plan};
use domain::visit;
use projections::finder::Everybody;
use projections::workspace::{self, Cursor, Filter, Row, Workspace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit;
use super::workspace::Status;
use crate::asker::Confidant;
use crate::auth::Staff;
use crate::body::Request;
use crate::command::{About, Answered, Changed, Command, Told, plain};
use crate::envelope;
use crate::idempotent::{Answer, once};
use crate::openapi::Api;
use crate::page::Page;
use crate::position::{Position, ready};
use crate::problem::Problem;
use crate::query::Query;
use crate::{State, reading};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/platform/organizations", list)
        .is("platform.list_organizations", "Lists organisations, the newest first")
        .refuses(422, &["parameter.invalid"]);
    api.get("/v1/platform/audit/events", list_events)
        .is("platform.list_events", "Lists what happened on the platform itself")
        .says(
            "Who joined its staff and left, and how often strangers were refused: for each minute \
             and address, and together where there are too many.",
        )
        .refuses(422, &["parameter.invalid"]);
    api.post("/v1/platform/organizations/{id}/suspend", suspend)
        .is("platform.suspend", "Suspends an organisation")
        .says("Its members and keys are refused within 5 seconds; webhooks are still taken in.")
        .refuses(422, &["organization.invalid_reason"]);
    api.post("/v1/platform/organizations/{id}/reactivate", reactivate)
        .is("platform.reactivate", "Lets an organisation in again");
    api.put("/v1/platform/organizations/{id}/plan", set_plan)
        .is("platform.set_plan", "Says what an organisation and the platform agreed on");
    api.post("/v1/platform/organizations/{id}/enter", enter)
        .is("platform.enter", "Enters an organisation for 30 minutes")
        .says(
            "The token does what an admin may, but for what needs a person who signed in. Where \
             it looks and what it changes is in the organisation's audit log, with the reason.",
        )
        .refuses(404, &["organization.not_found"])
        .refuses(422, &["visit.invalid_reason"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListAsked {
    /// Somewhere in the name.
    q: Option<String>,
    /// `free`, `starter`, `professional` or `enterprise`.
    plan: Option<String>,
    /// `active` or `suspended`.
    status: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PlatformOrganization")]
struct Item {
    id: Uuid,
    #[schemars(example = &"Baraka Hardware")]
    name: String,
    plan: Plan,
    limits: Limits,
    status: Status,
    #[schemars(example = &"Invoice 17 is three months old")]
    suspension_reason: Option<String>,
    suspended_at: Option<DateTime<Utc>>,
    timezone: Option<String>,
    locale: Option<String>,
    version: i64,
    founded_at: DateTime<Utc>,
}

async fn list(
    _: Staff,
    state: Data<State>,
    asked: Query<ListAsked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<Cursor>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let filter = Filter {
        name: reading::text("q", asked.q.clone())?,
        plan: plan(asked.plan.as_deref())?,
        suspended: suspended(asked.status.as_deref())?,
    };
    let live = ready(&state, &Workspace, min).await?;
    let everybody = Everybody::new(&state.database.projector, &Workspace, live.generation);
    let rows = workspace::page(&everybody, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, Row::cursor);
    let items = cut.rows.into_iter().map(item).collect();
    Ok(envelope::page(&live, items, cut.next))
}

async fn list_events(
    staff: Staff,
    state: Data<State>,
    asked: Query<audit::Asked>,
) -> Result<envelope::Page<audit::Item>, Problem> {
    audit::events(&state, &staff.upon(PLATFORM).0, asked).await
}

fn item(row: Row) -> Item {
    Item {
        id: row.organization_id,
        name: row.name,
        plan: row.plan,
        limits: row.limits,
        status: Status::of(row.suspended_at.is_some()),
        suspension_reason: row.suspension_reason,
        suspended_at: row.suspended_at,
        timezone: row.timezone,
        locale: row.locale,
        version: row.version,
        founded_at: row.founded_at,
    }
}

fn plan(text: Option<&str>) -> Result<Option<Plan>, Problem> {
    let named = |text: &str| {
        let known = Plan::ALL.into_iter().find(|plan| plan.as_str() == text);
        known.ok_or_else(|| {
            let names = Plan::ALL.map(Plan::as_str).join(", ");
            reading::unreadable("plan", format!("is one of {names}"))
        })
    };
    text.map(named).transpose()
}

fn suspended(text: Option<&str>) -> Result<Option<bool>, Problem> {
    match text {
        None => Ok(None),
        Some("active") => Ok(Some(false)),
        Some("suspended") => Ok(Some(true)),
        Some(_) => Err(reading::unreadable("status", "is active or suspended")),
    }
}

type Settled = Answered<Changed, Organization>;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SuspendOrganization")]
struct Suspend {
    /// 1 to 500 characters.
    #[schemars(example = &"Invoice 17 is three months old")]
    reason: String,
}

async fn suspend(
    staff: Staff,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Suspend>,
) -> Settled {
    let writer = staff.upon(*id);
    once(&state, &writer, &request, "platform.suspend", async |meta| {
        let Suspend { reason } = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Organization>(&state, &meta, async |work: &mut Work<'_>| {
                let suspend = organization::Command::Suspend { reason: reason.clone() };
                work.execute::<Organization>(*id, suspend).await.map(drop)
            })
            .await
    })
    .await
}

async fn reactivate(staff: Staff, state: Data<State>, id: Path<Uuid>, request: Request) -> Settled {
    let (writer, command) = (staff.upon(*id), || organization::Command::Reactivate);
    plain::<Organization>(&writer, &state, *id, &request, "reactivate", command).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetPlan")]
struct SetPlan {
    plan: Plan,
    /// What is null or left out has no limit.
    #[serde(default)]
    limits: Limits,
}

async fn set_plan(
    staff: Staff,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<SetPlan>,
) -> Settled {
    let writer = staff.upon(*id);
    once(&state, &writer, &request, "platform.set_plan", async |meta| {
        let SetPlan { plan, limits } = request.parse()?;
        Command::on(*id, request.expected_version()?)
            .run::<Organization>(&state, &meta, async |work: &mut Work<'_>| {
                let limits = limits.clone();
                let set = organization::Command::SetPlan { plan, limits };
                work.execute::<Organization>(*id, set).await.map(drop)
            })
            .await
    })
    .await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EnterOrganization")]
struct Enter {
    /// 1 to 500 characters, for the organisation to read.
    #[schemars(example = &"Ticket 17: messages to one number fail")]
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Visit")]
struct Entered {
    visit_id: Uuid,
    organization_id: Uuid,
    access_token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: i64,
}

async fn enter(
    staff: Staff,
    state: Data<State>,
    id: Path<Uuid>,
    request: Request<Enter>,
) -> Result<Told<About<Entered>>, Problem> {
    let writer = staff.upon(*id);
    once(&state, &Confidant(&writer.0), &request, "platform.enter", async |meta| {
        let Enter { reason } = request.parse()?;
        let tell = |work: &mut Work<'_>, entered: &staff::Entered| {
            Answer::about(&Entered {
                visit_id: entered.visit,
                organization_id: *id,
                access_token: entered.token.clone(),
                token_type: "Bearer",
                expires_in: visit::TIME.num_seconds(),
            })
            .kept_in(work)
        };
        let entered = staff::enter(&state.commands, &meta, staff.id, &reason, tell).await?;
        Ok((entered.value, entered.position))
    })
    .await
}
