//! Why read models are late or stand still: what holds each back, by name.

use chrono::{DateTime, TimeDelta, Utc};
use event_store::lease::Leases;
use event_store::log;
use serde::Serialize;
use sqlx::PgPool;

use crate::live::{self, Lane};
use crate::standing::{Standing, standing};
use crate::{Error, MODELS, Model, letters};

/// A builder that was not heard of for so long builds no more.
const SILENT: TimeDelta = TimeDelta::seconds(10);
/// What takes a read model longer than this for an event, on average of a page, is slow.
const SLOW_MICROS: i64 = 2_000;
/// And a page that takes less is not worth a word.
const SLOW_PAGE: i64 = 100_000;

/// What holds a read model back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is being built, or should be.
    Building,
    /// No process feeds.
    NoFeeder,
    /// Somebody holds a lock that the feeder waits for.
    Blocked,
    /// The feeder waits for the database to do something.
    Database,
    /// Its own fold takes long, or its table is slow to write.
    SlowFold,
    /// Others take so long that it waits for them: all of a lane share a page.
    Behind,
    /// Some of its rows stand still.
    DeadLetters,
}

impl Cause {
    pub const ALL: [Cause; 7] = [
        Cause::Building,
        Cause::NoFeeder,
        Cause::Blocked,
        Cause::Database,
        Cause::SlowFold,
        Cause::Behind,
        Cause::DeadLetters,
    ];

    pub fn as_str(&self) -> &'static str {
        match self {
            Cause::Building => "building",
            Cause::NoFeeder => "no_feeder",
            Cause::Blocked => "blocked",
            Cause::Database => "database",
            Cause::SlowFold => "slow_fold",
            Cause::Behind => "behind",
            Cause::DeadLetters => "dead_letters",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    pub cause: Cause,
    pub detail: String,
}

/// A read model that is not where the log is, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub model: &'static str,
    pub lag: Option<i64>,
    /// How old the oldest event is that it has not taken in.
    pub late_seconds: Option<i64>,
    pub obstacles: Vec<Obstacle>,
}

/// What of the database is at work for feeders, and who stands in its way.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Session {
    pid: i32,
    query: String,
    seconds: i64,
    waits_for: Option<String>,
    blocker: Option<i32>,
    blocking_query: Option<String>,
    blocking_name: Option<String>,
}

/// Explains every read model that is late or stands still.
pub async fn explain(pool: &PgPool) -> Result<Vec<Explanation>, Error> {
    let fed = Leases::is_held(pool, live::LEASE).await?;
    let sessions = sessions(pool).await?;
    let paces = paces(pool).await?;
    let mut explanations = vec![];
    for model in MODELS.iter().copied() {
        let standing = standing(pool, model).await?;
        let pace = paces.iter().find(|pace| pace.model == model.name());
        // What goes wrong in one lane holds nobody up in the other.
        let lane = Lane::of(model);
        let beside = paces.iter().filter(|pace| pace.is_slow() && pace.lane() == Some(lane));
        let slowest = beside.max_by_key(|pace| pace.micros_each());
        let sessions: Vec<&Session> =
            sessions.iter().filter(|session| session.concerns(lane)).collect();
        let mut obstacles = of_lag(&standing, fed, &sessions, pace, slowest);
        if standing.dead_letters > 0 {
            let stopped = letters::list(pool, Some(model)).await?;
            obstacles.extend(stopped.first().map(|first| Obstacle {
                cause: Cause::DeadLetters,
                detail: format!(
                    "{} keys stand still with {} events; {} since position {}: {}",
                    stopped.len(),
                    standing.dead_letters,
                    first.key,
                    first.position,
                    first.reason
                ),
            }));
        }
        if obstacles.is_empty() {
            continue;
        }
        let late_seconds = match standing.position {
            Some(position) => late(pool, position).await?,
            None => None,
        };
        let (model, lag) = (model.name(), standing.lag);
        explanations.push(Explanation { model, lag, late_seconds, obstacles });
    }
    Ok(explanations)
}

/// Sessions under the projector's role that do something now, or wait.
async fn sessions(pool: &PgPool) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as(
        "select a.pid, left(a.query, 200) as query,
                extract(epoch from clock_timestamp() - a.query_start)::bigint as seconds,
                a.wait_event_type || ' ' || a.wait_event as waits_for,
                b.pid as blocker, left(b.query, 200) as blocking_query,
                nullif(b.application_name, '') as blocking_name
           from pg_stat_activity a
           left join lateral (select unnest(pg_blocking_pids(a.pid)) as pid limit 1) p on true
           left join pg_stat_activity b on b.pid = p.pid
          where a.datname = current_database() and starts_with(a.application_name, $1)
            and a.state in ('active', 'idle in transaction') and a.pid <> pg_backend_pid()
          order by seconds desc",
    )
    .bind(event_store::database::PROJECTOR)
    .fetch_all(pool)
    .await
}

