//! The crash loop: the server, its database, one session of it, or both are killed at random
//! moments, also while they start and recover.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::dice::Dice;
use crate::stage::Stage;

/// The longest that everything goes well.
const PEACE: Duration = Duration::from_millis(1500);
/// The longest that nobody starts a database that was killed.
const ABSENCE: Duration = Duration::from_millis(800);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Server,
    Database,
    Session,
    Both,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Victim::Server => "server",
            Victim::Database => "database",
            Victim::Session => "session of the database",
            Victim::Both => "both",
        })
    }
}

/// Kills so often; tells how often whom.
pub(crate) async fn kill(
    stage: &Stage,
    kills: usize,
    mut dice: Dice,
) -> Outcome<BTreeMap<Victim, usize>> {
    let mut killed = BTreeMap::new();
    for _ in 0..kills {
        sleep(dice.up_to(PEACE)).await;
        let victim = match dice.below(100) {
            0..45 => Victim::Server,
            45..65 => Victim::Database,
            65..85 => Victim::Session,
            _ => Victim::Both,
        };
        let absence = dice.up_to(ABSENCE);
        let waits = dice.happens(75);
        let mut whose = dice.own(u64::MAX);
        match victim {
            Victim::Server => stage.kill_server().await,
            Victim::Database => tokio::task::block_in_place(|| stage.cluster.kill()),
            // A database that is not there yet has no session that could be killed.
            Victim::Session => drop(stage.cluster.kill_session(&mut whose).await),
            Victim::Both => {
                tokio::task::block_in_place(|| stage.cluster.kill());
                stage.kill_server().await;
            }
        }
        *killed.entry(victim).or_default() += 1;
        if matches!(victim, Victim::Database | Victim::Both) {
            sleep(absence).await;
        }
        if waits {
            stage.raise().await?;
        } else {
            stage.cluster.raise().await?;
            stage.raise_server().await?;
        }
    }
    Ok(killed)
}
