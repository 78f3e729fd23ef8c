//! The newest messages of a conversation, of which screens ask again and again. They are made of its
//! stream alone, so what was read of them holds until the log has something newer there.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Aggregate;
use domain::conversation::Conversation;
use event_store::log;
use projections::conversation_messages::{Among, Shown};
use uuid::Uuid;

use crate::State;
use crate::app::{MessagesPage, Newest};
use crate::auth::Member;
use crate::position::Live;
use crate::problem::Problem;

/// The first rows of a conversation: those that were read of it lately, where nothing has happened in
/// it since; or those that are read now, together with the ones that others ask for.
pub(super) async fn newest(
    state: &State,
    member: &Member,
    live: &Live,
    among: Among<'_>,
    conversation: Uuid,
    limit: i64,
) -> Result<Arc<Vec<Shown>>, Problem> {
    let page = MessagesPage {
        tenant: member.tenant(),
        generations: [among.messages.generation(), among.inbox.generation()],
        seen_by: among.seen_by,
        limit,
    };
    let (upto, whole) = (live.position.position, live.stale.is_empty());
    let known = (page.clone(), conversation);
    if let Some(read) = state.newest.get(&known).filter(|read| whole && read.upto <= upto)
        && last(state, page.tenant, conversation).await? <= read.upto
    {
        return Ok(read.rows);
    }
    let ask = async |conversations| among.newest(conversations, limit).await.map_err(Arc::new);
    let found = state.messages.with(page, async |together| together.ask(conversation, ask).await);
    let rows = Arc::new(found.await.map_err(|error| Problem::from(&*error))?);
    // A row that stands still goes on without an event of its own.
    if whole {
        state.newest.put(known, rows.len(), Newest { upto, rows: rows.clone() });
    }
    Ok(rows)
}

/// Where the last event of a conversation stands in the log.
async fn last(state: &State, tenant: Uuid, conversation: Uuid) -> Result<i64, Problem> {
    let ask = async |conversations: Vec<Uuid>| {
        let ids: Vec<String> = conversations.iter().map(Uuid::to_string).collect();
        let found = log::last_positions(&state.database.app, tenant, Conversation::TYPE, &ids);
        let found: HashMap<String, i64> = found.await.map_err(Arc::new)?.into_iter().collect();
        let at = |id: &String| found.get(id).copied().unwrap_or_default();
        Ok(conversations.into_iter().zip(ids.iter().map(at)).collect())
    };
    let last = state.last.with(tenant, async |together| together.ask(conversation, ask).await);
    last.await.map_err(|error: Arc<sqlx::Error>| Problem::from(event_store::Error::Database(error)))
}
