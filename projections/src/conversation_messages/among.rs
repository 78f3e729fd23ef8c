//! Looking for what was said: in one conversation, in several at once, and whether there is more of it.

use std::collections::HashMap;

use event_store::tenant::within;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{ConversationMessages, Cursor, Shown};
use crate::Error;
use crate::finder::{Finder, Select};
use crate::inbox::{self, Inbox};
use crate::model::ReadModel;

/// What is asked of one message or note of a conversation.
pub async fn find<T: DeserializeOwned>(
    finder: &Finder<ConversationMessages>,
    conversation: Uuid,
    message: Uuid,
) -> Result<Option<T>, Error> {
    let mut find = finder.select_as::<T>();
    find.sql.push(" and kind is not null");
    find.when("conversation_id = {}", Some(conversation)).when("message_id = {}", Some(message));
    find.fetch_one().await
}

/// Where what was said is looked for: in conversations that are in the inbox, and where `seen_by` is
/// told, that are theirs or nobody's.
#[derive(Clone, Copy)]
pub struct Among<'a> {
    pub messages: &'a Finder<ConversationMessages>,
    pub inbox: &'a Finder<Inbox>,
    pub seen_by: Option<Uuid>,
}

impl Among<'_> {
    /// What was said last in each of these conversations, newest first.
    pub async fn newest(
        self,
        conversations: Vec<Uuid>,
        limit: i64,
    ) -> Result<HashMap<Uuid, Vec<Shown>>, Error> {
        let rows: Vec<Shown> = self.said_in(conversations).fetch_each(ORDER, limit).await?;
        let limit = usize::try_from(limit).unwrap_or_default();
        let mut pages: HashMap<Uuid, Vec<Shown>> = HashMap::new();
        for row in rows {
            let page = pages.entry(row.conversation_id);
            let page = page.or_insert_with(|| Vec::with_capacity(limit));
            if page.len() < limit {
                page.push(row);
            }
        }
        Ok(pages)
    }

    /// Where the last event of each of these conversations stands that either read model has taken in,
    /// if there is one.
    pub async fn last(self, conversations: Vec<Uuid>) -> Result<HashMap<Uuid, i64>, Error> {
        let query = within(
            "select each.id, last.position
               from (select max(position) as position from generations
                      where (model = $3 and generation = $4) or (model = $5 and generation = $6)) r,
                    unnest($2::uuid[]) each(id) cross join lateral (
                    select position from events where tenant_id = t.id
                       and aggregate_type = 'conversation' and aggregate_id = each.id::text
                       and position <= r.position order by sequence desc limit 1) last",
        );
        let last: Vec<(Uuid, i64)> = sqlx::query_as(&query)
            .bind(self.messages.tenant())
            .bind(conversations)
            .bind(ConversationMessages::NAME)
            .bind(self.messages.generation())
            .bind(Inbox::NAME)
            .bind(self.inbox.generation())
            .fetch_all(self.messages.pool())
            .await?;
        Ok(last.into_iter().collect())
    }

    /// What was said before.
    pub async fn page(
        self,
        conversation: Uuid,
        (at, order, message): Cursor,
        limit: i64,
    ) -> Result<Vec<Shown>, Error> {
        let mut find = self.said_in(vec![conversation]);
        find.sql.push(" and (at, coalesce(message_order, ''), message_id) < (").push_bind(at);
        find.sql.push(", ").push_bind(order).push(", ").push_bind(message).push(")");
        find.fetch(ORDER, limit).await
    }

    fn said_in<'q>(self, conversations: Vec<Uuid>) -> Select<'q, ConversationMessages> {
        let mut find = self.messages.select_for_each::<Shown>(conversations);
        find.sql.push(" and kind is not null and conversation_id = each.id");
        inbox::has(self.inbox, &mut find, "each.id", self.seen_by);
        find
    }
}

const ORDER: &str = "at desc, coalesce(message_order, '') desc, message_id desc";
