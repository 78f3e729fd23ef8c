//! How fresh an answer is, and waiting until one is fresh enough: whoever wrote reads what they
//! wrote by handing the position back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use chrono::{DateTime, Utc};
use event_store::news::News;
use event_store::subscription::Subscription;
use projections::Model;
use projections::generation::{self, Generation};
use projections::letters::{self, Stale};
use projections::live::Lane;
use projections::standing::standing;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout};

use crate::State;
use crate::app::Generations;
use crate::problem::{self, Problem};
use crate::shared::ago;

/// How long a read waits to be fresh enough.
const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How long it is taken to be so which generations answer, and how far they have read at least.
const MOMENT: Duration = Duration::from_millis(20);

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

/// What whoever asks for one thing may add: how fresh it has to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Since {
    pub(crate) min_position: Option<String>,
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

    pub(crate) fn parse(text: &str, ours: i32) -> Result<Position, Problem> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let position = text.split_once('.').and_then(|(epoch, position)| {
            let readable = digits(epoch) && digits(position);
            readable.then_some(())?;
            Some(Position { epoch: epoch.parse().ok()?, position: position.parse().ok()? })
        });
        let Some(position) = position else {
            let detail = "min_position is a value of the header Log-Position, like 1.42";
            return Err(Problem::bad_request("min_position.invalid", detail).about("min_position"));
        };
        if position.epoch != ours {
            let detail = format!("the log is in epoch {ours}; positions of others say nothing");
            return Err(Problem::conflict("log.epoch", detail).with("epoch", ours));
        }
        Ok(position)
    }
}

/// The generation of a read model that answers, and how far it has read.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) generation: i32,
    pub(crate) position: Position,
    /// Rows that stand still.
    pub(crate) stale: Vec<Stale>,
    /// What the look that found it found of all read models.
    seen: Option<Generations>,
}

impl Live {
    fn is_as_fresh_as(&self, min: Option<Position>) -> bool {
        min.is_none_or(|min| self.position.position >= min.position)
    }

    /// Of something that is no read model.
    pub(crate) fn at(position: Position) -> Live {
        Live { generation: 0, position, stale: vec![], seen: None }
    }

    /// Since when some of what an answer tells stands still.
    pub(crate) fn stale_since(&self, told: impl Fn(&str) -> bool) -> Option<DateTime<Utc>> {
        let touched = self.stale.iter().filter(|stale| stale.id.as_deref().is_none_or(&told));
        touched.map(|stale| stale.since).min()
    }

    /// An answer out of two models is as fresh as the older one.
    pub(crate) fn with(mut self, other: Live) -> Live {
        self.stale.extend(other.stale.iter().cloned());
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
    let what = format!("read model {}", model.name());
    let fed = Lane::of(model).news(state.commands.store());
    reached(state, min, &what, (fed, Duration::ZERO), async || {
        // Who has written before wants to know what is so now.
        let since = if min.is_none() { ago(MOMENT) } else { Instant::now() };
        let seen = state.live.look_since(since, async || {
            // Whoever looks is told, too, when their session has gone silent.
            let look = timeout(PATIENCE, generation::all_live(&state.database.app)).await;
            let seen = look.unwrap_or(Err(sqlx::Error::PoolTimedOut));
            seen.map(Arc::new).map_err(event_store::Error::from)
        });
        of_model(state, seen.await?, model).await
    })
    .await
}

/// The same of another model for the same answer. Mostly the look that found the first has found it
/// as well.
pub(crate) async fn ready_beside(
    state: &State,
    first: &Live,
    model: &'static dyn Model,
    min: Option<Position>,
) -> Result<Live, Problem> {
    if let Some(seen) = &first.seen {
        let live = of_model(state, seen.clone(), model).await?;
        if live.is_as_fresh_as(min) {
            return Ok(live);
        }
    }
    ready(state, model, min).await
}

/// Where a model stands among all.
async fn of_model(
    state: &State,
    seen: Generations,
    model: &'static dyn Model,
) -> Result<Live, Problem> {
    let database = &state.database;
    let Some(live) = seen.get(model.name()) else {
        let standing = standing(database.app.pool(), model).await?;
        let left = standing.building.as_ref().map_or(1, |building| building.seconds_left);
        let wait = u32::try_from(left.clamp(1, 60)).unwrap_or(60);
        let progress = serde_json::json!({
            "head": standing.head, "building": standing.building,
        });
        let problem = problem::building(model.name(), wait);
        return Err(problem.with("progress", progress));
    };
    let Generation { generation, position, .. } = live.generation;
    let stale = match live.has_stale {
        true => letters::stale(&database.projector, model, generation).await?,
        false => vec![],
    };
    Ok(Live { generation, position: Position::here(state, position), stale, seen: Some(seen) })
}

/// What a policy has asked for, as soon as it has followed the log up to `min`.
pub(crate) async fn followed(
    state: &State,
    policy: &str,
    min: Option<Position>,
) -> Result<Live, Problem> {
    let progress = state.commands.store().progress();
    reached(state, min, &format!("policy {policy}"), (progress, FIRST_PAUSE), async || {
        let position = Subscription::stands(state.commands.store(), policy).await?;
        Ok(Live::at(Position::here(state, position)))
    })
    .await
}

/// Where the log itself stands, for what is read out of it. Nobody was ever told a later position.
pub(crate) async fn logged(state: &State, min: Option<Position>) -> Result<Live, Problem> {
    // Its session may have gone silent.
    let head = timeout(PATIENCE, state.commands.head()).await;
    let head = head.map_err(|_| event_store::Error::from(sqlx::Error::PoolTimedOut))?;
    let position = Position::here(state, head?);
    if min.is_some_and(|min| min.position > position.position) {
        let detail = format!("the log ends at {position}: send a position that was told");
        return Err(Problem::bad_request("min_position.invalid", detail).about("min_position"));
    }
    Ok(Live::at(position))
}

/// Looks where something stands until that is `min` or later, whenever there are `news` of it, or of
/// something else: then the look may wait for so long.
pub(crate) async fn reached(
    state: &State,
    min: Option<Position>,
    what: &str,
    (news, pause): (&News, Duration),
    look: impl AsyncFn() -> Result<Live, Problem>,
) -> Result<Live, Problem> {
    if min.is_some_and(|min| min.position > state.commands.store().head()) {
        // If nobody else wrote that far either, to wait for it would be in vain.
        logged(state, min).await?;
    }
    let (until, mut longest) = (Instant::now() + PATIENCE, FIRST_PAUSE);
    let (mut told, mut waiting) = (news.listen(), None);
    loop {
        let live = look().await?;
        if live.is_as_fresh_as(min) {
            return Ok(live);
        }
        if Instant::now() + longest > until {
            let detail = format!("{what} has not read that far yet");
            return Err(Problem::unavailable("read_model.lagging", detail)
                .with("log_position", live.position.to_string()));
        }
        waiting.get_or_insert_with(|| news.wait());
        // Another process may be the one that reads.
        tokio::select! {
            _ = told.changed() => sleep(pause).await,
            () = sleep(longest) => longest = (longest * 2).min(LONGEST_PAUSE),
        }
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
