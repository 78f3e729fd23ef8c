//! A row as it was, folded from its stream; beside reading that stream.

use std::time::Instant;

use event_store::log;
use projections::as_of;
use projections::inbox::Inbox;
use serde_json::json;
use uuid::Uuid;

use crate::Outcome;
use crate::bench::Bench;
use crate::history::{Shop, long_stream};
use crate::load::median;
use crate::report::{Line, Target};

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let log = bench.log("as_of").await?;
    let shop = Shop { tenant: Uuid::now_v7(), channel: Uuid::now_v7() };
    let talk = long_stream(&log.store, shop, bench.scale.stream).await?;
    let id = talk.conversation.to_string();
    let key = json!({"tenant_id": shop.tenant, "conversation_id": talk.conversation});
    let pool = &log.database.owner;
    let (mut folded, mut read) = (vec![], vec![]);
    // Short things vary more.
    for _ in 0..bench.scale.rounds * 5 {
        let started = Instant::now();
        let past = as_of::row(pool, &Inbox, &key, i64::MAX).await?;
        folded.push(started.elapsed().as_secs_f64() * 1_000.0);
        past.row.ok_or("no row of the long stream")?;
        let started = Instant::now();
        log::stream(pool, "conversation", &id, 0, i64::MAX).await?;
        read.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    log.close(bench).await?;
    let times = (median(folded), median(read));
    let name = format!("as-of of a stream of {} events", talk.version);
    let fair = "Both over the same connections, from memory; the row is decoded and folded by the \
        thread that reads.";
    let target = Target::RatioAtMost(1.5);
    Ok(vec![Line::beside(name, "ms", times, "reading the stream", target, fair)])
}
