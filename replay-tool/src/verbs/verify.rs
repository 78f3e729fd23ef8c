//! `verify`: the log is whole, every event decodes, and every read model equals a fresh replay.

use chrono::{DateTime, Utc};
use event_store::log;
use projections::standing::standing;
use projections::{MODELS, Model, Recorded};
use serde::Serialize;
use sqlx::PgPool;

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::moment::rfc3339;
use crate::shown;

const PAGE: i64 = 5_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Read models; every one, if none is named. The log is checked in any case.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    models: Vec<&'static dyn Model>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    pub(crate) head: i64,
    pub(crate) checks: Vec<Check>,
}

/// One thing that was looked at, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) check: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

impl Check {
    fn new(check: impl Into<String>, found: Result<String, String>) -> Self {
        let (ok, detail) = match found {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        Check { check: check.into(), ok, detail }
    }
}

impl Report {
    pub(crate) fn first_difference(&self) -> Option<String> {
        let bad = self.checks.iter().find(|check| !check.ok)?;
        Some(format!("{}: {}", bad.check, bad.detail))
    }
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let models = if args.models.is_empty() { MODELS } else { args.models.as_slice() };
    let report = check(session.pool(), models).await?;
    if session.json {
        shown::say_json(&report)?;
    } else {
        let mut table = shown::table(&["check", "", "found"]);
        for Check { check, ok, detail } in &report.checks {
            let mark = if *ok { "ok" } else { "FAILED" };
            table.add_row([check.as_str(), mark, detail.as_str()]);
        }
        shown::say(table.trim_fmt())?;
    }
    match report.first_difference() {
        Some(difference) => Err(Failure::Found(difference)),
        None => Ok(()),
    }
}

pub(crate) async fn check(pool: &PgPool, models: &[&'static dyn Model]) -> Result<Report, Failure> {
    let head = log::head(pool).await?;
    let mut checks = vec![
        Check::new("positions", positions(pool, head).await?),
        Check::new("stream versions", streams(pool).await?),
        Check::new("record times", times(pool, head).await?),
        Check::new("events decode", decodes(pool, head).await?),
    ];
    for model in models {
        checks.push(Check::new(model.name(), replayed(pool, *model).await?));
        let letters = dead_letters(pool, *model).await?;
        checks.push(Check::new(format!("{} dead letters", model.name()), letters));
    }
    Ok(Report { ok: checks.iter().all(|check| check.ok), head, checks })
}

async fn positions(pool: &PgPool, head: i64) -> sqlx::Result<Result<String, String>> {
    let gap: Option<(i64, i64)> = sqlx::query_as(
        "select before, position
           from (select position, lag(position, 1, 0::bigint) over (order by position) as before
                   from events where position <= $1) t
          where position <> before + 1 order by position limit 1",
    )
    .bind(head)
    .fetch_optional(pool)
    .await?;
    Ok(match gap {
        None => Ok(format!("1 to {head} without a gap")),
        Some((before, next)) => {
            Err(format!("position {} is missing: after {before} comes {next}", before + 1))
        }
    })
}

async fn streams(pool: &PgPool) -> sqlx::Result<Result<String, String>> {
    let hole: Option<(String, String, i64, i64)> = sqlx::query_as(
        "select aggregate_type, aggregate_id, before, sequence
           from (select aggregate_type, aggregate_id, sequence,
                        lag(sequence, 1, 0::bigint)
                          over (partition by aggregate_type, aggregate_id order by sequence)
                          as before
                   from events) t
          where sequence <> before + 1 limit 1",
    )
    .fetch_optional(pool)
    .await?;
    Ok(match hole {
        None => Ok("each stream from 1 without a hole".into()),
        Some((kind, id, before, next)) => {
            Err(format!("{kind}/{id} has no version {}: after {before} comes {next}", before + 1))
        }
    })
}

async fn times(pool: &PgPool, head: i64) -> sqlx::Result<Result<String, String>> {
    let back: Option<(i64, DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
        "select position, before, recorded_at
           from (select position, recorded_at, lag(recorded_at) over (order by position) as before
                   from events where position <= $1) t
          where recorded_at < before order by position limit 1",
    )
    .bind(head)
    .fetch_optional(pool)
    .await?;
    Ok(match back {
        None => Ok("never go back".into()),
        Some((position, before, at)) => Err(format!(
            "position {position} was recorded at {}, before the one it follows ({})",
            rfc3339(at),
            rfc3339(before)
        )),
    })
}

async fn decodes(pool: &PgPool, head: i64) -> sqlx::Result<Result<String, String>> {
    let (mut after, mut events) = (0, 0);
    while after < head {
        let page = log::page(pool, after, head, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else { break };
        events += page.len();
        for event in page {
            let position = event.position;
            if let Err(error) = Recorded::decode(event) {
                return Ok(Err(format!("position {position}: {error}")));
            }
        }
        after = last;
    }
    Ok(Ok(format!("{events} events")))
}

/// A read model that can't be read is as wrong as one that differs.
async fn replayed(
    pool: &PgPool,
    model: &'static dyn Model,
) -> Result<Result<String, String>, Failure> {
    let verdict = match projections::verify::verify(pool, model).await {
        Ok(verdict) => verdict,
        Err(projections::Error::Database(error)) => return Err(error.into()),
        Err(error) => return Ok(Err(error.to_string())),
    };
    Ok(match verdict.difference {
        None => {
            Ok(format!("{} rows equal a replay up to position {}", verdict.rows, verdict.position))
        }
        Some(difference) => Err(difference.to_string()),
    })
}

async fn dead_letters(
    pool: &PgPool,
    model: &'static dyn Model,
) -> Result<Result<String, String>, Failure> {
    let standing = standing(pool, model).await?;
    let first: Option<(i64, String, String)> = sqlx::query_as(
        "select position, key, reason from dead_letters where model = $1 and generation = $2
          order by position limit 1",
    )
    .bind(model.name())
    .bind(standing.generation)
    .fetch_optional(pool)
    .await?;
    Ok(match first {
        None => Ok("none".into()),
        Some((position, key, reason)) => Err(format!(
            "{} events were put aside, the first at position {position} for {key}: {reason}",
            standing.dead_letters
        )),
    })
}
