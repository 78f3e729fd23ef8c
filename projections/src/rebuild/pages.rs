//! The log for those who read all of it: page by page in its order, several of them read and
//! decoded ahead at the same time.

use std::sync::Arc;

use event_store::log;
use futures_util::{Stream, StreamExt, stream};
use sqlx::PgPool;

use crate::feed::{Decoded, decode};
use crate::model::Source;
use crate::rebuild::brake::Brake;
use crate::{Error, Model};

/// Positions of one page.
const PAGE: i64 = 4_000;

/// Events in their order up to a position. Positions are dense, so that pages can be cut before
/// they are read.
pub(crate) struct Page {
    pub(crate) until: i64,
    pub(crate) events: Vec<Decoded>,
}

/// The aggregate types that these models read; `None` is all.
pub(crate) fn kinds(models: impl Iterator<Item = &'static dyn Model>) -> Option<Vec<&'static str>> {
    models
        .map(|model| match model.source() {
            Source::Stream(kind) => Some(kind),
            Source::Bucket | Source::Position => None,
        })
        .collect()
}

/// The pages of a span of the log, in order; `workers` are on their way at the same time.
pub(crate) fn read<'a>(
    pool: &'a PgPool,
    kinds: Option<Vec<&'static str>>,
    (after, until): (i64, i64),
    workers: usize,
    brake: &'a Brake,
) -> impl Stream<Item = Result<Arc<Page>, Error>> + 'a {
    let begins = std::iter::successors(Some(after), |from| Some(from + PAGE));
    let spans = begins.take_while(move |from| *from < until);
    stream::iter(spans)
        .then(async |from| {
            brake.wait().await;
            from
        })
        .map(move |from| {
            let span = (from, until.min(from + PAGE));
            let page = tokio::spawn(page(pool.clone(), kinds.clone(), span));
            async { page.await.unwrap_or_else(|panic| Err(Error::Panicked(panic.to_string()))) }
        })
        .buffered(workers)
}

pub(crate) async fn page(
    pool: PgPool,
    kinds: Option<Vec<&'static str>>,
    (after, until): (i64, i64),
) -> Result<Arc<Page>, Error> {
    let stored = log::span(&pool, (after, until), kinds.as_deref()).await?;
    let decoded = tokio::task::spawn_blocking(|| stored.into_iter().map(decode).collect());
    let events = decoded.await.map_err(|panic| Error::Panicked(panic.to_string()))?;
    Ok(Arc::new(Page { until, events }))
}
