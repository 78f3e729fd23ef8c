//! Messages that did not get through and wait for a person's decision.

use actix_web::HttpResponse;
use actix_web::web::{Data, Query};
use commands::effects;
use serde::Deserialize;
use serde_json::json;

use crate::State;
use crate::auth::Member;
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<i64>,
}

pub(super) async fn list(
    member: Member,
    state: Data<State>,
    asked: Query<Asked>,
) -> Result<HttpResponse, Problem> {
    let limit = asked.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", "limit.invalid", "limit is 1 to 200"));
    }
    let (store, tenant) = (state.commands.store(), member.tenant());
    let kind = commands::policies::send_messages::KIND;
    let failed = effects::open(store, tenant, kind, limit).await?;
    let statistics = effects::statistics(store, tenant, kind).await?;
    let item = |effect: &effects::Open| {
        json!({
            "message_id": effect.id,
            "conversation_id": effect.aggregate,
            "status": if effect.state == "dead" { "failed" } else { "unknown" },
            "reason": effect.reason,
            "attempts": effect.attempts,
            "since": effect.updated_at,
        })
    };
    let data: Vec<_> = failed.iter().map(item).collect();
    Ok(HttpResponse::Ok().json(json!({"data": data, "meta": {"statistics": statistics}})))
}
