//! What the tool can do, one file for each verb.

mod at;
mod check;
mod dead_letters;
mod diff;
mod digest;
mod export;
pub(crate) mod import;
mod log;
mod prune;
pub(crate) mod rebuild;
mod rollback;
pub(crate) mod status;
pub(crate) mod verify;
mod why;

use crate::connect::Session;
use crate::failure::Failure;

#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// Where the log and each read model stand.
    Status(status::Args),
    /// Events of the log, newest last.
    Log(log::Args),
    /// An aggregate, or a row of a read model, as of a position or time.
    At(at::Args),
    /// The events that made a row.
    Why(why::Args),
    /// What changed in a row between two positions or times.
    Diff(diff::Args),
    /// Builds read models anew beside the live ones and puts them in their place.
    Rebuild(rebuild::Args),
    /// Lets the generation that was replaced last answer again.
    Rollback(rollback::Args),
    /// Drops generations that nobody will go back to.
    Prune(prune::Args),
    /// Decodes every event of the log: whether this release can read what others wrote.
    Check,
    /// Rows that stand still since an event that could not be taken in.
    #[command(subcommand)]
    DeadLetters(dead_letters::Act),
    /// Checks that the log is whole and every read model equals a fresh replay of it.
    Verify(verify::Args),
    /// One number for all rows of a read model.
    Digest(digest::Args),
    /// Events as JSON lines.
    Export(export::Args),
    /// Brings in a log that postgres-es wrote in its own table.
    Import(import::Args),
}

impl Verb {
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Verb::Rebuild(_)
                | Verb::DeadLetters(
                    dead_letters::Act::Retry { .. } | dead_letters::Act::Skip { .. }
                )
                | Verb::Rollback(_)
                | Verb::Prune(_)
                | Verb::Import(_)
        )
    }

    /// Only who brings something may find nothing there.
    pub(crate) fn may_make_database(&self) -> bool {
        matches!(self, Verb::Import(_))
    }

    /// Ends by being interrupted, and that is well.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self, Verb::Log(args) if args.follow)
    }

    pub(crate) async fn run(&self, session: &Session) -> Result<(), Failure> {
        match self {
            Verb::Status(args) => status::run(args, session).await,
            Verb::Check => check::run(session).await,
            Verb::DeadLetters(act) => dead_letters::run(act, session).await,
            Verb::Log(args) => log::run(args, session).await,
            Verb::At(args) => at::run(args, session).await,
            Verb::Why(args) => why::run(args, session).await,
            Verb::Diff(args) => diff::run(args, session).await,
            Verb::Rebuild(args) => rebuild::run(args, session).await,
            Verb::Rollback(args) => rollback::run(args, session).await,
            Verb::Prune(args) => prune::run(args, session).await,
            Verb::Verify(args) => verify::run(args, session).await,
            Verb::Digest(args) => digest::run(args, session).await,
            Verb::Export(args) => export::run(args, session).await,
            Verb::Import(args) => import::run(args, session).await,
        }
    }
}
