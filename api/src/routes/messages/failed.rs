//! Messages that did not get through and wait for a person's decision.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use commands::effects;
use commands::policies::Policy;
use commands::policies::send_messages::{KIND, SendMessages};
use projections::inbox::{self, Inbox};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::State;
use crate::auth::Member;
use crate::envelope::{Paged, Read, read_with};
use crate::page::{Cut, Page};
use crate::position::{self, Position};
use crate::problem::Problem;
use crate::query::Query;
use crate::reading;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    min_position: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
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
    #[serde(flatten)]
    page: Paged,
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
) -> Result<Read<Vec<Item>, Meta>, Problem> {
    let page: Page<effects::Cursor> = Page::asked(asked.limit, asked.cursor.as_deref())?;
    let min = Position::asked(&state, asked.min_position.as_deref())?;
    let (store, tenant) = (state.commands.store(), member.tenant());
    // What people decide about a message reaches it by this policy.
    let mut live = position::followed(&state, SendMessages::NAME, min).await?;
    let failed = effects::open(store, tenant, KIND, page.after, page.fetch()).await?;
    let Cut { rows: mut failed, next } = page.cut(failed, |last| (last.updated_at, last.id));
    if let Some(user) = member.only() {
        let inbox;
        (live, inbox) = reading::beside(&state, &member, live, &Inbox, min).await?;
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
    let statistics = statistics.into_iter().map(count).collect();
    Ok(read_with(&live, data, Meta { page: Paged::before(next), statistics }))
}
