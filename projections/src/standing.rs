//! Where a read model stands: what answers, how far it has read, and what is being built beside it.

use chrono::{DateTime, Utc};
use event_store::log;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::PgPool;

use crate::generation::{self, Generation};
use crate::{Error, Model};

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReadModel")]
pub struct Standing {
    #[schemars(example = &"inbox")]
    pub model: &'static str,
    pub version: i32,
    #[schemars(example = &"live", extend("enum" = ["live", "rebuilding", "building"]))]
    pub state: &'static str,
    pub generation: Option<i32>,
    pub position: Option<i64>,
    pub head: i64,
    pub lag: Option<i64>,
    /// The generation that is being built, if one is.
    pub building: Option<Building>,
    pub dead_letters: i64,
}

/// How far a generation is that is being built, as its builder said last.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Building {
    pub generation: i32,
    #[schemars(extend("enum" = ["reading", "indexing", "catching_up", "comparing", "swapping", "ready"]))]
    pub phase: String,
    /// Events that are folded, and those up to where it reads.
    pub position: i64,
    pub until: i64,
    pub events_per_second: i64,
    pub seconds_left: i64,
    /// Where it would be taken up if it were interrupted now.
    pub written: i64,
    /// When that was said. Who builds says it every second; long ago means that nobody builds.
    pub told_at: DateTime<Utc>,
}

pub async fn standing(pool: &PgPool, model: &'static dyn Model) -> Result<Standing, Error> {
    let live = generation::live(pool, model).await?;
    let building = match generation::in_state(pool, model, "building").await? {
        Some(building) => Some(progress(pool, model, &building).await?),
        None => None,
    };
    let dead_letters: i64 = sqlx::query_scalar(
        "select count(*) from dead_letters where model = $1 and generation = $2",
    )
    .bind(model.name())
    .bind(live.as_ref().map(|live| live.generation))
    .fetch_one(pool)
    .await?;
    let head = log::head(pool).await?;
    Ok(Standing {
        model: model.name(),
        version: model.version(),
        state: match (&live, &building) {
            (Some(_), None) => "live",
            (Some(_), Some(_)) => "rebuilding",
            (None, _) => "building",
        },
        generation: live.as_ref().map(|live| live.generation),
        position: live.as_ref().map(|live| live.position),
        head,
        lag: live.as_ref().map(|live| head - live.position),
        building,
        dead_letters,
    })
}

async fn progress(
    pool: &PgPool,
    model: &dyn Model,
    building: &Generation,
) -> sqlx::Result<Building> {
    let told: Option<(String, i64, i64, i64, i64, DateTime<Utc>)> = sqlx::query_as(
        "select phase, reached, until, events_per_second, position, told_at
           from rebuild_progress where model = $1 and generation = $2",
    )
    .bind(model.name())
    .bind(building.generation)
    .fetch_optional(pool)
    .await?;
    let (phase, reached, until, events_per_second, written, told_at) =
        told.unwrap_or_else(|| ("reading".into(), 0, 0, 0, 0, DateTime::UNIX_EPOCH));
    let position = reached.max(written);
    Ok(Building {
        generation: building.generation,
        phase,
        position,
        until,
        events_per_second,
        seconds_left: (until - position).max(0) / events_per_second.max(1),
        written,
        told_at,
    })
}
