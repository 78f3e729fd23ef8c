//! How fresh an answer is, and waiting until one is fresh enough: whoever wrote reads what they
//! wrote by handing the position back.

use std::fmt;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use projections::{Model, generation, verify};
use tokio::time::{Instant, sleep};

use crate::State;
use crate::problem::{self, Problem};

/// How long a read waits to be fresh enough.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A place in the log: `<epoch>.<position>`. Positions of another epoch mean nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: i32,
    pub(crate) position: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)
    }
}

impl Position {
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("log-position");

    pub(crate) fn here(state: &State, position: i64) -> Position {
        Position { epoch: state.commands.store().epoch(), position }
    }

    /// Reads what a client sends as `min_position`.
    pub(crate) fn asked(state: &State, text: Option<&str>) -> Result<Option<Position>, Problem> {
        text.map(|text| Position::parse(text, state.commands.store().epoch())).transpose()
    }

    fn parse(text: &str, ours: i32) -> Result<Position, Problem> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let position = text.split_once('.').and_then(|(epoch, position)| {
            let readable = digits(epoch) && digits(position);
            readable.then_some(())?;
            Some(Position { epoch: epoch.parse().ok()?, position: position.parse().ok()? })
        });
        let Some(position) = position else {
            let detail = "min_position is a value of the header Log-Position, like 1.42";
            return Err(Problem::bad_request("min_position.invalid", detail));
        };
        if position.epoch != ours {
            let detail = format!("the log is in epoch {ours}; positions of others say nothing");
            return Err(Problem::conflict("log.epoch", detail).with("epoch", ours));
        }
        Ok(position)
    }
}

/// The generation of a read model that answers, and how far it has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) generation: i32,
    pub(crate) position: Position,
}

impl Live {
    /// An answer out of two models is as fresh as the older one.
    pub(crate) fn with(self, other: Live) -> Live {
        if other.position.position < self.position.position {
            return Live { position: other.position, ..self };
        }
        self
    }
}

/// The live generation, as soon as it has read up to `min`.
pub(crate) async fn ready(
    state: &State,
    model: &'static dyn Model,
    min: Option<Position>,
) -> Result<Live, Problem> {
    let (until, mut pause) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    loop {
        let pool = &state.database.app;
        let Some(live) = generation::live(pool, model).await? else {
            let standing = verify::standing(pool, model).await?;
            let progress = serde_json::json!({
                "position": standing.building, "head": standing.head,
            });
            return Err(problem::building(model.name()).with("progress", progress));
        };
        if min.is_none_or(|min| live.position >= min.position) {
            let position = Position::here(state, live.position);
            return Ok(Live { generation: live.generation, position });
        }
        if Instant::now() + pause > until {
            let detail = format!("read model {} has not read that far yet", model.name());
            let position = Position::here(state, live.position).to_string();
            return Err(
                Problem::unavailable("read_model.lagging", detail).with("log_position", position)
            );
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_told() {
        let position = Position { epoch: 3, position: 42 };
        assert_eq!(Position::parse(&position.to_string(), 3).unwrap(), position);
    }

    #[test]
    fn nonsense_is_no_position() {
        for text in ["", "1", "1.", ".1", "1.x", "1.-1", "+1.1", "1.1.1", "1.99999999999999999999"]
        {
            assert_eq!(Position::parse(text, 1).unwrap_err().code(), "min_position.invalid");
        }
    }

    #[test]
    fn a_position_of_another_epoch_is_refused() {
        assert_eq!(Position::parse("1.42", 2).unwrap_err().code(), "log.epoch");
    }
}
