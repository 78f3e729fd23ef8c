//! What happens to processes, wires and database meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Connection;
use tokio::time::sleep;

use super::ground::Ground;
use crate::Outcome;
use crate::dice::Dice;
use crate::proxy::Proxy;

/// The longest that everything goes well, and in the short form.
const PEACE: Duration = Duration::from_secs(3);
const BRIEF_PEACE: Duration = Duration::from_millis(800);
/// The longest that nobody starts a database that was killed. One time in eight everybody has lost
/// patience by then: an append is tried for 8 s.
const ABSENCE: Duration = Duration::from_millis(600);
const LONG_ABSENCE: Duration = Duration::from_secs(9);
/// Of a thousand rounds between stores and database, so many go wrong in a storm of that length.
const STRIKES: u64 = 20;
const STORM: Duration = Duration::from_secs(1);

/// Goes on until all is over; tells how often what happened.
pub(crate) async fn harm(
    ground: &Ground<'_>,
    proxy: &Proxy,
    dice: &Dice,
    short: bool,
) -> Outcome<BTreeMap<&'static str, usize>> {
    let mut harms = BTreeMap::new();
    let peace = if short { BRIEF_PEACE } else { PEACE };
    for number in 1.. {
        let mut dice = dice.own(number);
        sleep(dice.up_to(peace)).await;
        if ground.is_over() {
            break;
        }
        let what = match dice.below(100) {
            0..45 => {
                // A database that is not there has no sessions either.
                let _ = end_sessions(ground, &mut dice).await;
                "sessions ended"
            }
            45..65 => {
                proxy.storm(dice.own(1), STRIKES);
                sleep(dice.up_to(STORM)).await;
                proxy.calm();
                "storms on the wire"
            }
            65..82 => {
                ground.stores.renew(&mut dice).await?;
                "stores closed"
            }
            82..91 => {
                let _ = ground.cluster.kill_session(&mut dice).await;
                "sessions killed"
            }
            _ => {
                tokio::task::block_in_place(|| ground.cluster.kill());
                let long = !short && dice.happens(12);
                sleep(if long { LONG_ABSENCE } else { dice.up_to(ABSENCE) }).await;
                "databases killed"
            }
        };
        *harms.entry(what).or_default() += 1;
        ground.cluster.raise().await?;
    }
    Ok(harms)
}

/// Up to three of the stores' sessions, as an administrator ends them.
async fn end_sessions(ground: &Ground<'_>, dice: &mut Dice) -> sqlx::Result<()> {
    let mut database = ground.cluster.connect().await?;
    let sessions: Vec<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where application_name like 'verbatim %' order by pid",
    )
    .fetch_all(&mut database)
    .await?;
    for _ in 0..=dice.below(3) {
        let ended = sqlx::query("select pg_terminate_backend($1)").bind(dice.pick(&sessions));
        ended.execute(&mut database).await?;
    }
    database.close().await
}
