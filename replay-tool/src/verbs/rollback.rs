//! `rollback`: the generation that was replaced last answers again.

use projections::Model;
use projections::rebuild::rollback::rollback;
use serde_json::json;

use crate::connect::Session;
use crate::failure::Failure;
use crate::{key, operations, shown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The read model.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    model: &'static dyn Model,
    /// Why; it is recorded in the log.
    #[arg(long, value_parser = key::reason)]
    reason: String,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let model = args.model;
    let back = rollback(&session.database, model).await?;
    operations::rolled_back(session, model, &back, &args.reason).await?;
    if session.json {
        let mut told = serde_json::to_value(back)?;
        told["rolled_back"] = json!(model.name());
        return shown::say_json(&told);
    }
    shown::say(format!(
        "{}: generation {} answers again, at position {}, {} events later than when it was replaced",
        model.name(),
        back.to,
        back.position,
        back.events
    ))
}
