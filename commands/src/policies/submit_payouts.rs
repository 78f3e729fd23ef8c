//! When a payout is approved, PawaPay is asked for it, under the payout's own id. What becomes of
//! it is told to the payout only on PawaPay's answer to a question of ours.

mod evidence;

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::payout::{Command, Event, Payout, Standing, State};
use domain::{Aggregate, Personal};
use event_store::log::{self, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Concerns, Policy, decode};
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
use crate::gateways::http::Lost;
use crate::gateways::pawapay::{
    self, Amount, Failure, InvalidAddress, PawaPay, PayoutStatus, Submitted,
};
use crate::intake::Routes;
use crate::{Commands, Error, Refusal};
pub use evidence::{look_again, wake};

pub const KIND: &str = "pawapay.payout";
const NAME: &str = "submit_payouts";

/// Asks for the submission of what is approved.
pub struct SubmitPayouts;

impl Policy for SubmitPayouts {
    const NAME: &'static str = NAME;
    const CONCERNS: Concerns = &[(Payout::TYPE, &["Approved"])];

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<bool, Error> {
        let payout = stored.aggregate_id.parse().unwrap_or_default();
        let Event::Approved { was, .. } = decode(stored)? else { return Ok(false) };
        let effect = NewEffect {
            id: payout,
            kind: KIND,
            aggregate: payout,
            order_key: payout,
            line: was.channel.unwrap_or(stored.tenant_id),
            idempotent: true,
        };
        let failed = |error| Error::from(event_store::Error::from(error));
        effects::ask(db, stored, &effect).await.map_err(failed)?;
        // What was approved before a change has been asked for already.
        if was.revision > 0 {
            effects::ask_again(db, stored, payout).await.map_err(failed)?;
            effects::wake(db, payout).await.map_err(failed)?;
        }
        Ok(true)
    }
}

/// Where PawaPay is.
#[derive(Clone, Debug)]
pub struct PawaPaySettings {
    pub base_url: String,
    /// For how long a submission whose answer was lost may still be on its way to PawaPay.
    pub grace: Duration,
}

impl PawaPaySettings {
    /// PawaPay asks to give it some minutes.
    pub const GRACE: Duration = Duration::from_secs(300);
}

/// Carries payouts to PawaPay.
pub struct Payer {
    commands: Commands,
    routes: Routes,
    pawapay: PawaPay,
    grace: Duration,
}

/// The way to PawaPay for one account, and the fingerprint of the token that opens it.
struct Account {
    pawapay: PawaPay,
    token: String,
}

