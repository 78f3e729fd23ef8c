//! Messages that did not get through and wait for a person's decision.

use actix_web::web::{Data, Query};
use chrono::{DateTime, Utc};
use commands::effects;
use commands::policies::send_messages::KIND;
use projections::inbox::{self, Inbox};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{Plain, plain_with};
use crate::page::Page;
use crate::problem::Problem;
use crate::reading;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailedMessage")]
pub(super) struct Item {
    message_id: Uuid,
    conversation_id: Uuid,
    /// `unknown` is what may have been sent or not.
    #[schemars(extend("enum" = ["failed", "unknown"]))]
    status: &'static str,
    #[schemars(example = &"the channel has no access token")]
    reason: Option<String>,
    attempts: i32,
    since: DateTime<Utc>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailedMessages")]
pub(super) struct Meta {
    statistics: Vec<Count>,
}

/// How many messages that did not leave are in a state, for a reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailedMessageCount")]
struct Count {
    #[schemars(extend("enum" = ["pending", "attempting", "unknown", "dead"]))]
    state: String,
    #[schemars(example = &"the channel has no access token")]
    reason: Option<String>,
    count: i64,
}

pub(super) async fn list(
    member: Member,
    state: Data<State>,
    asked: Query<Asked>,
) -> Result<Plain<Vec<Item>, Meta>, Problem> {
    let page = Page::<()>::asked(asked.limit, None)?;
    let (store, tenant) = (state.commands.store(), member.tenant());
    let mut failed = effects::open(store, tenant, KIND, page.limit).await?;
    if let Some(user) = member.only() {
        let (_, inbox) = reading::finder(&state, &member, &Inbox, None).await?;
        let ids = failed.iter().map(|effect| effect.aggregate).collect();
        let seen = inbox::seen_by(&inbox, user, ids).await?;
        failed.retain(|effect| seen.contains(&effect.aggregate));
    }
    let statistics = effects::statistics(store, tenant, KIND).await?;
    let count = |(state, reason, count)| Count { state, reason, count };
    let item = |effect: effects::Open| Item {
        message_id: effect.id,
        conversation_id: effect.aggregate,
        status: if effect.state == "dead" { "failed" } else { "unknown" },
        reason: effect.reason,
        attempts: effect.attempts,
        since: effect.updated_at,
    };
    let data = failed.into_iter().map(item).collect();
    Ok(plain_with(data, Meta { statistics: statistics.into_iter().map(count).collect() }))
}
