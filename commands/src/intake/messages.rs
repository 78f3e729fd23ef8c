//! Messages, and what became of them.

use chrono::{DateTime, Utc};
use domain::Personal;
use domain::channel::WhenClosed;
use domain::conversation::{self, Author, Body, Command, Conversation, Receipt, State};
use domain::message::{Content, Delivery, Kind};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Intake;
use super::known::{CONVERSATION, MESSAGE, Names, Peer, line_of};
use crate::gateways::whatsapp::webhook::{Message, Notification, Status};
use crate::{Error, effects};

/// What follows a message's hash in its claims, before a hash of the content.
const CONTENT: u8 = b'm';
const PLACEHOLDER: u8 = b'p';
const RECEIPT: u8 = b'r';
/// A message of ours that the provider took.
const SENT: u8 = b's';
/// Only referred to so far.
const REFERENCE: u8 = b'x';

/// A message that was not here before.
struct New {
    message: Uuid,
    /// Another content came under the same id.
    conflict: bool,
    /// What it is claimed under, once its conversation is known.
    claim: Vec<u8>,
}

impl Intake<'_, '_> {
    pub(super) async fn message(
        &mut self,
        told: &Notification,
        message: &Message,
        echo: bool,
    ) -> Result<(), Error> {
        let line = line_of(told, self.route).to_owned();
        let Some(New { message: id, conflict, claim }) = self.news(&line, message) else {
            self.duplicates += 1;
            return Ok(());
        };
        let Some(contact) = self.contact(&message.party, message.at).await? else {
            return self.notice(told).await;
        };
        let home = message.target.as_deref().and_then(|target| self.known_home(&line, target));
        let news = !echo && message.target.is_none();
        let group = message.group_id.as_ref();
        let conversation = self.conversation(contact, group, home, news).await?;
        self.claim_message(claim, id, conversation);
        let seen_at = self.work.get::<Conversation>(conversation).await?.last_inbound_at;
        if !echo {
            let name = message.party.profile_name.as_ref();
            self.name(contact, name, message.at, seen_at).await?;
        }
        let quoted = message.quoted.as_ref().and_then(|quoted| quoted.provider_id.as_deref());
        let said = conversation::Message {
            message: id,
            channel: self.route.channel,
            contact,
            cycle: 0,
            kind: message.content.kind(),
            at: message.at,
            order: order(&line, message),
            body: Personal::content(
                contact,
                Body {
                    content: message.content.clone(),
                    referral: message.referral.clone(),
                    context: message.context.clone(),
                },
            ),
            provider_id: Personal::provider(contact, message.provider_id.clone()),
            reply_to: quoted.map(|quoted| self.reference(&line, quoted, conversation)),
            target: message
                .target
                .as_deref()
                .map(|target| self.reference(&line, target, conversation)),
            conflict,
            moved: false,
            imported: message.imported,
            line: self.foreign_line(told),
            author: if echo { Author::Human } else { Author::Customer },
        };
        let command = if echo { Command::Echo(said) } else { Command::Receive(said) };
        self.work.execute::<Conversation>(conversation, command).await?;
        if let Some(delivery) = message.history_status {
            let receipt =
                self.receipt(told, contact, id, message.at, &message.provider_id, &message.raw);
            self.report(conversation, delivery, receipt).await?;
        }
        self.follow_changes(contact, message).await
    }

    pub(super) async fn status(
        &mut self,
        told: &Notification,
        status: &Status,
    ) -> Result<(), Error> {
        let line = line_of(told, self.route).to_owned();
        let prefix = self.names().message(&line, &status.provider_id);
        let content = self.names().short(&[b"content", status.raw.as_bytes()]);
        let claim = [prefix.as_slice(), &[RECEIPT], &content].concat();
        if self.known.find(MESSAGE, &claim).is_some() {
            self.duplicates += 1;
            return Ok(());
        }
        let (conversation, contact, message) = match self.ours(status).await? {
            Some(ours) => ours,
            None => {
                let Some(contact) = self.contact(&status.recipient, status.at).await? else {
                    return self.notice(told).await;
                };
                let own = self.own(&prefix);
                let home = own.and_then(|message| self.known.home(message));
                let group = status.group.as_ref();
                let conversation = self.conversation(contact, group, home, false).await?;
                (conversation, contact, own.unwrap_or_else(Uuid::now_v7))
            }
        };
        self.claim_message(claim, message, conversation);
        let mut receipt =
            self.receipt(told, contact, message, status.at, &status.provider_id, &status.raw);
        receipt.errors.clone_from(&status.errors);
        receipt.pricing.clone_from(&status.pricing);
        self.report(conversation, status.status, receipt).await
    }

