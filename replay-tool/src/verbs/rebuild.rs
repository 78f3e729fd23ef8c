//! `rebuild`: builds read models anew while the server goes on, and tells how far it is.

mod plan;
mod report;
mod teller;

use std::time::Duration;

use projections::rebuild::compare::Compare;
use projections::rebuild::{Outcome, Progress, Terms, rebuild};
use projections::{MODELS, Model, generation};

use crate::connect::Session;
use crate::failure::Failure;
use crate::{key, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Read models.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    #[arg(required_unless_present_any = ["all", "missing"])]
    models: Vec<&'static dyn Model>,
    /// Every read model.
    #[arg(long, conflicts_with_all = ["models", "missing"])]
    all: bool,
    /// Those of which this release has no live generation: what to do before servers are switched.
    #[arg(long, conflicts_with = "models")]
    missing: bool,
    /// Only say what would be done: events, rows, disk and time.
    #[arg(long)]
    plan: bool,
    /// What rows may take in memory, of all read models together; beyond it they are written out.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = bytes)]
    memory: usize,
    /// Pages of the log that are read and decoded at the same time [default: as many as there are
    /// cores, from 2 to 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    workers: Option<u16>,
    /// By how much live read models may be late, and how long a read may take, before the rebuild
    /// waits for them; 0 never waits.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000)]
    live_lag_ms: u64,
    /// What is compared before what was built may answer: `sample` folds up to 100 rows once more,
    /// reading about a million events at most, and holds 10,000 against the generation before;
    /// `full` folds 5,000 and holds all. Of rows that a quarter of an hour makes, a tenth is folded.
    #[arg(long, value_name = "HOW", default_value = "sample")]
    compare: How,
    /// Build and compare, but leave the live generation where it is. The next rebuild goes on from
    /// there.
    #[arg(long)]
    no_swap: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum How {
    Sample,
    Full,
    None,
}

impl Args {
    async fn models(&self, session: &Session) -> Result<Vec<&'static dyn Model>, Failure> {
        if self.all {
            return Ok(MODELS.to_vec());
        }
        if !self.missing {
            return Ok(self.models.clone());
        }
        let mut missing = vec![];
        for model in MODELS.iter().copied() {
            if generation::live(session.pool(), model).await?.is_none() {
                missing.push(model);
            }
        }
        Ok(missing)
    }

    fn terms(&self) -> Terms {
        let default = Terms::default();
        let compare = match self.compare {
            How::Sample => Compare::Sample,
            How::Full => Compare::Full,
            How::None => Compare::Nothing,
        };
        Terms {
            memory: self.memory,
            workers: self.workers.map_or(default.workers, usize::from),
            live_lag: (self.live_lag_ms > 0).then(|| Duration::from_millis(self.live_lag_ms)),
            compare,
            swap: !self.no_swap,
        }
    }
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let models = args.models(session).await?;
    if models.is_empty() {
        shown::note("this release has a generation of every read model: nothing to build");
        return Ok(());
    }
    if args.plan {
        return plan::run(session, &models).await;
    }
    all(session, &models, &args.terms()).await
}

/// Rebuilds, tells what came of each, and fails if one failed.
pub(crate) async fn all(
    session: &Session,
    models: &[&'static dyn Model],
    terms: &Terms,
) -> Result<(), Failure> {
    let teller = teller::Teller::new(session.json);
    let told_of = |progress: &Progress| teller.tell(progress);
    let outcomes = rebuild(&session.database, models, terms, &told_of).await?;
    teller.done();
    let mut failed = vec![];
    for (model, outcome) in outcomes {
        if let Some(failure) = told(session, (model, outcome)).await? {
            failed.push(failure);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Found(failed.join("; "))),
    }
}

async fn told(session: &Session, (model, outcome): Outcome) -> Result<Option<String>, Failure> {
    match outcome {
        Ok(rebuilt) => {
            report::tell(session, model, &rebuilt).await?;
            Ok(None)
        }
        Err(error) => Ok(Some(format!(
            "rebuilding {} failed: {error}; run it again to go on from there",
            model.name()
        ))),
    }
}

/// A size in bytes, as `512MiB` or `1GiB`.
fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err("a size is a number with KiB, MiB or GiB behind it".into()),
    };
    let number: usize = number.parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than there can be".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_of_1024() {
        assert_eq!(bytes("512MiB"), Ok(512 * 1024 * 1024));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert!(bytes("lots").is_err() && bytes("5MB").is_err());
    }
}
