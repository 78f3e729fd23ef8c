//! A made-up log: people who write, and what is said with them, as the domain's own events. Their
//! personal values are encrypted under keys of their own, as everywhere.

use chrono::{DateTime, TimeDelta, Utc};
use domain::contact::{self, Identities, Registered, Source};
use domain::conversation::{Author, Body, Event, Message, Receipt};
use domain::message::{Content, Kind};
use domain::{Personal, event};
use event_store::{Append, NewEvent, Store, StreamAppend};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::Outcome;

/// Conversations that go on side by side.
const SIDE_BY_SIDE: usize = 4_000;
/// Appends that wait for their answers at the same time, in each of two tasks: twice what the two
/// batches hold that may be at the database.
const IN_FLIGHT: usize = 1_024;

/// Events of an opening, and of an exchange.
pub(crate) const OPENING: usize = 3;
pub(crate) const EXCHANGE: usize = 6;

/// Whose log it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shop {
    pub(crate) tenant: Uuid,
    pub(crate) channel: Uuid,
}

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) conversations: usize,
    /// In each conversation, after it was opened.
    pub(crate) exchanges: usize,
}

impl Plan {
    /// Conversations of some twenty events.
    pub(crate) fn of_events(events: usize) -> Plan {
        let exchanges = 3;
        let conversations = events.div_ceil(OPENING + exchanges * EXCHANGE);
        Plan { conversations, exchanges }
    }
}

/// A conversation, how far it is, and whom it is with.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) conversation: Uuid,
    pub(crate) version: i64,
    contact: Uuid,
    number: usize,
}

impl Talk {
    pub(crate) fn new(number: usize) -> Talk {
        Talk { conversation: Uuid::now_v7(), version: 0, contact: Uuid::now_v7(), number }
    }

    fn at(&self, second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
            + TimeDelta::days(20_000)
            + TimeDelta::seconds(self.number as i64 * 7 + second)
    }

    /// Somebody writes for the first time.
    fn opening(&mut self, shop: Shop) -> Append {
        let registered = contact::Event::Registered(Registered {
            name: Some(Personal::identity(self.contact, format!("Customer {}", self.number))),
            identities: Identities {
                phone: Some(Personal::identity(self.contact, format!("2541{:08}", self.number))),
                ..Identities::default()
            },
            at: self.at(0),
            source: Source::Whatsapp,
        });
        let opened =
            Event::Opened { channel: shop.channel, contact: self.contact, group: None, cycle: 1 };
        let first = Event::MessageReceived(self.message(shop, Author::Customer, 0));
        let registering = StreamAppend {
            aggregate_type: "contact".to_owned(),
            aggregate_id: self.contact.to_string(),
            expected: 0,
            events: vec![written("contact", &registered)],
        };
        let opening = self.said(&[opened, first]);
        unit_of_work(shop, vec![registering, opening])
    }

    /// The customer asks, a colleague notes and answers, the answer arrives and is read.
    pub(crate) fn exchange(&mut self, shop: Shop) -> Append {
        let second = self.version * 10;
        let asked = self.message(shop, Author::Customer, second);
        let answered = self.message(shop, Author::Human, second + 20);
        let note = Event::NoteAdded {
            note: Uuid::now_v7(),
            cycle: 1,
            at: self.at(second + 5),
            body: Personal::content(self.contact, format!("Call back about order {second}.")),
        };
        let receipt = |second| Receipt {
            message: answered.message,
            channel: shop.channel,
            contact: self.contact,
            at: self.at(second),
            provider_id: Some(answered.provider_id.clone()),
            errors: vec![],
            pricing: None,
            line: None,
            moved: false,
            raw: Personal::provider(self.contact, json!({"status": "delivered"}).to_string()),
        };
        let events = [
            Event::MessageReceived(asked),
            note,
            Event::MarkedRead { cycle: 1 },
            Event::MessageEchoed(answered.clone()),
            Event::Delivered(receipt(second + 21)),
            Event::Read(receipt(second + 30)),
        ];
        let said = self.said(&events);
        unit_of_work(shop, vec![said])
    }

