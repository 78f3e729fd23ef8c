//! Policies: when X, then Y. Each reads the log from where it stopped, and never again from the
//! beginning: what it asked for has happened in the world.

pub mod release_work;
pub mod send_mails;
pub mod send_messages;
pub mod submit_payouts;
pub mod submit_templates;

use std::time::Duration;

use event_store::log;
use event_store::log::Recorded;
use event_store::subscription::Subscription;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use tokio::sync::watch;

use crate::effects::{Effect, Outcome};
use crate::gateways::whatsapp::graph::{Refusal, Retry};
use crate::{Commands, Error};

/// What Meta could not take for so many tries is a person's affair.
const TRIES: i32 = 8;
/// How long a message to somebody who had too many of late waits.
const REST: Duration = Duration::from_secs(10);
const PAGE: i64 = 500;

/// What follows from an event.
pub trait Policy {
    const NAME: &'static str;

    /// Reacts to one event, in the transaction that moves the policy on; tells whether an effect may
    /// be due now.
    fn react(
        &self,
        event: &Recorded,
        db: &mut PgConnection,
    ) -> impl Future<Output = Result<bool, Error>>;
}

/// Reacts to events as they come, until `stop` says so. Another process may run the same policy:
/// only one of two that react to the same page moves on, and the other's reactions fall with it.
pub async fn run<P: Policy>(commands: Commands, policy: P, mut stop: watch::Receiver<bool>) {
    let store = commands.store();
    loop {
        let followed = async {
            let mut subscription = Subscription::resume(store, P::NAME, 0).await?;
            loop {
                if follow(&commands, &policy, &mut subscription).await? == 0 {
                    store.wait_past(subscription.position()).await;
                }
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            outcome = followed => {
                let outcome: Result<(), Error> = outcome;
                if let Err(error) = outcome {
                    tracing::warn!(policy = P::NAME, %error, "A policy goes back to its checkpoint");
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Reacts to what is there now, a page at the most; tells how many events that were.
pub async fn follow<P: Policy>(
    commands: &Commands,
    policy: &P,
    subscription: &mut Subscription,
) -> Result<usize, Error> {
    let page: Vec<log::Recorded> = subscription.ready(PAGE).await?;
    let Some(last) = page.last().map(|event| event.position) else { return Ok(0) };
    let failed = |error| Error::from(event_store::Error::from(error));
    let mut tx = commands.store().worker().begin().await.map_err(failed)?;
    // The checkpoint first: it makes a twin wait, and then fail.
    subscription.advance(&mut tx, last).await?;
    let mut due = false;
    for event in &page {
        due |= policy.react(event, &mut tx).await?;
    }
    tx.commit().await.map_err(failed)?;
    if due {
        commands.due().send_replace(());
    }
    Ok(page.len())
}

/// The event of an aggregate whose payload holds nothing that would have to be opened.
fn decode<E: DeserializeOwned>(stored: &Recorded) -> Result<E, Error> {
    let unreadable = |error: serde_json::Error| Error::Undecodable {
        position: stored.position,
        reason: error.to_string(),
    };
    serde_json::from_str(&stored.payload).map_err(unreadable)
}

/// When to try again what Meta refused for now; `None` where it would refuse for ever.
fn put_off(effect: &Effect, refusal: &Refusal) -> Option<Outcome> {
    if effect.attempts >= TRIES {
        return None;
    }
    let reason = refusal.word();
    match refusal.retry {
        Retry::Never => None,
        Retry::After(pause) => Some(Outcome::Retry { after: Some(pause), reason }),
        Retry::LaterForPair => Some(Outcome::Retry { after: Some(REST), reason }),
        Retry::LaterForLine(pause) => Some(Outcome::LineRests { after: pause, reason }),
    }
}