    async fn report(
        &mut self,
        conversation: Uuid,
        delivery: Delivery,
        receipt: Receipt,
    ) -> Result<(), Error> {
        let command = Command::Report { delivery, receipt };
        self.work.execute::<Conversation>(conversation, command).await?;
        Ok(())
    }

    fn receipt(
        &self,
        told: &Notification,
        contact: Uuid,
        message: Uuid,
        at: DateTime<Utc>,
        provider_id: &str,
        raw: &str,
    ) -> Receipt {
        Receipt {
            message,
            channel: self.route.channel,
            contact,
            at,
            provider_id: Some(Personal::provider(contact, provider_id.to_owned())),
            errors: vec![],
            pricing: None,
            line: self.foreign_line(told),
            moved: false,
            raw: Personal::provider(contact, raw.to_owned()),
        }
    }

    /// The same line, provider id and content is a duplicate, `None`; the same id with other content
    /// is kept with the first. A placeholder of an imported history contradicts nothing.
    fn news(&mut self, line: &str, message: &Message) -> Option<New> {
        let prefix = self.names().message(line, &message.provider_id);
        let content = self.names().short(&[b"content", message.raw.as_bytes()]);
        let placeholder = message.content.kind() == Kind::MediaPlaceholder;
        let tag = if placeholder { PLACEHOLDER } else { CONTENT };
        let claim = [prefix.as_slice(), &[tag], &content].concat();
        if self.known.find(MESSAGE, &claim).is_some() {
            return None;
        }
        let is_content = |(rest, _): (&[u8], Uuid)| rest.first() == Some(&CONTENT);
        let conflict = !placeholder && self.known.beginning(MESSAGE, &prefix).any(is_content);
        let message = self.own(&prefix).unwrap_or_else(Uuid::now_v7);
        Some(New { message, conflict, claim })
    }

    /// The id under which the message of these claims is known, if it is.
    fn own(&self, prefix: &[u8]) -> Option<Uuid> {
        // The first that was claimed: ids are minted in the order of time.
        self.known.beginning(MESSAGE, prefix).map(|(_, message)| message).min()
    }

    /// A message of ours by what the provider hands back that we gave it along: its conversation,
    /// its contact, and its id. So it is known although its sending got no answer, or whoever it
    /// went to goes by another number there, or somebody gave it up meanwhile.
    async fn ours(&mut self, status: &Status) -> Result<Option<(Uuid, Uuid, Uuid)>, Error> {
        let told = status.callback_data.as_deref().and_then(|told| told.parse().ok());
        let Some(message) = told else { return Ok(None) };
        let (store, route) = (self.work.commands().store(), self.route);
        let effect = effects::find(store, route.tenant, message).await?;
        let Some(effect) = effect.filter(|effect| effect.line == route.channel) else {
            return Ok(None);
        };
        let (conversation, _) = self.standing(effect.aggregate).await?;
        let between = self.work.get::<Conversation>(conversation).await?.between;
        Ok(between.map(|(_, contact)| (conversation, contact, message)))
    }

    /// The id of a message that another one refers to, minted now if it is still to come.
    fn reference(&mut self, line: &str, provider_id: &str, conversation: Uuid) -> Uuid {
        let prefix = self.names().message(line, provider_id);
        self.own(&prefix).unwrap_or_else(|| {
            let message = Uuid::now_v7();
            let claim = [prefix.as_slice(), &[REFERENCE]].concat();
            self.claim_message(claim, message, conversation);
            message
        })
    }

    /// The conversation that a message already known to be there is in.
    fn known_home(&self, line: &str, provider_id: &str) -> Option<Uuid> {
        self.known.home(self.own(&self.names().message(line, provider_id))?)
    }

