//! What PawaPay says when it is asked for a payout's status: the only news that counts. A callback
//! only makes us ask sooner.

use domain::payout::{Command, Standing, State};
use uuid::Uuid;

use super::{Account, Look, Order, Payer};
use crate::effects::{self, Effect, Outcome};
use crate::gateways::pawapay::{self, Amount, Found, PayoutStatus};
use crate::{Commands, Error};

/// Lets a payout's effect ask for the status now. What made somebody wake it may contradict what is
/// settled.
pub async fn wake(commands: &Commands, payout: Uuid) -> Result<(), Error> {
    let mut db = commands.store().worker().acquire().await.map_err(event_store::Error::from)?;
    effects::wake(&mut db, payout).await.map_err(event_store::Error::from)?;
    commands.due().send_replace(());
    Ok(())
}

/// The same for somebody who wants to know, though it was given up.
pub async fn look_again(commands: &Commands, payout: Uuid) -> Result<(), Error> {
    let mut db = commands.store().worker().acquire().await.map_err(event_store::Error::from)?;
    effects::look_again(&mut db, payout).await.map_err(event_store::Error::from)?;
    wake(commands, payout).await
}

impl Payer {
    pub(super) async fn look(
        &self,
        effect: &Effect,
        account: &Account,
        standing: &Standing,
    ) -> Result<Look, Error> {
        let found = match account.pawapay.status(effect.id).await {
            Ok(PayoutStatus::Found(found)) => found,
            Ok(PayoutStatus::NotFound) => return self.absent(effect, account, standing).await,
            Err(error) => {
                return self
                    .uncertain(effect, standing, error.to_string())
                    .await
                    .map(Look::Settled);
            }
        };
        let order = self.order(effect).await?;
        self.follow(effect, standing, &order, &found).await.map(Look::Settled)
    }

    async fn absent(
        &self,
        effect: &Effect,
        account: &Account,
        standing: &Standing,
    ) -> Result<Look, Error> {
        if matches!(standing.state, State::Completed | State::Failed) {
            return Ok(Look::Settled(Outcome::Done));
        }
        if standing.accepted {
            // Such a provider is not the one that took it: it must not get it a second time.
            let reason = "the provider no longer knows a payout that it had".to_owned();
            return self.lose_sight(effect, reason).await.map(Look::Settled);
        }
        if standing.token.as_ref().is_some_and(|token| *token != account.token) {
            // Another account may have it.
            let reason = "it was submitted with an API token that was replaced since".to_owned();
            return self.lose_sight(effect, reason).await.map(Look::Settled);
        }
        Ok(Look::Absent)
    }

    /// No evidence either way. That it was submitted is certain only once PawaPay has said so.
    async fn uncertain(
        &self,
        effect: &Effect,
        standing: &Standing,
        reason: String,
    ) -> Result<Outcome, Error> {
        if standing.state == State::Submitted && !standing.accepted {
            return self.lose_sight(effect, reason).await;
        }
        Ok(Outcome::Unclear { reason })
    }

    /// Tells the payout what PawaPay said of it, if it is ours that it speaks of.
    pub(super) async fn follow(
        &self,
        effect: &Effect,
        standing: &Standing,
        order: &Order,
        found: &Found,
    ) -> Result<Outcome, Error> {
        if let Some(what) = difference(standing, order, found) {
            let reason = format!("the provider has another {what} under this id");
            self.lose_sight(effect, reason.clone()).await?;
            return Ok(Outcome::Dead { reason });
        }
        match &found.state {
            pawapay::State::Completed => {
                let complete = || Command::Complete {
                    provider_transaction_id: found.provider_transaction_id.clone(),
                };
                self.tell(effect, 5, complete).await?;
            }
            pawapay::State::Failed => {
                self.fail(effect, order.subject, found.failure.as_ref()).await?;
            }
            _ => {
                self.tell(effect, 6, || Command::Accept).await?;
                return Ok(Outcome::Unclear { reason: "waiting for the provider".into() });
            }
        }
        let contradicts = match standing.state {
            State::Completed => found.state != pawapay::State::Completed,
            State::Failed => found.state != pawapay::State::Failed,
            _ => false,
        };
        let reason = "the provider contradicts what is settled".to_owned();
        Ok(if contradicts { Outcome::Dead { reason } } else { Outcome::Done })
    }
}

/// In what PawaPay's payout is not the one that was approved. It compares ids only, so that this
/// is ours to see.
fn difference(standing: &Standing, order: &Order, found: &Found) -> Option<&'static str> {
    let amount = Amount::new(standing.amount, &standing.currency).ok();
    // One that isn't told, or can't be read, is no evidence of the right one.
    if found.amount != amount {
        return Some("amount");
    }
    if found.provider.as_ref().is_some_and(|provider| *provider != standing.provider) {
        return Some("operator");
    }
    let digits = |text: &String| text.chars().filter(char::is_ascii_digit).collect::<String>();
    match (&found.phone_number, &order.recipient) {
        (Some(told), Some(asked)) if digits(told) != digits(asked) => Some("recipient"),
        _ => None,
    }
}
