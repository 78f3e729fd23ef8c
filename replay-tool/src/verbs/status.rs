//! `status`: where the log and each read model stand.

use event_store::log;
use projections::MODELS;
use projections::explain::{Explanation, explain};
use projections::standing::{Building, Standing, standing};
use serde::Serialize;

use crate::connect::Session;
use crate::failure::Failure;
use crate::shown;

#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) head: i64,
    pub(crate) epoch: i32,
    pub(crate) events: i64,
    pub(crate) read_models: Vec<Standing>,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What holds each late read model back: which query, lock, process, dead letter or slow fold.
    #[arg(long)]
    explain: bool,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    if args.explain {
        return explained(session).await;
    }
    let status = look(session).await?;
    if session.json {
        return shown::say_json(&status);
    }
    let Status { head, epoch, events, read_models } = status;
    shown::say(format!("log: head {head}, epoch {epoch}, {events} events\n"))?;
    let mut table = shown::table(&[
        "read model",
        "version",
        "state",
        "generation",
        "position",
        "lag",
        "building",
        "dead letters",
    ]);
    for standing in read_models {
        table.add_row([
            standing.model.to_owned(),
            standing.version.to_string(),
            standing.state.to_owned(),
            shown::known(standing.generation),
            shown::known(standing.position),
            shown::known(standing.lag),
            standing.building.as_ref().map_or_else(|| "—".into(), told),
            standing.dead_letters.to_string(),
        ]);
    }
    shown::say(table.trim_fmt())
}

async fn explained(session: &Session) -> Result<(), Failure> {
    let explanations = explain(session.pool()).await?;
    if session.json {
        return shown::say_json(&explanations);
    }
    if explanations.is_empty() {
        return shown::say("every read model is where the log is");
    }
    for Explanation { model, lag, late_seconds, obstacles } in explanations {
        shown::say(match (lag, late_seconds) {
            (Some(lag), Some(late)) if lag > 0 => {
                format!("{model}: {lag} events and {late} s late")
            }
            _ => format!("{model}:"),
        })?;
        for obstacle in obstacles {
            shown::say(format!("  {}: {}", obstacle.cause.as_str(), obstacle.detail))?;
        }
    }
    Ok(())
}

fn told(building: &Building) -> String {
    let Building { phase, position, until, seconds_left, .. } = building;
    format!("{phase} {position}/{until}, {seconds_left} s")
}

pub(crate) async fn look(session: &Session) -> Result<Status, Failure> {
    let pool = session.pool();
    let events = sqlx::query_scalar("select count(*) from events").fetch_one(pool).await?;
    let mut read_models = vec![];
    for model in MODELS.iter().copied() {
        read_models.push(standing(pool, model).await?);
    }
    Ok(Status { head: log::head(pool).await?, epoch: log::epoch(pool).await?, events, read_models })
}
