//! The whole log in the end, read once from its first position to its last: nothing is missing,
//! nothing stands twice, and there is no more of it than the worlds had when they ended.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::ground::Ground;
use super::mirror::Holds;
use crate::Outcome;

/// How much there is, and the sum of all events' ids: who has lost one and invented another has
/// another sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) events: i64,
    pub(crate) ids: u128,
    pub(crate) records: i64,
    pub(crate) claims: i64,
}

impl Sum {
    pub(crate) fn adds(&mut self, world: &Holds) {
        for event in world.events.values() {
            self.sees(event.id);
        }
        self.records += world.records.len() as i64;
        self.claims += world.claims.len() as i64;
    }

    fn sees(&mut self, event: Uuid) {
        self.events += 1;
        self.ids = self.ids.wrapping_add(event.as_u128());
    }
}

/// A reader that goes from position to position.
#[derive(Debug, Default)]
struct Walk {
    position: i64,
    at: Option<DateTime<Utc>>,
    sum: Sum,
}

impl Walk {
    /// Goes on to the next event, or says what is wrong with it.
    fn goes_on(&mut self, position: i64, id: Uuid, at: DateTime<Utc>) -> Result<(), String> {
        let expected = self.position + 1;
        if position != expected {
            return Err(format!("position {expected} holds {position}"));
        }
        if self.at.is_some_and(|before| before > at) {
            return Err(format!("at position {position} the time goes back to {at}"));
        }
        self.position = position;
        self.at = Some(at);
        self.sum.sees(id);
        Ok(())
    }
}

/// What is wrong with it.
pub(crate) async fn check(ground: &Ground<'_>) -> Outcome<Vec<String>> {
    let mut database = ground.cluster.connect().await?;
    let mut walk = Walk::default();
    let mut rows =
        sqlx::query_as("select position, event_id, recorded_at from events order by position")
            .fetch(&mut database);
    while let Some((position, id, at)) = rows.try_next().await? {
        if let Err(wrong) = walk.goes_on(position, id, at) {
            return Ok(vec![wrong]);
        }
    }
    drop(rows);
    let (expected, mut found) = (*ground.sum(), walk.sum);
    found.records = number(&mut database, "select count(*) from idempotency_keys").await?;
    found.claims = number(&mut database, "select count(*) from claims").await?;
    let torn = number(
        &mut database,
        "select count(*) from (select from events group by aggregate_type, aggregate_id
           having min(sequence) <> 1 or max(sequence) <> count(*)) torn",
    )
    .await?;
    database.close().await?;
    let mut wrong = vec![];
    if torn != 0 {
        wrong.push(format!("{torn} streams have versions that are not 1, 2, 3 …"));
    }
    if found != expected {
        wrong.push(format!("of all worlds together: expected {expected:?}, found {found:?}"));
    }
    Ok(wrong)
}

async fn number(database: &mut PgConnection, query: &str) -> sqlx::Result<i64> {
    sqlx::query_scalar(query).fetch_one(database).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(events: &[(i64, u128, i64)]) -> Result<Sum, String> {
        let mut walk = Walk::default();
        for (position, id, at) in events {
            let at = DateTime::from_timestamp(*at, 0).unwrap();
            walk.goes_on(*position, Uuid::from_u128(*id), at)?;
        }
        Ok(walk.sum)
    }

    #[test]
    fn a_gap_a_place_taken_twice_and_a_time_that_goes_back_are_found() {
        assert!(walk(&[(1, 7, 5), (2, 8, 5), (3, 9, 6)]).is_ok());
        assert_eq!(walk(&[(1, 7, 5), (3, 8, 5)]).unwrap_err(), "position 2 holds 3");
        assert_eq!(walk(&[(1, 7, 5), (1, 8, 5)]).unwrap_err(), "position 2 holds 1");
        assert!(walk(&[(1, 7, 5), (2, 8, 4)]).unwrap_err().contains("goes back"));
    }

    #[test]
    fn an_event_in_the_place_of_another_changes_the_sum() {
        let sum = walk(&[(1, 7, 5), (2, 8, 5)]).unwrap();
        assert_ne!(walk(&[(1, 7, 5), (2, 7, 5)]).unwrap(), sum);
        assert_ne!(walk(&[(1, 7, 5)]).unwrap(), sum);
        assert_eq!(walk(&[(1, 8, 5), (2, 7, 5)]).unwrap(), sum);
    }
}
