//! When a message of ours is queued, or tried again, it goes to the channel's provider. What
//! becomes of it is told to the conversation.

mod content;
mod pace;

use chrono::{DateTime, Utc};
use domain::contact::Contact;
use domain::conversation::{Command, Conversation, Event, Outgoing, Receipt, Standing};
use domain::message::{Delivery, DeliveryError};
use domain::{Aggregate, Personal};
use event_store::log::{self, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Concerns, Policy, TRIES, decode, put_off};
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
pub use crate::gateways::whatsapp::graph::GraphSettings;
use crate::gateways::whatsapp::graph::{self, Graphs, Reason, Recipient, SendError};
use crate::intake::known::{PHONE, phone_claim};
use crate::intake::{Route, Routes, message_claim, message_owner};
use crate::{Commands, Error, Work};
pub use pace::Pace;

pub const KIND: &str = "whatsapp.send";
const NAME: &str = "send_messages";

/// Asks for the sending of what is queued.
pub struct SendMessages;

impl Policy for SendMessages {
    const NAME: &'static str = NAME;
    const CONCERNS: Concerns = &[(
        Conversation::TYPE,
        &[
            "MessageQueued",
            "MessageRetried",
            "MessageDiscarded",
            "Dispatched",
            "Delivered",
            "Read",
            "Played",
            "Failed",
        ],
    )];

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<bool, Error> {
        let followed = follow(stored, decode(stored)?, db).await;
        followed.map_err(|error| event_store::Error::from(error).into())
    }
}

async fn follow(stored: &Recorded, event: Event, db: &mut PgConnection) -> sqlx::Result<bool> {
    use Event as E;
    let due = matches!(event, E::MessageQueued(_) | E::MessageRetried { .. } | E::Failed(_));
    match event {
        Event::MessageQueued(message) if !message.moved => {
            let conversation = stored.aggregate_id.parse().unwrap_or_default();
            let effect = NewEffect {
                id: message.message,
                kind: KIND,
                aggregate: conversation,
                order_key: conversation,
                line: message.channel,
                idempotent: false,
            };
            effects::ask(db, stored, &effect).await?;
        }
        Event::MessageRetried { message, .. } => effects::ask_again(db, stored, message).await?,
        Event::MessageDiscarded { message, .. } => effects::close(db, message).await?,
        // It may also have failed: receipts come in any order.
        Event::Dispatched(receipt) => effects::look(db, receipt.message).await?,
        Event::Delivered(receipt) | Event::Read(receipt) | Event::Played(receipt) => {
            effects::close(db, receipt.message).await?;
        }
        Event::Failed(receipt) => {
            let code = receipt.errors.first().map_or(0, |error| error.code);
            let reason = format!("{code} {}", Reason::of(code, None).word());
            effects::blame(db, receipt.message, &reason).await?;
        }
        _ => {}
    }
    Ok(due)
}

/// Carries messages to WhatsApp.
pub struct Sender {
    commands: Commands,
    routes: Routes,
    graphs: Graphs,
    pace: Pace,
}

impl Sender {
    pub fn new(commands: Commands, client: reqwest::Client, settings: GraphSettings) -> Self {
        let routes = Routes::new(commands.clone());
        Sender { commands, routes, graphs: Graphs::new(client, settings), pace: Pace::default() }
    }

    pub fn at(self, pace: Pace) -> Self {
        Sender { pace, ..self }
    }

    /// The message as it was queued, opened.
    async fn queued(&self, effect: &Effect) -> Result<Option<Outgoing>, Error> {
        let pool = self.commands.store().pool();
        let asked = log::event_of(pool, effect.tenant_id, effect.position).await;
        let Some(asked) = asked.map_err(event_store::Error::from)? else { return Ok(None) };
        Ok(match self.commands.decode::<Conversation>(&asked, true).await? {
            Event::MessageQueued(message) if message.message == effect.id => Some(message),
            _ => None,
        })
    }

