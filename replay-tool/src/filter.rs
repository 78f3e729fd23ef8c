//! Which events of the log are asked for, by flags that `log` and `export` share.

use std::str::FromStr;

use event_store::{Recorded, log};
use sqlx::{PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::moment::Moment;

#[derive(clap::Args, Default)]
pub(crate) struct Filter {
    /// Events of one stream: `conversation/0197…`.
    #[arg(long, value_name = "TYPE/ID")]
    stream: Option<Stream>,
    /// Events of one kind: `conversation.Assigned`, or all of an aggregate: `conversation`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Kind>,
    /// Events that this actor caused: `user:0197…`, `system`.
    #[arg(long)]
    actor: Option<String>,
    /// Events with this correlation.
    #[arg(long, value_name = "UUID")]
    correlation: Option<Uuid>,
    /// Events of this organisation.
    #[arg(long, value_name = "UUID")]
    tenant: Option<Uuid>,
    /// From this position or time on.
    #[arg(long, value_name = "POSITION|TIME", allow_hyphen_values = true)]
    from: Option<Moment>,
    /// Up to this position or time, itself included.
    #[arg(long, value_name = "POSITION|TIME", allow_hyphen_values = true)]
    to: Option<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    kind: String,
    id: String,
}

impl FromStr for Stream {
    type Err = &'static str;

    /// The id may hold slashes of its own: other programs' do.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => {
                Ok(Stream { kind: kind.into(), id: id.into() })
            }
            _ => Err("a stream is named TYPE/ID, like conversation/0197…"),
        }
    }
}

/// An aggregate type, or one event type of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    aggregate: String,
    event: Option<String>,
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (aggregate, event) = match text.split_once('.') {
            Some((aggregate, event)) => (aggregate, Some(event.to_owned())),
            None => (text, None),
        };
        if aggregate.is_empty() || event.as_deref() == Some("") {
            return Err("a type is named like conversation or conversation.Assigned");
        }
        Ok(Kind { aggregate: aggregate.into(), event })
    }
}

/// A stretch of the log: after one position, up to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) after: i64,
    pub(crate) until: i64,
}

impl Filter {
    /// The stretch in question. Without an end it ends where the log will.
    pub(crate) async fn range(&self, pool: &PgPool) -> sqlx::Result<Range> {
        let after = match self.from {
            Some(moment) => moment.before(pool).await?,
            None => 0,
        };
        let until = match self.to {
            Some(moment) => moment.last(pool).await?,
            None => i64::MAX,
        };
        Ok(Range { after, until })
    }

    /// The first `limit` events of the range that pass, in the log's order.
    pub(crate) async fn first(
        &self,
        pool: &PgPool,
        range: Range,
        limit: i64,
    ) -> sqlx::Result<Vec<Recorded>> {
        let mut query = self.query(range);
        query.push(" order by position limit ").push_bind(limit);
        query.build_query_as().fetch_all(pool).await
    }

    /// The last `limit` of them, in the log's order too.
    pub(crate) async fn last(
        &self,
        pool: &PgPool,
        range: Range,
        limit: i64,
    ) -> sqlx::Result<Vec<Recorded>> {
        let mut query = self.query(range);
        query.push(" order by position desc limit ").push_bind(limit);
        let mut found: Vec<Recorded> = query.build_query_as().fetch_all(pool).await?;
        found.reverse();
        Ok(found)
    }

    /// Only the conditions that were asked for, so that the database picks its index by them.
    fn query(&self, range: Range) -> QueryBuilder<'_, Postgres> {
        let mut query = QueryBuilder::new("select ");
        query.push(log::COLUMNS).push(" from events where position > ").push_bind(range.after);
        query.push(" and position <= ").push_bind(range.until);
        if let Some(stream) = &self.stream {
            query.push(" and aggregate_type = ").push_bind(&stream.kind);
            query.push(" and aggregate_id = ").push_bind(&stream.id);
        }
        if let Some(kind) = &self.kind {
            query.push(" and aggregate_type = ").push_bind(&kind.aggregate);
            if let Some(event) = &kind.event {
                query.push(" and event_type = ").push_bind(event);
            }
        }
        if let Some(actor) = &self.actor {
            query.push(" and actor = ").push_bind(actor);
        }
        if let Some(correlation) = self.correlation {
            query.push(" and correlation_id = ").push_bind(correlation);
        }
        if let Some(tenant) = self.tenant {
            query.push(" and tenant_id = ").push_bind(tenant);
        }
        query
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_type_and_id_and_the_id_may_hold_slashes() {
        let stream: Stream = "order/2026/17".parse().unwrap();
        assert_eq!(stream, Stream { kind: "order".into(), id: "2026/17".into() });
        for text in ["conversation", "/17", "conversation/"] {
            assert!(text.parse::<Stream>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_type_is_an_aggregate_or_one_event_of_it() {
        let all: Kind = "conversation".parse().unwrap();
        assert_eq!(all, Kind { aggregate: "conversation".into(), event: None });
        let one: Kind = "conversation.Assigned".parse().unwrap();
        assert_eq!(one, Kind { aggregate: "conversation".into(), event: Some("Assigned".into()) });
        for text in ["", ".Assigned", "conversation."] {
            assert!(text.parse::<Kind>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_not_asked_for_is_not_in_the_query() {
        let range = Range { after: 0, until: 9 };
        let none = Filter::default();
        assert!(none.query(range).sql().ends_with("position > $1 and position <= $2"));
        let actor = Filter { actor: Some("system".into()), ..Filter::default() };
        assert!(actor.query(range).sql().ends_with("and actor = $3"));
    }
}
