//! Forgetting what was kept for repeats, when nobody repeats it any more.

use chrono::{DateTime, Utc};

use crate::{Error, Store};

impl Store {
    /// Looks through `most` idempotency records that are older than `before`, and forgets them;
    /// but keeps for ever what let an event of one of these types happen. Tells how many it looked
    /// through. Several processes may: each takes what no other is about.
    pub async fn sweep_outcomes(
        &self,
        before: DateTime<Utc>,
        forever: &[&str],
        most: i64,
    ) -> Result<u64, Error> {
        let looked: i64 = sqlx::query_scalar(
            "with old as materialized (
               select o.tenant_id, o.key, exists (
                        select from events e
                         where e.position = o.position and e.aggregate_type = any($2)) as forever
                 from idempotency_keys o where o.recorded_at < $1 and not o.kept
                order by o.recorded_at limit $3 for update of o skip locked),
             kept as (
               update idempotency_keys k set kept = true from old
                where old.forever and k.tenant_id = old.tenant_id and k.key = old.key),
             gone as (
               delete from idempotency_keys k using old
                where not old.forever and k.tenant_id = old.tenant_id and k.key = old.key)
             select count(*) from old",
        )
        .bind(before)
        .bind(forever)
        .bind(most)
        .fetch_one(self.worker())
        .await?;
        Ok(u64::try_from(looked).unwrap_or_default())
    }

    /// Forgets `most` of the records under the nil tenant that are older than `before`; tells how
    /// many those were.
    pub async fn sweep_brief_outcomes(
        &self,
        before: DateTime<Utc>,
        most: i64,
    ) -> Result<u64, Error> {
        let gone = sqlx::query(
            "with old as materialized (
               select tenant_id, key from idempotency_keys
                where tenant_id = '00000000-0000-0000-0000-000000000000' and recorded_at < $1
                order by recorded_at limit $2 for update skip locked)
             delete from idempotency_keys k using old
              where k.tenant_id = old.tenant_id and k.key = old.key",
        )
        .bind(before)
        .bind(most)
        .execute(self.worker())
        .await?;
        Ok(gone.rows_affected())
    }
}
