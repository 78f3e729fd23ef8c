//! What postgres-es wrote, read stream by stream in the order of each stream.

use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgPool;

/// Events of a stream that are held in memory at once.
const PART: usize = 5_000;

/// An event in the columns of postgres-es.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct SourceEvent {
    pub(crate) aggregate_type: String,
    pub(crate) aggregate_id: String,
    pub(crate) sequence: i64,
    pub(crate) event_type: String,
    pub(crate) event_version: String,
    pub(crate) payload: String,
    pub(crate) metadata: String,
}

/// Events of one stream that follow each other.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) events: Vec<SourceEvent>,
    /// The part before was of the same stream.
    pub(super) continues: bool,
}

pub(super) fn query(table: &str) -> String {
    format!(
        "select aggregate_type, aggregate_id, sequence, event_type, event_version,
                payload::text as payload, coalesce(metadata::text, '{{}}') as metadata
           from {} order by aggregate_type, aggregate_id, sequence",
        quoted(table)
    )
}

/// `schema.table`, each part quoted.
fn quoted(table: &str) -> String {
    let part = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    table.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// The source cut into parts. Rows arrive as they are taken: the table need not fit in memory.
pub(super) struct Parts<'a> {
    rows: BoxStream<'a, sqlx::Result<SourceEvent>>,
    /// The first event of the part to come.
    next: Option<SourceEvent>,
    continues: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn of(pool: &'a PgPool, query: &'a str) -> Self {
        Parts { rows: sqlx::query_as(query).fetch(pool), next: None, continues: false }
    }

    pub(super) async fn next(&mut self) -> sqlx::Result<Option<Part>> {
        let first = match self.next.take() {
            Some(event) => event,
            None => match self.rows.try_next().await? {
                Some(event) => event,
                None => return Ok(None),
            },
        };
        let mut part = Part { continues: self.continues, events: vec![first] };
        self.continues = false;
        while let Some(event) = self.rows.try_next().await? {
            let first = &part.events[0];
            let same = event.aggregate_type == first.aggregate_type
                && event.aggregate_id == first.aggregate_id;
            if same && part.events.len() < PART {
                part.events.push(event);
                continue;
            }
            self.continues = same;
            self.next = Some(event);
            break;
        }
        Ok(Some(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_be_in_a_schema_and_its_name_is_never_more_than_a_name() {
        assert_eq!(quoted("legacy.events"), r#""legacy"."events""#);
        assert_eq!(quoted(r#"x"; drop table y; --"#), r#""x""; drop table y; --""#);
    }
}
