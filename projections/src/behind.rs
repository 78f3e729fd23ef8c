//! The events behind a number of buckets: those whose keys the number counts. The fold itself says
//! which, so that the list is never longer or shorter than the number.

use chrono::{DateTime, Utc};
use event_store::tenant::within;
use event_store::{Sessions, log};
use uuid::Uuid;

use crate::audit::last_before;
use crate::{Error, ReadModel, Recorded};

/// Events that are read at once.
const PAGE: i64 = 1_000;

/// Where to look: an organisation, and a span of record time. Narrower, where the caller knows
/// what can be meant at all.
#[derive(Clone, Debug)]
pub struct Place {
    pub tenant: Uuid,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// How far the number's read model has read.
    pub until: i64,
    pub actor: Option<String>,
    pub event_types: Option<Vec<String>>,
}

/// Up to `limit` events behind position `after` with a key that is wanted, in the log's order.
pub async fn events<M: ReadModel>(
    pool: &Sessions,
    place: &Place,
    wanted: impl Fn(&M::Key) -> bool,
    after: i64,
    limit: usize,
) -> Result<Vec<Recorded>, Error> {
    let first = last_before(pool, Some(place.from)).await?.unwrap_or_default();
    let until = last_before(pool, Some(place.to)).await?.unwrap_or_default().min(place.until);
    let columns = log::COLUMNS;
    let query = within(&format!(
        "select {columns} from events where tenant_id = t.id and position > $2 and position <= $3
            and ($4::text is null or actor = $4)
            and ($5::text[] is null or event_type = any($5))
          order by position limit $6"
    ));
    let query = format!("{query} order by position");
    let (mut found, mut position) = (vec![], after.max(first));
    while found.len() < limit {
        let page: Vec<log::Recorded> = sqlx::query_as(&query)
            .bind(place.tenant)
            .bind(position)
            .bind(until)
            .bind(&place.actor)
            .bind(&place.event_types)
            .bind(PAGE)
            .fetch_all(pool)
            .await?;
        let Some(last) = page.last() else { break };
        position = last.position;
        for stored in page {
            let event = Recorded::decode(stored)?;
            if M::keys(&event).iter().any(&wanted) {
                found.push(event);
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}
