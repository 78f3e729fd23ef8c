//! `status`: where the log and each read model stand.

use event_store::log;
use projections::MODELS;
use projections::verify::{Standing, standing};
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

pub(crate) async fn run(session: &Session) -> Result<(), Failure> {
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
            shown::known(standing.building),
            standing.dead_letters.to_string(),
        ]);
    }
    shown::say(table.trim_fmt())
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