    /// The conversation with this contact or group that something belongs to: `home` where it is
    /// known, else the latest one, opened now if there is none. Only news of the customer's go on
    /// in a new one where the channel says so.
    pub(super) async fn conversation(
        &mut self,
        contact: Uuid,
        group: Option<&String>,
        home: Option<Uuid>,
        news: bool,
    ) -> Result<Uuid, Error> {
        let peer = group.map_or(Peer::Contact(contact), |group| Peer::Group(group.clone()));
        let renews = news && self.route.when_closed == WhenClosed::NewConversation;
        if let Some(home) = home.filter(|_| group.is_none()) {
            let (home, state) = self.standing(home).await?;
            let at_home: &Conversation = self.work.get(home).await?;
            let with = at_home.between.map(|(_, with)| with);
            let theirs = with == Some(contact) && !at_home.in_group;
            if theirs && (!renews || state != State::Closed) {
                return Ok(home);
            }
        }
        let mut latest = self.latest(&peer).await?;
        if latest.is_none() && group.is_none() {
            latest = self.inherited(contact).await?;
        }
        let next = match latest {
            None => 1,
            Some((ordinal, id)) => {
                let (id, state) = self.standing(id).await?;
                if !renews || state != State::Closed {
                    return Ok(id);
                }
                ordinal + 1
            }
        };
        let id = Uuid::now_v7();
        self.work.fresh::<Conversation>(id);
        self.claim_conversation(&peer, next, id);
        let group = group.map(|group| Personal::provider(contact, group.clone()));
        let command = Command::Open { channel: self.route.channel, contact, group };
        self.work.execute::<Conversation>(id, command).await?;
        Ok(id)
    }

    /// The conversation itself, or the one it was merged into, and where that stands.
    async fn standing(&mut self, mut id: Uuid) -> Result<(Uuid, State), Error> {
        loop {
            let conversation: &Conversation = self.work.get(id).await?;
            match conversation.merged_into {
                Some(into) => id = into,
                None => return Ok((id, conversation.state)),
            }
        }
    }

    /// The latest conversation with a peer, and the how many-eth it is.
    pub(super) async fn latest(&mut self, peer: &Peer) -> Result<Option<(u32, Uuid)>, Error> {
        let prefix = self.names().conversation(peer);
        self.known.look_into(self.work.commands().store(), self.route, &prefix).await?;
        let latest = self.known.beginning(CONVERSATION, &prefix).next_back();
        Ok(latest.map(|(ordinal, id)| {
            let ordinal = <[u8; 4]>::try_from(ordinal).map_or(1, u32::from_be_bytes);
            (ordinal, id)
        }))
    }

    pub(super) fn claim_conversation(&mut self, peer: &Peer, ordinal: u32, id: Uuid) {
        let prefix = self.names().conversation(peer);
        self.claim(CONVERSATION, [prefix, ordinal.to_be_bytes().to_vec()].concat(), id);
    }

    async fn follow_changes(&mut self, contact: Uuid, message: &Message) -> Result<(), Error> {
        let Content::System { new_wa_id, new_user_id, .. } = &message.content else {
            return Ok(());
        };
        let (party, at) = (&message.party, message.at);
        let contact = match new_wa_id {
            Some(phone) => {
                let previous = party.wa_id.as_deref().unwrap_or_default();
                self.change_number(contact, previous, phone, at).await?
            }
            None => contact,
        };
        if let Some(user_id) = new_user_id {
            let previous = party.user_id.as_deref().unwrap_or_default();
            self.change_user_id(contact, previous, user_id, at).await?;
        }
        Ok(())
    }
}

pub(super) fn sent_claim(names: &Names, wamid: &str) -> Vec<u8> {
    [names.message(&names.route.line, wamid), vec![SENT]].concat()
}

/// Without a key, so that the same messages stand in the same order in every installation. The
/// provider's id has enough chance in it that nobody finds the content by guessing.
fn order(line: &str, message: &Message) -> String {
    let hash = Sha256::new()
        .chain_update(line)
        .chain_update([0])
        .chain_update(&message.provider_id)
        .chain_update([0])
        .chain_update(&message.raw)
        .finalize();
    hex::encode(&hash[..8])
}