/// How the last page went.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Pace {
    model: String,
    page_events: i32,
    page_micros: i64,
}

impl Pace {
    fn micros_each(&self) -> i64 {
        self.page_micros / i64::from(self.page_events).max(1)
    }

    fn lane(&self) -> Option<Lane> {
        crate::model(&self.model).map(Lane::of)
    }

    fn is_slow(&self) -> bool {
        self.page_micros > SLOW_PAGE && self.micros_each() > SLOW_MICROS
    }
}

async fn paces(pool: &PgPool) -> sqlx::Result<Vec<Pace>> {
    sqlx::query_as(
        "select distinct on (model) model, page_events, page_micros from generations
          where state = 'live' order by model, live_since desc",
    )
    .fetch_all(pool)
    .await
}

async fn late(pool: &PgPool, position: i64) -> sqlx::Result<Option<i64>> {
    let next: Vec<log::Recorded> = log::page(pool, position, position + 1, 1).await?;
    Ok(next.first().map(|next| (Utc::now() - next.recorded_at).num_seconds().max(0)))
}

fn of_lag(
    standing: &Standing,
    fed: bool,
    sessions: &[&Session],
    pace: Option<&Pace>,
    slowest: Option<&Pace>,
) -> Vec<Obstacle> {
    let obstacle = |cause, detail: String| Obstacle { cause, detail };
    if standing.generation.is_none() {
        return vec![obstacle(Cause::Building, building(standing, Utc::now()))];
    }
    if standing.lag.is_none_or(|lag| lag <= 0) {
        return vec![];
    }
    if !fed {
        let detail = "no server feeds read models: is one running, and can it reach the database?";
        return vec![obstacle(Cause::NoFeeder, detail.into())];
    }
    let mut obstacles = vec![];
    if let Some(session) = sessions.iter().find(|session| session.blocker.is_some()) {
        obstacles.push(obstacle(Cause::Blocked, session.blocked()));
    } else if let Some(session) = sessions.iter().find(|session| session.seconds >= 1) {
        obstacles.push(obstacle(Cause::Database, session.busy()));
    }
    if let Some(pace) = pace.filter(|pace| pace.is_slow()) {
        let detail = format!(
            "its last page of {} events took {} ms: {} µs an event",
            pace.page_events,
            pace.page_micros / 1_000,
            pace.micros_each()
        );
        obstacles.push(obstacle(Cause::SlowFold, detail));
    }
    if let Some(slowest) = slowest.filter(|pace| pace.model != standing.model) {
        let detail = format!("{} takes {} µs an event", slowest.model, slowest.micros_each());
        obstacles.push(obstacle(Cause::Behind, detail));
    }
    obstacles
}

fn building(standing: &Standing, now: DateTime<Utc>) -> String {
    let Some(building) = &standing.building else {
        return "nobody builds it: a server does when it starts, or `replay-tool rebuild`".into();
    };
    if building.phase == "ready" {
        return format!(
            "it is built and waits; `replay-tool rebuild {}` lets it answer",
            standing.model
        );
    }
    let silent = now - building.told_at;
    if silent > SILENT {
        return format!(
            "its building was interrupted {} s ago at position {}; `replay-tool rebuild {}` goes on \
             from {}",
            silent.num_seconds(),
            building.position,
            standing.model,
            building.written
        );
    }
    format!(
        "{}, {} of {} events, {} a second, {} s to go",
        building.phase,
        building.position,
        building.until,
        building.events_per_second,
        building.seconds_left
    )
}

impl Session {
    /// Whether it may be at work for this lane: what it asks is about a read model of it, or about none.
    fn concerns(&self, lane: Lane) -> bool {
        let is_about = |model: &dyn Model| self.query.contains(&model.tables());
        let mut about = MODELS.iter().copied().filter(|model| is_about(*model)).peekable();
        about.peek().is_none() || about.any(|model| Lane::of(model) == lane)
    }

    fn blocked(&self) -> String {
        format!(
            "the feeder (pid {}) has waited {} s for {} that pid {} ({}) holds with: {}; it wants: {}",
            self.pid,
            self.seconds,
            self.waits_for.as_deref().unwrap_or("a lock"),
            self.blocker.unwrap_or_default(),
            self.blocking_name.as_deref().unwrap_or("no name"),
            self.blocking_query.as_deref().unwrap_or("?"),
            self.query
        )
    }

    fn busy(&self) -> String {
        format!(
            "the feeder (pid {}) has been at this for {} s{}: {}",
            self.pid,
            self.seconds,
            self.waits_for
                .as_ref()
                .map_or_else(String::new, |event| format!(", waiting for {event}")),
            self.query
        )
    }
}
