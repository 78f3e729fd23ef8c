//! The newest messages of a conversation, of which screens ask again and again. They are made of its
//! stream alone, so what was read of them holds until the read models have more of it.

use std::sync::Arc;

use projections::conversation_messages::{Among, Shown};
use tokio::time::Instant;
use uuid::Uuid;

use crate::State;
use crate::app::{MessagesPage, Newest};
use crate::auth::Member;
use crate::position::Live;
use crate::problem::Problem;

/// The first rows of a conversation: those that were read of it lately, where the read models have
/// taken in nothing of it since; or those that are read now, together with the ones that others ask
/// for.
pub(super) async fn newest(
    state: &State,
    member: &Member,
    live: &Live,
    among: Among<'_>,
    conversation: Uuid,
    limit: i64,
) -> Result<Arc<[Shown]>, Problem> {
    let page = MessagesPage {
        tenant: member.tenant(),
        generations: [among.messages.generation(), among.inbox.generation()],
        seen_by: among.seen_by,
        limit,
    };
    let (since, upto) = (Instant::now(), live.position.position);
    // A row that stands still goes on without an event of its own.
    let holds = live.stale.is_empty();
    let known = (page, conversation);
    if let Some(read) = state.newest.get(&known).filter(|read| holds && read.upto <= upto) {
        let ask = async |conversations| match among.last(conversations).await {
            Ok(last) => Ok(last.into_iter().map(|(talk, last)| (talk, Some(last))).collect()),
            Err(error) => Err(Arc::new(error)),
        };
        let last = state.last.with(page, async |together| together.ask(conversation, ask).await);
        // Who can't find out reads.
        if let Ok(Some(last)) = last.await
            && last <= read.upto
        {
            return Ok(read.rows);
        }
    }
    let ask = async |conversations| among.newest(conversations, limit).await.map_err(Arc::new);
    let found = state.messages.with(page, async |together| together.ask(conversation, ask).await);
    let rows: Arc<[Shown]> = found.await.map_err(|error| Problem::from(&*error))?.into();
    if holds && !rows.is_empty() {
        let newest = Newest { upto, since, rows: rows.clone() };
        let bytes = rows.iter().map(Shown::bytes).sum();
        state.newest.put(known, bytes, newest, |kept| kept.since < since);
    }
    Ok(rows)
}
