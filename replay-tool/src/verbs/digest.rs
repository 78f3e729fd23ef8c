//! `digest`: one number for all rows of a read model, to compare two databases by.

use projections::verify::live_digest;
use projections::{MODELS, Model};

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::shown;

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
    let mut table = shown::table(&["read model", "position", "rows", "digest"]);
    for model in models {
        let found = live_digest(session.pool(), *model).await?;
        if session.json {
            shown::say_json(&serde_json::json!({
                "model": found.model,
                "position": found.position,
                "rows": found.rows,
                "digest": found.digest,
            }))?;
        }
        table.add_row([
            found.model.to_owned(),
            found.position.to_string(),
            found.rows.to_string(),
            found.digest,
        ]);
    }
    if session.json { Ok(()) } else { shown::say(table.trim_fmt()) }
}
