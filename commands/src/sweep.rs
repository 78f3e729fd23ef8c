//! Forgets what was kept for repeats: after 30 days, but for commands that move money, whose
//! repeats are recognised for ever, and for answers with credentials, which are gone in minutes.

use std::time::Duration;

use chrono::TimeDelta;
use domain::Aggregate;
use domain::payout::Payout;
use tokio::sync::watch;

use crate::{Commands, Error};

/// How long a repeat is recognised.
pub const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// How long a repeat is recognised whose answer holds what opens something: long enough for who lost
/// an answer, short for who finds the request later.
pub const REMEMBERED_BRIEFLY: TimeDelta = TimeDelta::minutes(10);
const FOREVER: &[&str] = &[Payout::TYPE];
/// Small enough that nobody waits for it.
const BATCH: i64 = 500;
const PAUSE: Duration = Duration::from_millis(200);
const ROUND: Duration = Duration::from_secs(60);

/// Sweeps now and then, until `stop` says so.
pub async fn run(commands: Commands, mut stop: watch::Receiver<bool>) {
    loop {
        let round = async {
            match batch(&commands).await {
                Ok(looked) if looked > 0 => tokio::time::sleep(PAUSE).await,
                Ok(_) => tokio::time::sleep(ROUND).await,
                Err(error) => {
                    tracing::warn!(%error, "Old idempotency records stay for now");
                    tokio::time::sleep(ROUND).await;
                }
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = round => {}
        }
    }
}

/// Looks through some of the old records; tells how many. Zero: there is none left.
pub async fn batch(commands: &Commands) -> Result<u64, Error> {
    let (store, now) = (commands.store(), commands.store().clock().now());
    let brief = store.sweep_brief_outcomes(now - REMEMBERED_BRIEFLY, BATCH).await?;
    Ok(brief + store.sweep_outcomes(now - REMEMBERED, FOREVER, BATCH).await?)
}
