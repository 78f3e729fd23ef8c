//! When a message of ours is queued, or tried again, it goes to the channel's provider. What
//! becomes of it is told to the conversation.

mod content;

use chrono::Utc;
use domain::contact::Contact;
use domain::conversation::{Command, Conversation, Event, Outgoing, Receipt, Standing};
use domain::message::{Delivery, DeliveryError};
use domain::{Actor, Aggregate, Personal};
use event_store::log::{self, Recorded};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Policy, TRIES, decode, put_off};
use crate::effects::{self, Effect, Executor, NewEffect, Outcome};
pub use crate::gateways::whatsapp::graph::GraphSettings;
use crate::gateways::whatsapp::graph::{self, Graphs, Recipient, SendError};
use crate::intake::{Route, Routes, message_claim, message_owner};
use crate::{Commands, Error, Meta, Refusal, Work};

pub const KIND: &str = "whatsapp.send";
const NAME: &str = "send_messages";

/// Asks for the sending of what is queued.
pub struct SendMessages;

impl Policy for SendMessages {
    const NAME: &'static str = NAME;

    async fn react(&self, stored: &Recorded, db: &mut PgConnection) -> Result<(), Error> {
        if stored.aggregate_type != Conversation::TYPE {
            return Ok(());
        }
        let failed = |error: sqlx::Error| Error::from(event_store::Error::from(error));
        match stored.event_type.as_str() {
            "MessageQueued" => match decode(stored)? {
                Event::MessageQueued(message) if !message.moved => {
                    let effect = NewEffect {
                        id: message.message,
                        tenant: stored.tenant_id,
                        kind: KIND,
                        aggregate: stored.aggregate_id.parse().unwrap_or_default(),
                        position: stored.position,
                        order_key: stored.aggregate_id.parse().unwrap_or_default(),
                        line: message.channel,
                        idempotent: false,
                    };
                    effects::ask(db, &effect).await.map_err(failed)
                }
                _ => Ok(()),
            },
            "MessageDiscarded" => match decode(stored)? {
                Event::MessageDiscarded { message, .. } => {
                    effects::close(db, message).await.map_err(failed)
                }
                _ => Ok(()),
            },
            "MessageRetried" => match decode(stored)? {
                Event::MessageRetried { message, .. } => {
                    effects::ask_again(db, message).await.map_err(failed)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Carries messages to WhatsApp.
pub struct Sender {
    commands: Commands,
    routes: Routes,
    graphs: Graphs,
}

impl Sender {
    pub fn new(commands: Commands, client: reqwest::Client, settings: GraphSettings) -> Self {
        let routes = Routes::new(commands.clone());
        Sender { commands, routes, graphs: Graphs::new(client, settings) }
    }

    /// The message as it was queued, opened.
    async fn queued(&self, effect: &Effect) -> Result<Option<Outgoing>, Error> {
        let events = self.history(effect).await?;
        Ok(events.into_iter().find_map(|event| match event {
            Event::MessageQueued(message) if message.message == effect.id => Some(message),
            _ => None,
        }))
    }

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

    /// A repeat of the same telling causes the same events.
    fn meta(effect: &Effect, telling: u8) -> Meta {
        let mut meta = Meta::new(effect.tenant_id, Actor::Policy(NAME.into()));
        meta.command_id =
            crate::event_id(effect.id, usize::from(telling) << 16 | effect.attempts as usize);
        meta.correlation_id = effect.id;
        meta
    }

    async fn tell(
        &self,
        effect: &Effect,
        telling: u8,
        command: impl Fn() -> Command,
    ) -> Result<(), Error> {
        let meta = Self::meta(effect, telling);
        self.commands.execute::<Conversation>(effect.aggregate, command, &meta).await?;
        Ok(())
    }

    async fn took(
        &self,
        effect: &Effect,
        route: &Route,
        message: &Outgoing,
        accepted: &graph::Accepted,
    ) -> Result<Outcome, Error> {
        let wamid = &accepted.wamid;
        let receipt = Receipt {
            provider_id: Some(Personal::provider(message.contact, wamid.clone())),
            ..receipt(message, format!("{{\"id\":{wamid:?}}}"))
        };
        let store = self.commands.store();
        let told = self
            .commands
            .transact(&Self::meta(effect, 0), async |work: &mut Work<'_>| {
                let delivery = Delivery::Sent;
                let report = Command::Report { delivery, receipt: receipt.clone() };
                work.execute::<Conversation>(effect.aggregate, report).await?;
                let (scope, value) = message_claim(store, route, wamid);
                work.claim(scope, value, message_owner(message.message, effect.aggregate));
                Ok(())
            })
            .await;
        match told {
            // A status webhook was faster, and has told all that we know.
            Ok(_) | Err(Error::Refused(Refusal::Taken { .. })) => Ok(Outcome::Done),
            Err(error) => Err(error),
        }
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
        let failed = || Command::Report {
            delivery: Delivery::Failed,
            receipt: Receipt { errors: vec![error.clone()], ..receipt(message, String::new()) },
        };
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

fn receipt(message: &Outgoing, raw: String) -> Receipt {
    Receipt {
        message: message.message,
        channel: message.channel,
        contact: message.contact,
        at: Utc::now(),
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
        if self.standing(effect).await? != Some(Standing::Queued) {
            return Ok(Outcome::Done);
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
        let history = self.history(effect).await?;
        let Some(outgoing) = content::outgoing(&message, to, &history) else {
            return self
                .unfit(effect, &message, "the content was erased, or refers to nothing")
                .await;
        };
        match graph.send(&route.line, &outgoing).await {
            Ok(accepted) => self.took(effect, &route, &message, &accepted).await,
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
                Ok(Outcome::Unclear { reason: reason.clone() })
            }
        }
    }

    /// The provider can't be asked; its status webhooks bring evidence, and the conversation then
    /// knows.
    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        let reason = "no news from the provider".to_owned();
        match self.standing(effect).await? {
            None => Ok(Outcome::Done),
            Some(Standing::Failed) => Ok(Outcome::Dead { reason: "failed".into() }),
            Some(Standing::Unknown) => Ok(Outcome::Unclear { reason }),
            Some(Standing::Queued) => {
                let lose = || Command::LoseSight { message: effect.id, reason: reason.clone() };
                self.tell(effect, 2, lose).await?;
                Ok(Outcome::Unclear { reason: reason.clone() })
            }
        }
    }
}
