//! What machines and neighbours do to a database: it is restarted, its connections are taken, its
//! tables are locked, its disk is full, its clock jumps. The server has to say clearly that it
//! can't, and to go on by itself when it can again.

pub(crate) mod clock;
pub(crate) mod disk;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use crate::Outcome;
use crate::ask::{Ask, Kind};
use crate::clients::{Client, Tally};
use crate::dice::Dice;
use crate::stage::Stage;

/// Nobody may wait longer for an answer, of whatever kind.
const ANSWERED: Duration = Duration::from_secs(15);
/// How long the server may take to find out that it is over.
const RECOVERY: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// The database is shut down and started again.
    Restart,
    /// Others hold all connections that the database has.
    Connections,
    /// Somebody's transaction holds the log's table.
    Locks,
    /// Nothing can be written where the database is.
    Disk,
    /// The clock of server and database jumps forth and back.
    Clock,
}

impl Fault {
    pub(crate) const ALL: [Fault; 5] =
        [Fault::Restart, Fault::Connections, Fault::Locks, Fault::Disk, Fault::Clock];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Fault::Restart => "restart",
            Fault::Connections => "connections",
            Fault::Locks => "locks",
            Fault::Disk => "disk",
            Fault::Clock => "clock",
        }
    }
}

/// Lets all go well for a moment, badly for a while, and sees how soon it goes well again.
pub(crate) async fn torment(
    stage: &Stage,
    tally: &Tally,
    dice: Dice,
    fault: impl AsyncFnOnce() -> Outcome<()>,
) -> Outcome<String> {
    sleep(Duration::from_secs(2)).await;
    fault().await?;
    let over = Instant::now();
    let mut client = Client::new(stage, tally, "probe", dice)?;
    loop {
        let about = stage.conversations.first().cloned().unwrap_or_default();
        let probe = Ask { kind: Kind::Note, number: tally.number(), about };
        if client.asks(&probe).await?.is_some() {
            break;
        }
        if over.elapsed() > RECOVERY {
            tally.finds(format!("nothing is done {RECOVERY:?} after it is over"));
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let (recovered, slowest) = (over.elapsed(), tally.slowest());
    if slowest > ANSWERED {
        tally.finds(format!("somebody waited {:.1} s for an answer", slowest.as_secs_f64()));
    }
    if !stage.server_runs().await {
        tally.finds("the server ended".to_owned());
    }
    sleep(Duration::from_secs(2)).await;
    Ok(format!("done again {:.1} s after it was over", recovered.as_secs_f64()))
}

pub(crate) async fn restart(stage: &Stage, lasts: Duration) -> Outcome<()> {
    for _ in 0..2 {
        stage.cluster.stop().await?;
        sleep(lasts / 4).await;
        stage.cluster.raise().await?;
        sleep(lasts / 4).await;
    }
    Ok(())
}

/// Takes every connection, those of the server first of all.
pub(crate) async fn connections(stage: &Stage, lasts: Duration) -> Outcome<()> {
    let began = Instant::now();
    let mut own = stage.cluster.connect().await?;
    let mut held: Vec<PgConnection> = vec![];
    while began.elapsed() < lasts {
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
              where application_name like 'verbatim%'",
        )
        .execute(&mut own)
        .await?;
        while let Ok(connection) = stage.cluster.connect().await {
            held.push(connection);
        }
        sleep(Duration::from_millis(100)).await;
    }
    for connection in held {
        connection.close().await?;
    }
    Ok(own.close().await?)
}

/// Transactions that nobody ends, and that let nobody else read or write a table meanwhile.
pub(crate) async fn locks(stage: &Stage, lasts: Duration) -> Outcome<()> {
    // The first for longer than anybody may have to wait.
    let (first, then) = (ANSWERED + lasts / 2, lasts);
    for (table, lasts) in [("events", first), ("idempotency_keys", then), ("effects", then)] {
        let mut other = stage.cluster.connect().await?;
        let mut transaction = other.begin().await?;
        let lock = format!("lock table {table} in access exclusive mode");
        sqlx::query(&lock).execute(&mut *transaction).await?;
        sleep(lasts).await;
        transaction.rollback().await?;
        other.close().await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}
