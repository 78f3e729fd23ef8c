//! Letters that whoever names an address asks for. That one is asked for is kept before the answer,
//! and it is written afterwards, so that the answer's time does not tell whether anybody has the
//! address; by any process, if the one that answered is gone.

use std::net::IpAddr;
use std::time::Duration;

use domain::user::Email;
use event_store::transaction;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

pub use super::challenges::{Letter, Ticket};
use super::staff::PLATFORM;
use super::{Origin, accounts};
use crate::{Commands, Error, IdempotencyKey};

/// How many may wait, in all processes together; who asks for one more is told to come again.
const WAITING: i32 = 1000;
/// How long one is worth writing.
const KEPT: Duration = Duration::from_secs(3600);
/// How soon what another process left is found.
const POLL: Duration = Duration::from_secs(1);

/// A letter that somebody asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub origin: Origin,
    pub email: Email,
    pub letter: Letter,
}

/// What came of asking for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    Asked,
    /// As many wait as may.
    TooMany,
}

/// Of a letter what is needed to write it.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    request_id: Uuid,
    address: Option<IpAddr>,
    user_agent: Option<String>,
    email: Email,
    letter: Letter,
}

/// Whoever the address belongs to gets the letter, a moment later, whatever happens to this process.
/// `answer` is what a repeat under the key of `asked` is told, with its status.
pub async fn ask(
    commands: &Commands,
    asked: Asked,
    answer: (u16, Vec<u8>),
) -> Result<Noted, Error> {
    let (store, id) = (commands.store(), Uuid::now_v7());
    let Asked { origin, email, letter } = asked;
    let Origin { request_id, address, user_agent, idempotency, .. } = origin;
    let note = Note { request_id, address, user_agent, email, letter };
    let note = serde_json::to_vec(&note).unwrap_or_default();
    store.keep_secret_for(KEPT, PLATFORM, id, "letter", &note).await?;
    let (tenant, key, print) = match idempotency {
        Some(IdempotencyKey { tenant, key, fingerprint }) => {
            (Some(tenant), Some(key), Some(fingerprint))
        }
        None => (None, None, None),
    };
    let (status, body) = answer;
    let response = match (tenant, &key) {
        (Some(tenant), Some(key)) => Some(store.wrap_answer(tenant, key, &body)?),
        _ => None,
    };
    let noted: String = sqlx::query_scalar("select ask_for_letter($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(id)
        .bind(WAITING)
        .bind(tenant)
        .bind(key)
        .bind(print)
        .bind(i32::from(status))
        .bind(response)
        .bind(store.clock().now())
        .fetch_one(store.pool())
        .await
        .map_err(event_store::Error::from)?;
    if noted == "asked" {
        commands.asked().send_replace(());
        return Ok(Noted::Asked);
    }
    store.forget_secrets(PLATFORM, &[id]).await?;
    if noted == "used" { Err(Error::KeyUsed) } else { Ok(Noted::TooMany) }
}

/// Writes letters as they are asked for, until `stop` says so; then those that still wait.
pub async fn run(commands: Commands, mut stop: watch::Receiver<bool>) {
    let mut asked = commands.asked().subscribe();
    loop {
        let stopped = *stop.borrow();
        if let Err(error) = write_all(&commands).await {
            tracing::warn!(%error, "Letters that were asked for are not written yet");
        }
        if stopped {
            return;
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = asked.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

/// Writes those that are due now.
pub async fn write_all(commands: &Commands) -> Result<(), Error> {
    while write_next(commands).await? {}
    Ok(())
}

/// Writes the one that has been due for longest, of those that no other process is about; tells
/// whether there was one. Its row is locked while it is written: who dies over it lets go of it.
async fn write_next(commands: &Commands) -> Result<bool, Error> {
    let failed = |error| Error::from(event_store::Error::from(error));
    let mut tx = transaction::begin(commands.store().worker()).await.map_err(failed)?;
    let next: Option<Uuid> = sqlx::query_scalar(
        "select id from asked_letters where due_at <= clock_timestamp()
          order by due_at limit 1 for update skip locked",
    )
    .fetch_optional(&mut *tx)
    .await
    .map_err(failed)?;
    let Some(id) = next else { return Ok(false) };
    let written = write(commands, id).await;
    let then = match &written {
        Ok(()) => "delete from asked_letters where id = $1",
        Err(_) => {
            "update asked_letters set due_at = clock_timestamp() + interval '5 seconds'
              where id = $1"
        }
    };
    sqlx::query(then).bind(id).execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    match written {
        Ok(()) => commands.store().forget_secrets(PLATFORM, &[id]).await?,
        Err(error) => tracing::warn!(%error, "A letter that was asked for is not written yet"),
    }
    Ok(true)
}

async fn write(commands: &Commands, id: Uuid) -> Result<(), Error> {
    let kept = commands.store().secret(id).await?;
    let note = kept.and_then(|(_, note)| serde_json::from_slice::<Note>(&note).ok());
    // Nobody waits for it any more.
    let Some(note) = note else { return Ok(()) };
    let Note { request_id, address, user_agent, email, letter } = note;
    let origin = Origin { request_id, address, user_agent, idempotency: None, dry_run: None };
    accounts::challenge_by_mail(commands, &origin, id, &email, &letter).await
}
