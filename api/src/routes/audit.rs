//! Who did what, when, and because of what.

use std::collections::HashMap;

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use event_store::log::Recorded;
use projections::audit::{self, Audit, Filter, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::State;
use crate::auth::{AuditReader, Member};
use crate::envelope;
use crate::openapi::Api;
use crate::page::Page;
use crate::position::Position;
use crate::problem::Problem;
use crate::query::Query;
use crate::reading::{self, Values};

pub(super) fn routes(api: &mut Api) {
    api.get("/v1/audit/events", list)
        .is("audit.list", "Lists what was done, the newest first")
        .refuses(422, &["parameter.invalid"]);
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Who did it.
    #[schemars(example = &"user:019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    actor: Option<String>,
    /// Type and event with a dot between.
    #[schemars(example = &"contact.Registered")]
    action: Option<String>,
    /// A type, or a type and an id with a slash between.
    #[schemars(example = &"contact")]
    aggregate: Option<String>,
    /// The request that caused it.
    #[schemars(with = "Option<Uuid>")]
    correlation: Option<String>,
    /// Recorded then or later.
    #[schemars(with = "Option<DateTime<Utc>>")]
    from: Option<String>,
    /// Recorded before.
    #[schemars(with = "Option<DateTime<Utc>>")]
    to: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
    min_position: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEvent")]
pub(super) struct Item {
    position: i64,
    #[schemars(example = &"contact.Registered")]
    action: String,
    #[schemars(example = &"user:019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    actor: String,
    aggregate: Aggregate,
    version: i64,
    recorded_at: DateTime<Utc>,
    event_id: Uuid,
    command_id: Option<Uuid>,
    correlation_id: Uuid,
    causation_id: Option<Uuid>,
    /// What the log holds of it; null stands where a person was erased.
    #[schemars(example = serde_json::json!({"Registered": {"name": "Ada Obi"}}))]
    payload: Value,
    origin: Origin,
}

/// By what means it was done, and from where, as far as somebody asked for it.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "AuditOrigin")]
struct Origin {
    /// A key, a session, or a visit of the platform's staff.
    #[schemars(example = &"key:019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    via: Option<String>,
    #[schemars(example = &"203.0.113.7")]
    ip: Option<String>,
    #[schemars(example = &"curl/8.5")]
    user_agent: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditAggregate")]
struct Aggregate {
    #[schemars(example = &"contact")]
    r#type: String,
    #[schemars(example = &"019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90")]
    id: String,
}

async fn list(
    state: Data<State>,
    AuditReader(member): AuditReader,
    asked: Query<Asked>,
) -> Result<envelope::Page<Item>, Problem> {
    events(&state, &member, asked).await
}

/// What the log holds of the organisation that somebody reads for.
pub(super) async fn events(
    state: &State,
    member: &Member,
    asked: Query<Asked>,
) -> Result<envelope::Page<Item>, Problem> {
    let page = Page::<i64>::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(state, asked.min_position.as_deref())?;
    let filter = filter(asked.into_inner())?;
    let (live, finder) = reading::finder(state, member, &Audit, min).await?;
    let rows = audit::page(&finder, filter, page.after, page.fetch()).await?;
    let cut = page.cut(rows, |row| row.position);
    let positions: Vec<i64> = cut.rows.iter().map(|row| row.position).collect();
    let recorded = audit::recorded(&state.database.app, member.tenant(), &positions).await?;
    let mut payloads = HashMap::with_capacity(recorded.len());
    let origins = origins(state, member, &recorded).await?;
    for (event, origin) in recorded.into_iter().zip(origins) {
        payloads.insert(event.position, (payload(state, event).await?, origin));
    }
    let item = |row: Row| item(payloads.remove(&row.position).unwrap_or_default(), row);
    let items = cut.rows.into_iter().map(item).collect();
    Ok(envelope::page(&live, items, cut.next))
}

pub(crate) fn filter(asked: Asked) -> Result<Filter, Problem> {
    let aggregate = reading::text("aggregate", asked.aggregate)?;
    let (aggregate_type, aggregate_id) = match aggregate.as_deref().map(|a| a.split_once('/')) {
        None => (None, None),
        Some(None) => (aggregate, None),
        Some(Some((kind, id))) => (Some(kind.to_owned()), Some(id.to_owned())),
    };
    Ok(Filter {
        actor: reading::text("actor", asked.actor)?,
        action: reading::text("action", asked.action)?,
        aggregate_type,
        aggregate_id,
        correlation: reading::id("correlation", asked.correlation.as_deref())?,
        from: reading::time("from", asked.from.as_deref())?,
        to: reading::time("to", asked.to.as_deref())?,
    })
}

/// What the log holds, personal values opened in their places; `null` where they were erased.
async fn payload(state: &State, event: Recorded) -> Result<Value, Problem> {
    // As stored: should it not be JSON that we can read, an auditor must see it all the same.
    let Ok(mut payload) = serde_json::from_str(&event.payload) else {
        return Ok(Value::String(event.payload));
    };
    let codec = state.commands.store().codec();
    match codec.open(event.tenant_id, event.event_id, &mut payload).await {
        // What was tampered with stays shut, and the rest of the page can be read.
        Ok(()) | Err(event_store::Error::BadToken) => {}
        Err(error) => return Err(error.into()),
    }
    reading::unwrap(&mut payload);
    Ok(payload)
}

async fn origins(
    state: &State,
    member: &Member,
    recorded: &[Recorded],
) -> Result<Vec<Origin>, Problem> {
    let read = |event: &Recorded| serde_json::from_str(&event.metadata).unwrap_or_default();
    let told: Vec<Value> = recorded.iter().map(read).collect();
    let token = |told: &Value, name: &str| {
        told[name].get(domain::personal::MARKER).and_then(|it| it.as_str().map(str::to_owned))
    };
    let tokens: Vec<String> = told
        .iter()
        .flat_map(|told| [token(told, "ip"), token(told, "user_agent")])
        .flatten()
        .collect();
    let values = Values::open(state, member, &tokens).await?;
    let origin = |told: &Value| Origin {
        via: told["via"].as_str().map(str::to_owned),
        ip: values.text(token(told, "ip").as_ref()),
        user_agent: values.text(token(told, "user_agent").as_ref()),
    };
    Ok(told.iter().map(origin).collect())
}

fn item((payload, origin): (Value, Origin), row: Row) -> Item {
    Item {
        origin,
        position: row.position,
        action: row.action,
        actor: row.actor,
        aggregate: Aggregate { r#type: row.aggregate_type, id: row.aggregate_id },
        version: row.version,
        recorded_at: row.recorded_at,
        event_id: row.event_id,
        command_id: row.command_id,
        correlation_id: row.correlation_id,
        causation_id: row.causation_id,
        payload,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(aggregate: Option<&str>) -> Asked {
        Asked {
            actor: None,
            action: None,
            aggregate: aggregate.map(str::to_owned),
            correlation: None,
            from: None,
            to: None,
            limit: None,
            cursor: None,
            min_position: None,
        }
    }

    #[test]
    fn an_aggregate_is_a_type_or_one_of_that_type() {
        let one = filter(asked(Some("contact/7"))).unwrap();
        assert_eq!(one.aggregate_type.as_deref(), Some("contact"));
        assert_eq!(one.aggregate_id.as_deref(), Some("7"));
        let all = filter(asked(Some("contact"))).unwrap();
        assert_eq!((all.aggregate_type.as_deref(), all.aggregate_id), (Some("contact"), None));
    }
}
