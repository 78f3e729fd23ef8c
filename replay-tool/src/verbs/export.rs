//! `export`: events as JSON lines, in the log's order, to the output or a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::connect::Session;
use crate::failure::Failure;
use crate::filter::{Filter, Range};
use crate::opener::Open;
use crate::shown;

const PAGE: i64 = 5_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Where to; the standard output, if nothing is told. The file is replaced.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    open: Open,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let Some(path) = &args.out else {
        write(args, session, &mut BufWriter::new(io::stdout())).await?;
        return Ok(());
    };
    // Only its owner may read it: it may hold people's data.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(file);
    let events = write(args, session, &mut out).await?;
    out.get_ref().sync_all()?;
    if session.json {
        return shown::say_json(&serde_json::json!({"events": events, "out": path}));
    }
    shown::say(format!("{events} events written to {}", path.display()))
}

async fn write(args: &Args, session: &Session, out: &mut impl Write) -> Result<u64, Failure> {
    let opener = args.open.opener(session).await?;
    let pool = session.pool();
    let range = args.filter.range(pool).await?;
    // What comes in meanwhile belongs to the next export.
    let until = range.until.min(event_store::log::head(pool).await?);
    let (mut after, mut events) = (range.after, 0);
    loop {
        let page = args.filter.first(pool, Range { after, until }, PAGE).await?;
        let Some(last) = page.last().map(|event| event.position) else { return Ok(events) };
        after = last;
        events += page.len() as u64;
        shown::write_events(out, &opener.events(page).await?, true, true)?;
    }
}
