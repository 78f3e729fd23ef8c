//! `prune`: drops generations that nobody will go back to.

use projections::{MODELS, Model, generation};
use serde_json::json;

use crate::connect::Session;
use crate::failure::Failure;
use crate::{key, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Read models; every one, if none is named.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    models: Vec<&'static dyn Model>,
    /// Also those of other releases, which a server of such a release would have to build anew.
    #[arg(long)]
    other_releases: bool,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let models = if args.models.is_empty() { MODELS } else { args.models.as_slice() };
    for model in models.iter().copied() {
        let others = args.other_releases;
        let dropped = generation::drop_replaced(&session.database, model, others).await?;
        let Some(dropped) = dropped else {
            shown::note(&format!("{}: is being rebuilt, left alone", model.name()));
            continue;
        };
        for dropped in dropped {
            match session.json {
                true => shown::say_json(&json!({
                    "dropped": model.name(), "generation": dropped.generation,
                    "version": dropped.version, "state": dropped.state,
                }))?,
                false => shown::say(format!(
                    "{}: dropped generation {} (version {}, {})",
                    model.name(),
                    dropped.generation,
                    dropped.version,
                    dropped.state
                ))?,
            }
        }
    }
    Ok(())
}