    /// What the message refers to is somewhere in it.
    async fn history(&self, effect: &Effect) -> Result<Vec<Event>, Error> {
        let (kind, id) = (Conversation::TYPE, effect.aggregate.to_string());
        let pool = self.commands.store().pool();
        let stored = log::stream_of(pool, effect.tenant_id, kind, &id, 0)
            .await
            .map_err(event_store::Error::from)?;
        let mut events = Vec::with_capacity(stored.len());
        for event in &stored {
            events.push(self.commands.decode::<Conversation>(event, true).await?);
        }
        Ok(events)
    }

    /// Whom the message goes to: by number where it is known.
    async fn recipient(&self, effect: &Effect, contact: Uuid) -> Result<Option<Recipient>, Error> {
        let (contact, _) = self.commands.load::<Contact>(effect.tenant_id, contact).await?;
        let by_number = contact.phone.map(Recipient::WaId);
        Ok(by_number.or(contact.user_id.map(Recipient::UserId)))
    }

    async fn standing(&self, effect: &Effect) -> Result<Option<Standing>, Error> {
        let load = self.commands.load::<Conversation>(effect.tenant_id, effect.aggregate);
        Ok(load.await?.0.outgoing.get(&effect.id).copied())
    }

    /// When the provider's answer came, by the clock that record times come from.
    fn now(&self) -> DateTime<Utc> {
        self.commands.store().clock().now()
    }

    async fn tell(
        &self,
        effect: &Effect,
        telling: usize,
        command: impl Fn() -> Command,
    ) -> Result<(), Error> {
        let meta = effect.meta(NAME, effect.telling(telling));
        self.commands.execute::<Conversation>(effect.aggregate, command, &meta).await?;
        Ok(())
    }

    async fn took(
        &self,
        effect: &Effect,
        route: &Route,
        message: &Outgoing,
        to: &Recipient,
        accepted: &graph::Accepted,
    ) -> Result<Outcome, Error> {
        let wamid = &accepted.wamid;
        let receipt = Receipt {
            provider_id: Some(Personal::provider(message.contact, wamid.clone())),
            ..receipt(message, self.now(), format!("{{\"id\":{wamid:?}}}"))
        };
        let store = self.commands.store();
        let alias = self.alias(effect, to, accepted).await?;
        let told = self
            .commands
            .transact(&effect.meta(NAME, effect.telling(0)), async |work: &mut Work<'_>| {
                let delivery = Delivery::Sent;
                let report = Command::Report { delivery, receipt: receipt.clone() };
                work.execute::<Conversation>(effect.aggregate, report).await?;
                let (scope, value) = message_claim(store, route, wamid);
                work.claim(scope, value, message_owner(message.message, effect.aggregate));
                if let Some(alias) = &alias {
                    work.claim(PHONE, alias.clone(), message.contact.to_string());
                }
                let conversation = work.get::<Conversation>(effect.aggregate).await?;
                Ok(conversation.outgoing.get(&effect.id).copied())
            })
            .await;
        match told {
            // A status webhook was faster, and has told more.
            Ok(told) if told.value == Some(Standing::Failed) => Ok(Outcome::Failed),
            Ok(_) => Ok(Outcome::Done),
            Err(error) => Err(error),
        }
    }

    /// By what other number WhatsApp knows the recipient, if nobody holds that yet: webhooks will
    /// name it, and mean the same person (Brazil's ninth digit, say).
    async fn alias(
        &self,
        effect: &Effect,
        to: &Recipient,
        accepted: &graph::Accepted,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(wa_id) = &accepted.wa_id else { return Ok(None) };
        if matches!(to, Recipient::WaId(number) if number == wa_id) {
            return Ok(None);
        }
        let store = self.commands.store();
        let claim = phone_claim(store, effect.tenant_id, wa_id);
        let held = store.claims(effect.tenant_id, &[(PHONE, claim.clone())]).await?;
        Ok(held.is_empty().then_some(claim))
    }

    async fn refused(
        &self,
        effect: &Effect,
        message: &Outgoing,
        refusal: &graph::Refusal,
    ) -> Result<Outcome, Error> {
        if let Some(later) = put_off(effect, refusal) {
            return Ok(later);
        }
        let error = DeliveryError {
            code: refusal.code,
            title: Some(refusal.message.clone()),
            details: refusal.details.clone(),
            ..DeliveryError::default()
        };
        self.fail(effect, message, error).await?;
        Ok(Outcome::Dead { reason: refusal.word() })
    }

    async fn fail(
        &self,
        effect: &Effect,
        message: &Outgoing,
        error: DeliveryError,
    ) -> Result<(), Error> {
        let told = Receipt { errors: vec![error], ..receipt(message, self.now(), String::new()) };
        let failed = || Command::Report { delivery: Delivery::Failed, receipt: told.clone() };
        self.tell(effect, 1, failed).await
    }

    /// What can't be sent as things are: a person must mend them and try again.
    async fn unfit(
        &self,
        effect: &Effect,
        message: &Outgoing,
        why: &str,
    ) -> Result<Outcome, Error> {
        let error = DeliveryError { title: Some(why.to_owned()), ..DeliveryError::default() };
        self.fail(effect, message, error).await?;
        Ok(Outcome::Dead { reason: why.to_owned() })
    }
}

