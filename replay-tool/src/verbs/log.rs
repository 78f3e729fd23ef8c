//! `log`: events by stream, type, actor, correlation, organisation and time.

use std::io;
use std::time::Duration;

use crate::connect::Session;
use crate::failure::Failure;
use crate::filter::{Filter, Range};
use crate::opener::Open;
use crate::shown;

/// How often the log is looked at for news.
const POLL: Duration = Duration::from_millis(300);
/// Most events that are taken in one look.
const PAGE: i64 = 1_000;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// At most so many, the newest of them.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(0..))]
    limit: i64,
    /// Goes on with what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    open: Open,
}

pub(crate) async fn run(args: &Args, session: &Session) -> Result<(), Failure> {
    let opener = args.open.opener(session).await?;
    let pool = session.pool();
    let range = args.filter.range(pool).await?;
    let head = event_store::log::head(pool).await?.min(range.until);
    let known = Range { until: head, ..range };
    let found = opener.events(args.filter.last(pool, known, args.limit).await?).await?;
    shown::write_events(&mut io::stdout().lock(), &found, session.json, opener.opens())?;
    let mut after = head.max(range.after);
    while args.follow && after < range.until {
        let news = args.filter.first(pool, Range { after, ..range }, PAGE).await?;
        let Some(last) = news.last().map(|event| event.position) else {
            tokio::time::sleep(POLL).await;
            continue;
        };
        let news = opener.events(news).await?;
        shown::write_events(&mut io::stdout().lock(), &news, session.json, opener.opens())?;
        after = last;
    }
    Ok(())
}
