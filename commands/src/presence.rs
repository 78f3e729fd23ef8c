//! Who is there: panels that are open beat, and the log is told when one begins and when it has
//! fallen silent. The beats themselves are no events.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Actor;
use domain::presence::{Command, Presence};
use event_store::tenant::TOLD;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{Commands, Error, Meta, Outcome, Work};

/// How often a panel beats.
pub const EVERY: Duration = Duration::from_secs(30);
/// Whoever was silent for so long has left.
pub const SILENCE: Duration = Duration::from_secs(90);
/// How often somebody looks for who has.
const ROUND: Duration = Duration::from_secs(5);
const AT_ONCE: i64 = 500;
const NAME: &str = "presence";

/// The user's panel is open.
pub async fn beat<T>(
    commands: &Commands,
    meta: &Meta,
    user: Uuid,
    tell: impl Fn(&mut Work<'_>) -> T,
) -> Result<Outcome<T>, Error> {
    if meta.dry_run.is_none() {
        note(commands, meta.tenant, user).await?;
    }
    let _turn = commands.turn(user).await;
    commands
        .transact(meta, async |work: &mut Work| {
            work.execute::<Presence>(user, Command::ComeOnline).await?;
            Ok(tell(work))
        })
        .await
}

/// Notes the beat before the log is told: whoever it knows to be there is looked after.
async fn note(commands: &Commands, tenant: Uuid, user: Uuid) -> Result<(), Error> {
    sqlx::query(&format!(
        "with told as materialized (select t.id from {TOLD}),
              beat as (insert into heartbeats (tenant_id, user_id, beaten_at)
                       select id, $2, clock_timestamp() from told
                       on conflict (user_id) do update set beaten_at = clock_timestamp())
         insert into presences (tenant_id, user_id) select id, $2 from told on conflict do nothing"
    ))
    .bind(tenant)
    .bind(user)
    .execute(commands.store().pool())
    .await
    .map_err(event_store::Error::from)?;
    Ok(())
}

/// Tells the log who has fallen silent, until `stop` says so.
pub async fn run(commands: Commands, mut stop: watch::Receiver<bool>) {
    loop {
        let round = async {
            if let Err(error) = sweep(&commands, SILENCE).await {
                tracing::warn!(%error, "Nobody looked after who is there");
            }
            tokio::time::sleep(ROUND).await;
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = round => {}
        }
    }
}

/// Tells the log who has been silent for so long now. Any number of processes may: only the first
/// to tell it tells news.
pub async fn sweep(commands: &Commands, silence: Duration) -> Result<usize, Error> {
    let failed = |error: sqlx::Error| Error::from(event_store::Error::from(error));
    let worker = commands.store().worker();
    // A crash of the database forgets the beats: whoever was there gets as much time again.
    sqlx::query(
        "insert into heartbeats (tenant_id, user_id, beaten_at)
         select tenant_id, user_id, clock_timestamp() from presences on conflict do nothing",
    )
    .execute(worker)
    .await
    .map_err(failed)?;
    let silent: Vec<(Uuid, Uuid, DateTime<Utc>)> = sqlx::query_as(
        "select tenant_id, user_id, beaten_at from presences join heartbeats using (tenant_id, user_id)
          where beaten_at <= clock_timestamp() - $1 order by beaten_at limit $2",
    )
    .bind(silence)
    .bind(AT_ONCE)
    .fetch_all(worker)
    .await
    .map_err(failed)?;
    for (tenant, user, seen_at) in &silent {
        let meta = Meta::new(*tenant, Actor::Policy(NAME.into()));
        let leave = || Command::GoOffline { seen_at: *seen_at };
        commands.execute::<Presence>(*user, leave, &meta).await?;
        // Unless they beat again meanwhile.
        sqlx::query(
            "delete from presences p using heartbeats h
              where p.user_id = $1 and h.user_id = $1 and h.beaten_at = $2",
        )
        .bind(user)
        .bind(seen_at)
        .execute(worker)
        .await
        .map_err(failed)?;
    }
    Ok(silent.len())
}