    fn message(&self, shop: Shop, author: Author, second: i64) -> Message {
        let message = Uuid::now_v7();
        let body = format!("Is the red pot of order {second} still there? I come by on Friday.");
        Message {
            message,
            channel: shop.channel,
            contact: self.contact,
            cycle: 1,
            kind: Kind::Text,
            at: self.at(second),
            order: message.simple().to_string()[16..].to_owned(),
            body: Personal::content(
                self.contact,
                Body {
                    content: Content::Text { body, preview_url: None },
                    referral: None,
                    context: None,
                },
            ),
            provider_id: Personal::provider(self.contact, format!("wamid.{}", message.simple())),
            reply_to: None,
            target: None,
            conflict: false,
            moved: false,
            imported: false,
            line: None,
            author,
        }
    }

    fn said(&mut self, events: &[Event]) -> StreamAppend {
        let expected = self.version;
        self.version += events.len() as i64;
        StreamAppend {
            aggregate_type: "conversation".to_owned(),
            aggregate_id: self.conversation.to_string(),
            expected,
            events: events.iter().map(|event| written("conversation", event)).collect(),
        }
    }
}

fn unit_of_work(shop: Shop, streams: Vec<StreamAppend>) -> Append {
    let id = Uuid::now_v7();
    Append {
        tenant: shop.tenant,
        actor: format!("channel:{}", shop.channel),
        command_id: Some(id),
        correlation_id: id,
        causation_id: None,
        metadata: json!({}),
        streams,
        claims: vec![],
        idempotency: None,
    }
}

/// The event as the log keeps it, named by its variant.
fn written<E: Serialize>(aggregate_type: &str, event: &E) -> NewEvent {
    let payload = serde_json::to_value(event).unwrap_or_default();
    let name = payload.as_object().and_then(|object| object.keys().next());
    let event_type = name.cloned().unwrap_or_default();
    let event_version = event::version(aggregate_type, &event_type).to_owned();
    NewEvent { event_id: Uuid::now_v7(), event_type, event_version, payload }
}

/// Writes a log of so many conversations. Returns how many events that were.
pub(crate) async fn fill(store: &Store, shop: Shop, plan: Plan) -> Outcome<usize> {
    let mut number = 0;
    while number < plan.conversations {
        let until = plan.conversations.min(number + SIDE_BY_SIDE);
        let mut talks: Vec<Talk> = (number..until).map(Talk::new).collect();
        append_all(store, talks.iter_mut().map(|talk| talk.opening(shop)).collect()).await?;
        for _ in 0..plan.exchanges {
            append_all(store, talks.iter_mut().map(|talk| talk.exchange(shop)).collect()).await?;
        }
        number = until;
    }
    Ok(plan.conversations * (OPENING + plan.exchanges * EXCHANGE))
}

/// One conversation that has gone on for so many events.
pub(crate) async fn long_stream(store: &Store, shop: Shop, events: usize) -> Outcome<Talk> {
    let mut talk = Talk::new(0);
    store.append(talk.opening(shop)).await?;
    while (talk.version as usize) < events {
        store.append(talk.exchange(shop)).await?;
    }
    Ok(talk)
}

/// Appends that don't wait for each other.
pub(crate) async fn append_all(store: &Store, mut appends: Vec<Append>) -> Outcome<()> {
    let second = appends.split_off(appends.len() / 2);
    let halves = [appends, second].map(|half| tokio::spawn(append_half(store.clone(), half)));
    for half in halves {
        half.await??;
    }
    Ok(())
}

async fn append_half(store: Store, appends: Vec<Append>) -> Result<(), event_store::Error> {
    let store = &store;
    stream::iter(appends)
        .map(|append| async move { store.append(append).await.map(drop) })
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_is_filled_with_are_events_of_the_domain() {
        let shop = Shop { tenant: Uuid::now_v7(), channel: Uuid::now_v7() };
        let mut talk = Talk::new(7);
        let appends = [talk.opening(shop), talk.exchange(shop)];
        let streams: Vec<_> = appends.iter().flat_map(|append| &append.streams).collect();
        let written: usize = streams.iter().map(|stream| stream.events.len()).sum();
        assert_eq!(written, OPENING + EXCHANGE);
        assert_eq!(talk.version, 8);
        for stream in streams {
            for event in &stream.events {
                let payload = event.payload.to_string();
                let (kind, version) = (&stream.aggregate_type, &event.event_version);
                domain::Event::decode(kind, &event.event_type, version, &payload).unwrap();
            }
        }
    }

    #[test]
    fn a_log_has_at_least_as_many_events_as_are_asked_for() {
        for events in [1, 20, 21, 22, 100_000] {
            let Plan { conversations, exchanges } = Plan::of_events(events);
            assert!(conversations * (OPENING + exchanges * EXCHANGE) >= events);
        }
    }
}
