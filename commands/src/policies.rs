//! Policies: when X, then Y. Each reads the log from where it stopped, and never again from the
//! beginning: what it asked for has happened in the world.

pub mod release_work;
pub mod send_mails;
pub mod send_messages;
pub mod submit_payouts;
pub mod submit_templates;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use event_store::log::Recorded;
use event_store::subscription::Subscription;
use event_store::transaction;
use sqlx::PgConnection;
use tokio::sync::watch;

use crate::effects::{Effect, Outcome};
use crate::gateways::whatsapp::graph::{Refusal, Retry};
use crate::stored::decode;
use crate::{Commands, Error};

/// Every kind of effect that a policy asks for.
pub(crate) const KINDS: &[&str] = &[
    release_work::KIND,
    send_mails::KIND,
    send_messages::KIND,
    submit_payouts::KIND,
    submit_templates::KIND,
];

/// What Meta could not take for so many tries is a person's affair.
const TRIES: i32 = 8;
/// How long a message to somebody who had too many of late waits.
const REST: Duration = Duration::from_secs(10);
const PAGE: i64 = 500;

/// Names of events by the type of their aggregate.
pub type Concerns = &'static [(&'static str, &'static [&'static str])];

/// What follows from an event.
pub trait Policy {
    const NAME: &'static str;
    /// The events that it reacts to.
    const CONCERNS: Concerns;

    /// Reacts to one of these events, in the transaction that moves the policy on; tells whether an
    /// effect may be due now.
    fn react(
        &self,
        event: &Recorded,
        db: &mut PgConnection,
    ) -> impl Future<Output = Result<bool, Error>>;
}

/// Reacts to events as they come, until `stop` says so. Only one process at a time does.
pub async fn run<P: Policy>(commands: Commands, policy: P, stop: watch::Receiver<bool>) {
    let leases = commands.store().leases();
    leases.run(P::NAME, stop, |fence| follow_on(&commands, &policy, fence)).await;
}

async fn follow_on<P: Policy>(
    commands: &Commands,
    policy: &P,
    fence: i64,
) -> Result<Infallible, Error> {
    let store = commands.store();
    let mut subscription = Subscription::take_over(store, P::NAME, 0, fence).await?;
    loop {
        match follow(commands, policy, &mut subscription).await? {
            0 => store.wait_past(subscription.position()).await,
            taken => store.progress().rest_after(taken, PAGE).await,
        }
    }
}

/// Reacts to what is there now, a page at the most, in as many transactions as it takes; tells how many
/// events that were.
pub async fn follow<P: Policy>(
    commands: &Commands,
    policy: &P,
    subscription: &mut Subscription,
) -> Result<usize, Error> {
    let page = subscription.ready(PAGE).await?;
    let Some(last) = page.last().map(|event| event.position) else { return Ok(0) };
    let concerning: Vec<_> = page.iter().filter(|event| concerns::<P>(event)).collect();
    if concerning.is_empty() {
        subscription.pass(last).await?;
    }
    let mut left = concerning.as_slice();
    while !left.is_empty() {
        let (now, later) = left.split_at(left.len().min(subscription.most()));
        let to = later.first().map_or(last, |next| next.position - 1);
        if react(commands, policy, subscription, (now, to)).await? {
            commands.due().send_replace(());
        }
        left = later;
    }
    Ok(page.len())
}

/// Reacts to some events of a page, and moves on to `last`; tells whether an effect may be due now.
async fn react<P: Policy>(
    commands: &Commands,
    policy: &P,
    subscription: &mut Subscription,
    (events, last): (&[&Arc<Recorded>], i64),
) -> Result<bool, Error> {
    let failed = |error| Error::from(event_store::Error::from(error));
    let mut tx = transaction::begin(commands.store().worker()).await.map_err(failed)?;
    // The checkpoint first: it makes a twin wait, and then fail.
    subscription.advance(&mut tx, last).await?;
    let mut due = false;
    for event in events {
        due |= policy.react(event, &mut tx).await?;
    }
    if !due {
        // Where nothing was asked for, losing the checkpoint only means to look once more.
        sqlx::query("set local synchronous_commit = off")
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)?;
    commands.store().progress().tell();
    Ok(due)
}

pub(crate) fn concerns<P: Policy>(event: &Recorded) -> bool {
    let (aggregate, name) = (event.aggregate_type.as_str(), event.event_type.as_str());
    P::CONCERNS.iter().any(|(of, names)| *of == aggregate && names.contains(&name))
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