fn receipt(message: &Outgoing, at: DateTime<Utc>, raw: String) -> Receipt {
    Receipt {
        message: message.message,
        channel: message.channel,
        contact: message.contact,
        at,
        provider_id: None,
        errors: vec![],
        pricing: None,
        line: None,
        moved: false,
        raw: Personal::provider(message.contact, raw),
    }
}

impl Executor for Sender {
    const KIND: &'static str = KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        match self.standing(effect).await? {
            Some(Standing::Queued) => {}
            Some(Standing::Failed) => return Ok(Outcome::Failed),
            _ => return Ok(Outcome::Done),
        }
        let Some(message) = self.queued(effect).await? else { return Ok(Outcome::Done) };
        let Some(route) = self.routes.find(message.channel).await? else {
            return self.unfit(effect, &message, "the channel is disconnected").await;
        };
        let Some(graph) = self.graphs.with(route.access_token.as_deref()) else {
            return self.unfit(effect, &message, "the channel has no access token").await;
        };
        let Some(to) = self.recipient(effect, message.contact).await? else {
            return self.unfit(effect, &message, "the contact has no number and no id").await;
        };
        let refers = message.target.or(message.reply_to).is_some();
        let history = if refers { self.history(effect).await? } else { vec![] };
        let Some(outgoing) = content::outgoing(&message, to, &history) else {
            return self
                .unfit(effect, &message, "the content was erased, or refers to nothing")
                .await;
        };
        let store = self.commands.store();
        if let Some(held) = self.pace.holds(store, message.channel, message.contact).await? {
            return Ok(held);
        }
        match graph.send(&route.line, &outgoing).await {
            Ok(accepted) => self.took(effect, &route, &message, &outgoing.to, &accepted).await,
            Err(SendError::Refused(refusal)) => self.refused(effect, &message, &refusal).await,
            Err(SendError::NotSent(_)) if effect.attempts >= TRIES => {
                self.unfit(effect, &message, "the provider can't be reached").await
            }
            Err(SendError::NotSent(cause)) => {
                Ok(Outcome::Retry { after: None, reason: cause.to_string() })
            }
            Err(SendError::Unclear(cause)) => {
                let reason = cause.to_string();
                let lose = || Command::LoseSight { message: effect.id, reason: reason.clone() };
                self.tell(effect, 2, lose).await?;
                Ok(Outcome::AwaitsNews { reason: reason.clone() })
            }
        }
    }

    /// The provider can't be asked; its status webhooks bring evidence, and the conversation then
    /// knows.
    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        let reason = "no news from the provider".to_owned();
        match self.standing(effect).await? {
            Some(Standing::Sent) | None => Ok(Outcome::Done),
            Some(Standing::Failed) => Ok(Outcome::Failed),
            Some(Standing::Unknown) => Ok(Outcome::AwaitsNews { reason }),
            Some(Standing::Queued) => {
                let lose = || Command::LoseSight { message: effect.id, reason: reason.clone() };
                self.tell(effect, 2, lose).await?;
                Ok(Outcome::AwaitsNews { reason: reason.clone() })
            }
        }
    }
}
