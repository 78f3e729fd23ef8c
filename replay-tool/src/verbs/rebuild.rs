//! `rebuild`: builds read models anew while the server goes on, and tells how far it is.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use projections::rebuild::{Progress, Rebuilt, rebuild};
use projections::verify::standing;
use projections::{MODELS, Model};
use serde_json::json;

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::shown;

/// How often it is told how far a rebuild is, to programs and where there is no terminal.
const FOR_PROGRAMS: Duration = Duration::from_secs(1);
const WITHOUT_TERMINAL: Duration = Duration::from_secs(3);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Read models.
    #[arg(value_name = "NAME", value_parser = key::read_model, required_unless_present = "all")]
    models: Vec<&'static dyn Model>,
    /// Every read model.
    #[arg(long, conflicts_with = "models")]
    all: bool,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let models = if args.all { MODELS } else { args.models.as_slice() };
    for model in models {
        let (rebuilt, put_aside) = one(session, *model).await?;
        tell(session, *model, &rebuilt, put_aside)?;
    }
    Ok(())
}

/// Rebuilds one read model; returns how many events it could not take in, too.
pub(crate) async fn one(
    session: &Session,
    model: &'static dyn Model,
) -> Result<(Rebuilt, i64), Failure> {
    let teller = Teller::new(model, session.json);
    let database = &session.database;
    let told = |progress| teller.tell(progress);
    let outcome = rebuild(database, model, &told).await;
    let rebuilt = outcome.map_err(|error| {
        Failure::Found(format!(
            "rebuilding {} failed: {error}; run it again to go on from there",
            model.name()
        ))
    })?;
    teller.done();
    Ok((rebuilt, standing(session.pool(), model).await?.dead_letters))
}

fn tell(
    session: &Session,
    model: &dyn Model,
    rebuilt: &Rebuilt,
    put_aside: i64,
) -> Result<(), Failure> {
    if session.json {
        return shown::say_json(&json!({
            "done": model.name(),
            "generation": rebuilt.generation,
            "position": rebuilt.position,
            "events": rebuilt.events,
            "seconds": rebuilt.seconds,
            "dead_letters": put_aside,
        }));
    }
    shown::say(format!(
        "{}: generation {} is live at position {}: {} events in {:.1} s{}",
        model.name(),
        rebuilt.generation,
        rebuilt.position,
        rebuilt.events,
        rebuilt.seconds,
        match put_aside {
            0 => String::new(),
            count => format!("; {count} events were put aside, `verify` names the first"),
        }
    ))
}

/// Tells of progress in the way that suits who listens.
struct Teller {
    model: &'static str,
    json: bool,
    began: Instant,
    /// `None` where no terminal would show it.
    bar: Option<ProgressBar>,
    told: Mutex<Option<Instant>>,
}

impl Teller {
    fn new(model: &dyn Model, json: bool) -> Self {
        let shows = !json && std::io::stderr().is_terminal();
        let bar = shows.then(|| {
            let bar = ProgressBar::new(0).with_message(model.name());
            let look = "{msg:<22} [{bar:30}] {human_pos}/{human_len} {per_sec} ETA {eta}";
            // A look that indicatif can't read would only be a plainer one.
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let (model, told) = (model.name(), Mutex::new(None));
        Teller { model, json, began: Instant::now(), bar, told }
    }

    fn tell(&self, progress: Progress) {
        let Ok(mut told) = self.told.lock() else { return };
        if let Some(bar) = &self.bar {
            self.draw(bar, progress, told.is_none());
            *told = Some(Instant::now());
            return;
        }
        let pause = if self.json { FOR_PROGRAMS } else { WITHOUT_TERMINAL };
        if told.unwrap_or(self.began).elapsed() < pause {
            return;
        }
        *told = Some(Instant::now());
        let Pace { rate, eta } = Pace::of(progress, self.began.elapsed());
        let Progress { generation, position, head, .. } = progress;
        let line = match self.json {
            true => json!({
                "building": self.model, "generation": generation, "position": position,
                "head": head, "events_per_second": rate, "eta_seconds": eta,
            })
            .to_string(),
            false => format!(
                "{}: {position} of {head} events, {rate} a second, {eta} s to go",
                self.model
            ),
        };
        // Nobody listens any more: no reason to stop building.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    fn draw(&self, bar: &ProgressBar, progress: Progress, first: bool) {
        bar.set_length(progress.head.unsigned_abs());
        if first {
            // A resumed rebuild did not do in a moment what an earlier one has done.
            bar.set_position(progress.began_at.unsigned_abs());
            bar.reset_eta();
        }
        bar.set_position(progress.position.unsigned_abs());
        if progress.position >= progress.head {
            bar.set_message(format!("{} (indexing)", self.model));
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
    }
}

/// Whole events a second, and whole seconds to go.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    rate: i64,
    eta: i64,
}

impl Pace {
    fn of(progress: Progress, elapsed: Duration) -> Self {
        let millis = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).max(1);
        let done = progress.position - progress.began_at;
        let rate = done.saturating_mul(1000) / millis;
        Pace { rate, eta: (progress.head - progress.position) / rate.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_rebuild_is_paced_by_what_it_did_itself() {
        let progress = Progress { generation: 2, position: 6_000, head: 9_000, began_at: 5_000 };
        let pace = Pace::of(progress, Duration::from_secs(2));
        assert_eq!(pace, Pace { rate: 500, eta: 6 });
    }
}