/// Why there is no way for a payout now.
enum NoWay {
    /// There may be one later.
    Closed(&'static str),
    Never(&'static str),
}

/// What of the request is needed to submit it, opened.
struct Order {
    recipient: Option<String>,
    /// Whose personal data the payout holds.
    subject: Uuid,
}

impl Payer {
    pub fn new(
        commands: Commands,
        client: reqwest::Client,
        settings: PawaPaySettings,
    ) -> Result<Self, InvalidAddress> {
        let PawaPaySettings { base_url, grace } = settings;
        let pawapay = PawaPay::new(client, &base_url)?;
        Ok(Payer { routes: Routes::new(commands.clone()), commands, pawapay, grace })
    }

    /// The account that the payout was requested from, and no other.
    async fn account(&self, standing: &Standing) -> Result<Result<Account, NoWay>, Error> {
        let Some(channel) = standing.channel else {
            let why = "it names no PawaPay channel: cancel it and ask for another";
            return Ok(Err(NoWay::Never(why)));
        };
        let merchant = self.routes.merchant(channel).await?;
        Ok(merchant.map_or(Err(NoWay::Closed("its PawaPay channel is disconnected")), |merchant| {
            let pawapay = self.pawapay.with_token(merchant.api_token);
            Ok(Account { pawapay, token: merchant.fingerprint })
        }))
    }

    async fn standing(&self, effect: &Effect) -> Result<Option<Standing>, Error> {
        let load = self.commands.load::<Payout>(effect.tenant_id, effect.aggregate);
        Ok(load.await?.0.standing)
    }

    async fn order(&self, effect: &Effect) -> Result<Order, Error> {
        let (pool, id) = (self.commands.store().pool(), effect.aggregate.to_string());
        let stored = log::stream_of(pool, effect.tenant_id, Payout::TYPE, &id, 0)
            .await
            .map_err(event_store::Error::from)?;
        let mut order = Order { recipient: None, subject: effect.aggregate };
        for event in &stored {
            match self.commands.decode::<Payout>(event, true).await? {
                Event::Requested { recipient, contact, .. } => {
                    order.recipient = recipient.clear().cloned();
                    order.subject = contact.unwrap_or(effect.aggregate);
                }
                Event::Revised { recipient: Some(recipient), .. } => {
                    order.recipient = recipient.clear().cloned();
                }
                _ => {}
            }
        }
        Ok(order)
    }

    async fn tell(
        &self,
        effect: &Effect,
        telling: usize,
        command: impl Fn() -> Command,
    ) -> Result<(), Error> {
        let meta = effect.meta(NAME, effect.telling(telling));
        self.commands.execute::<Payout>(effect.aggregate, command, &meta).await?;
        Ok(())
    }

    async fn submit(
        &self,
        effect: &Effect,
        account: &Account,
        standing: &Standing,
    ) -> Result<Outcome, Error> {
        let order = self.order(effect).await?;
        let amount = Amount::new(standing.amount, &standing.currency);
        let (Some(phone_number), Ok(amount)) = (order.recipient.clone(), amount) else {
            return self.unfit(effect, standing).await;
        };
        let payout = pawapay::Payout {
            id: effect.id,
            amount,
            phone_number,
            provider: standing.provider.clone(),
            customer_message: None,
            client_reference: None,
        };
        let (revision, token) = (standing.revision, &account.token);
        match self.tell(effect, 0, || Command::Submit { revision, token: token.clone() }).await {
            // Somebody cancelled it meanwhile; or changed it, and its next approval will ask anew.
            Err(Error::Refused(Refusal::Payout(_))) => return Ok(Outcome::Done),
            told => told?,
        }
        match account.pawapay.submit(&payout).await {
            Ok(Submitted::Accepted | Submitted::DuplicateIgnored) => {
                self.tell(effect, 1, || Command::Accept).await?;
                Ok(Outcome::Unclear { reason: "waiting for the provider".into() })
            }
            Ok(Submitted::Rejected(failure)) if failure.code.passes() => {
                self.postpone(effect, failure.code.to_string()).await
            }
            Ok(Submitted::Rejected(failure)) => {
                self.rejected(effect, account, standing, &order, failure).await
            }
            Err(Lost::NotSent(cause)) => {
                self.postpone(effect, Lost::NotSent(cause).to_string()).await
            }
            Err(Lost::Unclear(cause)) => self.lose_sight(effect, cause.to_string()).await,
        }
    }

    async fn postpone(&self, effect: &Effect, reason: String) -> Result<Outcome, Error> {
        self.tell(effect, 2, || Command::Postpone { reason: reason.clone() }).await?;
        Ok(Outcome::Retry { after: None, reason })
    }

    async fn lose_sight(&self, effect: &Effect, reason: String) -> Result<Outcome, Error> {
        self.tell(effect, 3, || Command::LoseSight { reason: reason.clone() }).await?;
        Ok(Outcome::Unclear { reason })
    }

    /// What is rejected now is only failed if no earlier try was taken, or can still be.
    async fn rejected(
        &self,
        effect: &Effect,
        account: &Account,
        standing: &Standing,
        order: &Order,
        failure: Failure,
    ) -> Result<Outcome, Error> {
        if let Some(earlier) = standing.submitted_at {
            let on_its_way = self.grace.saturating_sub(self.since(earlier));
            match account.pawapay.status(effect.id).await {
                Ok(PayoutStatus::NotFound) if on_its_way.is_zero() => {}
                Ok(PayoutStatus::NotFound) => {
                    let reason = format!("rejected with {}; an earlier try may come", failure.code);
                    self.lose_sight(effect, reason.clone()).await?;
                    return Ok(Outcome::Retry { after: Some(on_its_way), reason });
                }
                Ok(PayoutStatus::Found(found)) => {
                    return self.follow(effect, standing, order, &found).await;
                }
                Err(error) => return self.lose_sight(effect, error.to_string()).await,
            }
        }
        self.fail(effect, order.subject, Some(&failure)).await?;
        Ok(Outcome::Done)
    }

    /// Times of two machines may differ: a negative time is a short one.
    fn since(&self, at: DateTime<Utc>) -> Duration {
        (self.commands.store().clock().now() - at).to_std().unwrap_or_default()
    }

    async fn fail(
        &self,
        effect: &Effect,
        subject: Uuid,
        failure: Option<&Failure>,
    ) -> Result<(), Error> {
        let code = failure.map_or("UNSPECIFIED_FAILURE", |failure| failure.code.as_str());
        let message = failure.and_then(|failure| failure.message.as_ref());
        let fail = || Command::Fail {
            code: code.to_owned(),
            message: message.map(|message| Personal::provider(subject, message.clone())),
        };
        self.tell(effect, 4, fail).await
    }

    /// Nothing can be submitted any more; what was submitted before may still have been paid.
    async fn unfit(&self, effect: &Effect, standing: &Standing) -> Result<Outcome, Error> {
        if standing.submitted_at.is_some() {
            return self.lose_sight(effect, "the recipient was erased".into()).await;
        }
        let code = || Command::Fail { code: "RECIPIENT_ERASED".into(), message: None };
        self.tell(effect, 4, code).await?;
        Ok(Outcome::Done)
    }
}

impl Executor for Payer {
    const KIND: &'static str = KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        let Some(standing) = self.standing(effect).await? else { return Ok(Outcome::Done) };
        if !matches!(standing.state, State::Approved | State::Submitted | State::Unknown) {
            return Ok(Outcome::Done);
        }
        let account = match self.account(&standing).await? {
            Ok(account) => account,
            Err(NoWay::Closed(why)) => {
                return Ok(Outcome::Retry { after: None, reason: why.into() });
            }
            Err(NoWay::Never(why)) => return Ok(Outcome::Dead { reason: why.into() }),
        };
        if effect.attempts > 1 {
            match self.look(effect, &account, &standing).await? {
                Look::Settled(outcome) => return Ok(outcome),
                Look::Absent => {}
            }
        }
        self.submit(effect, &account, &standing).await
    }

    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        let Some(standing) = self.standing(effect).await? else { return Ok(Outcome::Done) };
        match standing.state {
            State::Requested | State::Rejected | State::Cancelled => return Ok(Outcome::Done),
            _ => {}
        }
        let account = match self.account(&standing).await? {
            Ok(account) => account,
            Err(NoWay::Closed(why) | NoWay::Never(why)) => {
                return Ok(Outcome::Unclear { reason: why.into() });
            }
        };
        match self.look(effect, &account, &standing).await? {
            Look::Settled(outcome) => Ok(outcome),
            Look::Absent => self.submit(effect, &account, &standing).await,
        }
    }
}

/// What asking for the status came to.
enum Look {
    Settled(Outcome),
    /// PawaPay hasn't got it, and won't: it may be submitted.
    Absent,
}
