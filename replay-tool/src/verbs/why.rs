//! `why`: the events that made a row, with their actors.

use std::io;

use projections::{Model, as_of};

use crate::connect::Session;
use crate::failure::Failure;
use crate::key;
use crate::moment::AsOf;
use crate::opener::Open;
use crate::shown;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A read model.
    #[arg(value_name = "NAME", value_parser = key::read_model)]
    model: &'static dyn Model,
    /// The row's key as name=value…, as a JSON object, or by its id alone.
    #[arg(required = true)]
    key: Vec<String>,
    #[command(flatten)]
    as_of: AsOf,
    #[command(flatten)]
    open: Open,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let pool = session.pool();
    let until = args.as_of.resolve(pool).await?;
    let key = key::key(pool, args.model, &args.key).await?;
    let opener = args.open.opener(session).await?;
    let made_by = as_of::made_by(pool, args.model, &key, until).await?;
    if made_by.is_empty() {
        let what = format!("no event up to position {until} made {} {key}", args.model.name());
        return Err(Failure::Found(what));
    }
    let events = made_by.into_iter().map(|event| event.stored).collect();
    let events = opener.events(events).await?;
    shown::write_events(&mut io::stdout().lock(), &events, session.json, opener.opens())
}
