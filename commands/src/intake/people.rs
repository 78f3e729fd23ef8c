//! Who it is that writes: finds contacts by number or id, registers new ones, follows them through
//! changes of either, and merges two that turn out to be one person.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::Personal;
use domain::contact::{Absorbed, Command, Contact, Identities, Registered, Source};
use domain::conversation::{self, Conversation};
use uuid::Uuid;

use super::Intake;
use super::known::{Names, PHONE, Peer, USER_ID};
use crate::Error;
use crate::gateways::whatsapp::webhook::Party;

/// What one person may be claimed under.
struct Claims {
    phone: Option<Vec<u8>>,
    user_id: Option<Vec<u8>>,
}

impl Intake<'_, '_> {
    pub(super) fn names(&self) -> Names<'_> {
        Names { store: self.store(), route: self.route }
    }

    /// The contact that the party is; registered now if it is new. `None` for nobody.
    pub(super) async fn contact(
        &mut self,
        party: &Party,
        at: DateTime<Utc>,
    ) -> Result<Option<Uuid>, Error> {
        if party.wa_id.is_none() && party.user_id.is_none() {
            return Ok(None);
        }
        let claims = Claims {
            phone: party.wa_id.as_ref().map(|number| self.names().phone(number)),
            user_id: party.user_id.as_ref().map(|id| self.names().user_id(id)),
        };
        let by_phone = self.holder(PHONE, claims.phone.as_ref()).await?;
        let by_id = self.holder(USER_ID, claims.user_id.as_ref()).await?;
        let contact = match (by_phone, by_id) {
            (Some(one), Some(other)) => self.merge(one, other).await?,
            (Some(found), None) | (None, Some(found)) => found,
            (None, None) => Uuid::now_v7(),
        };
        let identities = identities(contact, party);
        if by_phone.or(by_id).is_none() {
            let name = party.profile_name.clone().map(|name| Personal::identity(contact, name));
            self.work.fresh::<Contact>(contact);
            let registered = Registered { name, identities, at, source: Source::Whatsapp };
            self.work.execute::<Contact>(contact, Command::Register(registered)).await?;
            self.known.is_new(self.names().conversation(&Peer::Contact(contact)));
        } else {
            self.work.execute::<Contact>(contact, Command::Identify(identities)).await?;
        }
        if let Some(claim) = claims.phone.filter(|_| by_phone.is_none()) {
            self.claim(PHONE, claim, contact);
        }
        if let Some(claim) = claims.user_id.filter(|_| by_id.is_none()) {
            self.claim(USER_ID, claim, contact);
        }
        Ok(Some(contact))
    }

    /// The contact that a claim leads to; for one that was merged, the one that stands for it.
    async fn holder(
        &mut self,
        scope: &'static str,
        claim: Option<&Vec<u8>>,
    ) -> Result<Option<Uuid>, Error> {
        let mut holder = claim.and_then(|claim| self.known.find(scope, claim));
        while let Some(contact) = holder {
            match self.work.get::<Contact>(contact).await?.merged_into {
                Some(into) => holder = Some(into),
                None => break,
            }
        }
        Ok(holder)
    }

    /// Learns the name that the person bore at `at`. `seen_at` is when they were last heard of
    /// under the name that is known: an older name than that is no news.
    pub(super) async fn name(
        &mut self,
        contact: Uuid,
        name: Option<&String>,
        at: DateTime<Utc>,
        seen_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Some(name) = name else { return Ok(()) };
        let known: &Contact = self.work.get(contact).await?;
        let confirmed = known.name.is_some() && (at, Some(name)) < (seen_at, known.name.as_ref());
        if confirmed || known.name.as_ref() == Some(name) {
            return Ok(());
        }
        let name = Personal::identity(contact, name.clone());
        let rename = Command::Rename { name, at, source: Source::Whatsapp };
        self.work.execute::<Contact>(contact, rename).await?;
        Ok(())
    }

    /// The person moved to another number: from now on they are found under both.
    pub(super) async fn change_number(
        &mut self,
        contact: Uuid,
        previous: &str,
        phone: &str,
        at: DateTime<Utc>,
    ) -> Result<Uuid, Error> {
        let contact = self.also_known(contact, PHONE, self.names().phone(phone)).await?;
        let number =
            |digits: &str| Personal::identity(contact, digits.trim_start_matches('+').to_owned());
        let command =
            Command::ChangeNumber { phone: number(phone), previous: number(previous), at };
        self.work.execute::<Contact>(contact, command).await?;
        Ok(contact)
    }

    pub(super) async fn change_user_id(
        &mut self,
        contact: Uuid,
        previous: &str,
        user_id: &str,
        at: DateTime<Utc>,
    ) -> Result<Uuid, Error> {
        let contact = self.also_known(contact, USER_ID, self.names().user_id(user_id)).await?;
        let id = |id: &str| Personal::identity(contact, id.to_owned());
        let command = Command::ChangeUserId { user_id: id(user_id), previous: id(previous), at };
        self.work.execute::<Contact>(contact, command).await?;
        Ok(contact)
    }

    /// Claims one more name for the contact; whoever has it already is the same person.
    async fn also_known(
        &mut self,
        contact: Uuid,
        scope: &'static str,
        claim: Vec<u8>,
    ) -> Result<Uuid, Error> {
        match self.holder(scope, Some(&claim)).await? {
            Some(other) => self.merge(contact, other).await,
            None => {
                self.claim(scope, claim, contact);
                Ok(contact)
            }
        }
    }

    /// Two contacts turned out to be one person. The one that was known first stands for both.
    async fn merge(&mut self, one: Uuid, other: Uuid) -> Result<Uuid, Error> {
        let (contact, merged) = (one.min(other), one.max(other));
        if contact == merged {
            return Ok(contact);
        }
        let name_at = self.seen_at(merged).await?;
        let kept: Contact = self.work.get::<Contact>(contact).await?.clone();
        let kept_at = self.seen_at(contact).await?.max(kept.named_at);
        let known: Contact = self.work.get::<Contact>(merged).await?.clone();
        let mut absorbed = absorbed(merged, known, name_at);
        let name = absorbed.name.as_ref().and_then(Personal::clear);
        let told = (absorbed.named_by_hand, absorbed.at, name);
        if kept.name.is_some() && told < (kept.named_by_hand, kept_at, kept.name.as_ref()) {
            absorbed.name = None;
        }
        self.merge_conversations(contact, merged).await?;
        self.work.execute::<Contact>(merged, Command::Merge { into: contact }).await?;
        self.work.execute::<Contact>(contact, Command::Absorb(absorbed)).await?;
        Ok(contact)
    }

    /// When the contact last wrote, by the provider's clock.
    async fn seen_at(&mut self, contact: Uuid) -> Result<DateTime<Utc>, Error> {
        match self.latest(&Peer::Contact(contact)).await? {
            Some((_, id)) => Ok(self.work.get::<Conversation>(id).await?.last_inbound_at),
            None => Ok(DateTime::UNIX_EPOCH),
        }
    }

    /// What was said with the merged contact on this channel goes on where the other's is.
    async fn merge_conversations(&mut self, contact: Uuid, merged: Uuid) -> Result<(), Error> {
        let peer = Peer::Contact(contact);
        let Some((_, from)) = self.latest(&Peer::Contact(merged)).await? else { return Ok(()) };
        let Some((_, into)) = self.latest(&peer).await? else {
            return self.hand_over(contact, from).await;
        };
        let said = self.work.history::<Conversation>(from).await?;
        let messages: BTreeSet<Uuid> =
            said.iter().flat_map(conversation::Event::messages).collect();
        let messages = messages.into_iter().collect();
        let adopt = conversation::Command::Adopt { said };
        self.work.execute::<Conversation>(into, adopt).await?;
        let merge = conversation::Command::Merge { into, messages };
        self.work.execute::<Conversation>(from, merge).await?;
        Ok(())
    }

    /// A conversation that a contact merged into this one had on this channel, if it had one: the
    /// merge happened on another channel and left it where it was.
    pub(super) async fn inherited(&mut self, contact: Uuid) -> Result<Option<(u32, Uuid)>, Error> {
        let absorbed = self.work.get::<Contact>(contact).await?.absorbed.clone();
        for merged in absorbed {
            if let Some((_, conversation)) = self.latest(&Peer::Contact(merged)).await? {
                self.hand_over(contact, conversation).await?;
                return Ok(Some((1, conversation)));
            }
        }
        Ok(None)
    }

    async fn hand_over(&mut self, contact: Uuid, conversation: Uuid) -> Result<(), Error> {
        self.claim_conversation(&Peer::Contact(contact), 1, conversation);
        let replace = conversation::Command::ReplaceContact { contact };
        self.work.execute::<Conversation>(conversation, replace).await?;
        Ok(())
    }
}

/// What is known of a contact, as another one takes it over.
fn absorbed(id: Uuid, contact: Contact, seen_at: DateTime<Utc>) -> Absorbed {
    let personal = |value: String| Personal::identity(id, value);
    Absorbed {
        contact: id,
        name: contact.name.map(personal),
        at: contact.named_at.max(seen_at),
        named_by_hand: contact.named_by_hand,
        identities: Identities {
            phone: contact.phone.map(personal),
            user_id: contact.user_id.map(personal),
            username: contact.username.map(personal),
        },
        phoned_at: contact.phoned_at,
        user_id_at: contact.user_id_at,
        tags: contact.tags,
        attributes: contact.attributes.into_iter().map(|(k, v)| (k, personal(v))).collect(),
    }
}

fn identities(contact: Uuid, party: &Party) -> Identities {
    let personal = |value: &String| Personal::identity(contact, value.clone());
    let digits = |number: &String| number.trim_start_matches('+').to_owned();
    Identities {
        phone: party.wa_id.as_ref().map(digits).as_ref().map(personal),
        user_id: party.user_id.as_ref().map(personal),
        username: party.username.as_ref().map(personal),
    }
}
