//! Takes in what a provider tells: from notifications to commands, all of one webhook body in one
//! unit of work.
//!
//! Nothing here depends on the order in which webhooks arrive. People, conversations and messages
//! are found by claims, which are keyed hashes of what the provider calls them; whoever comes
//! first mints the id, be it the message or only a receipt or a reaction to it.

pub mod known;
mod messages;
mod notices;
mod people;
mod route;
pub mod templates;

use domain::Actor;
use event_store::Store;
use uuid::Uuid;

use crate::gateways::whatsapp::webhook::{Notification, Party, Update};
use crate::{Commands, Error, Meta, Work};

use known::Known;
pub use route::{Merchant, Route, Routes};

/// What became of a webhook's notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub notifications: usize,
    /// Notifications that were here before.
    pub duplicates: usize,
    pub events: usize,
    pub position: i64,
}

/// Records what the notifications tell. When it returns, everything is durable.
pub async fn receive(
    commands: &Commands,
    route: &Route,
    notifications: &[Notification],
    correlation_id: Uuid,
) -> Result<Received, Error> {
    let mut meta = Meta::new(route.tenant, Actor::Channel(route.channel));
    meta.correlation_id = correlation_id;
    let _turn = commands.turn(first_party(commands.store(), route, notifications)).await;
    let outcome = commands
        .transact(&meta, async |work: &mut Work| {
            let known = Known::gather(commands, route, notifications).await?;
            let mut intake = Intake { work, route, known, duplicates: 0 };
            for notification in notifications {
                intake.take(notification).await?;
            }
            Ok(intake.duplicates)
        })
        .await?;
    Ok(Received {
        notifications: notifications.len(),
        duplicates: outcome.value,
        events: outcome.events,
        position: outcome.position,
    })
}

/// Who holds a message's claim: the message, and the conversation that it is in.
pub fn message_owner(message: Uuid, conversation: Uuid) -> String {
    format!("{message} {conversation}")
}

/// The claim by which a message that the provider took is known as ours.
pub fn message_claim(store: &Store, route: &Route, wamid: &str) -> (&'static str, Vec<u8>) {
    (known::MESSAGE, messages::sent_claim(&known::Names { store, route }, wamid))
}

/// The contact that a party is, and the conversation with them on a channel; registered and opened
/// now where they are new.
pub async fn conversation_with(
    work: &mut Work<'_>,
    route: &Route,
    party: &Party,
) -> Result<Option<(Uuid, Uuid)>, Error> {
    let now = work.commands().store().clock().now();
    let known = Known::of_party(work.commands().store(), route, party).await?;
    let mut intake = Intake { work, route, known, duplicates: 0 };
    let Some(contact) = intake.contact(party, now).await? else { return Ok(None) };
    let conversation = intake.conversation(contact, None, None, true).await?;
    Ok(Some((contact, conversation)))
}

/// Webhooks about the same customer take turns instead of racing for the conversation.
fn first_party(store: &Store, route: &Route, notifications: &[Notification]) -> Uuid {
    let party = notifications.iter().find_map(|told| match &told.update {
        Update::Message(message) | Update::Echo(message) => Some(&message.party),
        Update::Status(status) => Some(&status.recipient),
        _ => None,
    });
    let name = party.and_then(|party| party.wa_id.as_ref().or(party.user_id.as_ref()));
    let name = name.map_or("", String::as_str);
    let hash = store.lookup(route.tenant, &[b"turn", name.as_bytes()]);
    Uuid::from_slice(&hash[..16]).unwrap_or_default()
}

struct Intake<'i, 'w> {
    work: &'i mut Work<'w>,
    route: &'i Route,
    known: Known,
    duplicates: usize,
}

impl Intake<'_, '_> {
    async fn take(&mut self, told: &Notification) -> Result<(), Error> {
        match &told.update {
            Update::Message(message) => self.message(told, message, false).await,
            Update::Echo(message) => self.message(told, message, true).await,
            Update::Status(status) => self.status(told, status).await,
            _ => self.notice(told).await,
        }
    }

    fn store(&self) -> &Store {
        self.work.commands().store()
    }

    fn claim(&mut self, scope: &'static str, value: Vec<u8>, owner: Uuid) {
        self.known.learn(scope, value.clone(), owner);
        self.work.claim(scope, value, owner.to_string());
    }

    /// Claims something about a message, which is in that conversation.
    fn claim_message(&mut self, value: Vec<u8>, message: Uuid, conversation: Uuid) {
        self.known.learn(known::MESSAGE, value.clone(), message);
        self.known.settle(message, conversation);
        self.work.claim(known::MESSAGE, value, message_owner(message, conversation));
    }

    /// The line that the provider named, where it is not the channel's own.
    fn foreign_line(&self, told: &Notification) -> Option<String> {
        let line = told.line.as_ref()?.phone_number_id.clone();
        (line != self.route.line).then_some(line)
    }
}
