//! What is known of the people, conversations and messages that a webhook names: claims, looked up
//! in one or two questions for the whole body, and those that the body itself adds.

use std::collections::{BTreeMap, BTreeSet};

use domain::message::Content;
use domain::template::Draft;
use event_store::Store;
use uuid::Uuid;

use super::Route;
use super::templates::{NAME, PROVIDER_ID, name_claim, provider_claim};
use crate::gateways::whatsapp::webhook::{Message, Notification, Party, Template, Update};
use crate::{Commands, Error, Refusal};

/// The scope of claims on phone numbers.
pub const PHONE: &str = "contact.phone";
pub(super) const USER_ID: &str = "contact.user_id";
pub(super) const CONVERSATION: &str = "conversation";
pub(super) const MESSAGE: &str = "message";
pub(super) const NOTICE: &str = "notice";

/// The value under which a contact's phone number is claimed.
pub fn phone_claim(store: &Store, tenant: Uuid, digits: &str) -> Vec<u8> {
    store.lookup(tenant, &[PHONE.as_bytes(), digits.as_bytes()]).to_vec()
}

/// Claims by scope, in the order of their values, so that all with one beginning stand together.
#[derive(Default)]
pub(super) struct Known {
    claims: BTreeMap<(&'static str, Vec<u8>), Uuid>,
    /// The conversation that each known message is in.
    homes: BTreeMap<Uuid, Uuid>,
    /// The beginnings of conversations' claims that were looked for, or can't be there.
    looked_into: BTreeSet<Vec<u8>>,
}

/// The keyed hashes by which a route's people and messages are claimed.
pub(super) struct Names<'a> {
    pub(super) store: &'a Store,
    pub(super) route: &'a Route,
}

impl Names<'_> {
    fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.store.lookup(self.route.tenant, parts).to_vec()
    }

    pub(super) fn short(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hash(parts)[..16].to_vec()
    }

    pub(super) fn phone(&self, number: &str) -> Vec<u8> {
        phone_claim(self.store, self.route.tenant, number.trim_start_matches('+'))
    }

    pub(super) fn user_id(&self, id: &str) -> Vec<u8> {
        self.hash(&[USER_ID.as_bytes(), id.as_bytes()])
    }

    /// The beginning of a conversation's claim; its ordinal among those with the peer follows.
    pub(super) fn conversation(&self, peer: &Peer) -> Vec<u8> {
        let channel = self.route.channel.as_bytes();
        match peer {
            Peer::Contact(id) => self.short(&[b"conversation", channel, id.as_bytes()]),
            Peer::Group(id) => self.short(&[b"group", channel, id.as_bytes()]),
        }
    }

    /// The claims of all conversations with a contact.
    fn talks(&self, contact: Uuid) -> (&'static str, Vec<u8>) {
        (CONVERSATION, self.conversation(&Peer::Contact(contact)))
    }

    /// The beginning of all claims about one message of the line.
    pub(super) fn message(&self, line: &str, provider_id: &str) -> Vec<u8> {
        self.short(&[MESSAGE.as_bytes(), line.as_bytes(), provider_id.as_bytes()])
    }

    pub(super) fn notice(&self, told: &Notification, raw: &str) -> Vec<u8> {
        let at = told.told_at.map_or(0, |at| at.timestamp_micros()).to_be_bytes();
        self.hash(&[NOTICE.as_bytes(), told.account.as_bytes(), &at, raw.as_bytes()])
    }

    pub(super) fn provider_template(&self, id: &str) -> Vec<u8> {
        provider_claim(self.store, self.route.tenant, id)
    }

    /// The beginning of the claims of all templates that have this one's name.
    pub(super) fn template(&self, template: &Template) -> Option<Vec<u8>> {
        let (name, language) = (template.name.as_ref()?, template.language.as_ref()?);
        let (tenant, channel) = (self.route.tenant, self.route.channel);
        Some(name_claim(self.store, tenant, channel, name, &Draft::language(language)))
    }
}

/// Whether claims of a scope are held by contacts.
fn is_person(scope: &str) -> bool {
    scope == PHONE || scope == USER_ID
}

/// Whom a conversation is with.
pub(super) enum Peer {
    Contact(Uuid),
    Group(String),
}

impl Known {
    /// Looks up everything that the notifications name.
    pub(super) async fn gather(
        commands: &Commands,
        route: &Route,
        notifications: &[Notification],
    ) -> Result<Known, Error> {
        let names = Names { store: commands.store(), route };
        let mut wanted = BTreeSet::new();
        for told in notifications {
            names.wanted(told, &mut wanted);
        }
        // Whoever was heard of before is most likely the same: then one question is enough.
        let people = wanted.iter().filter(|(scope, _)| is_person(scope));
        let met: Vec<Uuid> = people.filter_map(|(_, claim)| commands.met.get(claim)).collect();
        wanted.extend(met.into_iter().map(|contact| names.talks(contact)));
        let mut known = Known::default();
        let asked = wanted.iter().filter(|(scope, _)| *scope == CONVERSATION);
        known.looked_into = asked.map(|(_, prefix)| prefix.clone()).collect();
        known.look_up(names.store, route, wanted).await?;
        let mut talks = BTreeSet::new();
        for ((_, claim), contact) in known.claims.iter().filter(|((scope, _), _)| is_person(scope))
        {
            commands.met.insert(claim.clone(), *contact);
            talks.insert(names.talks(*contact));
        }
        talks.retain(|(_, prefix)| known.looked_into.insert(prefix.clone()));
        known.look_up(names.store, route, talks).await?;
        Ok(known)
    }

    /// Looks up one person.
    pub(super) async fn of_party(
        store: &Store,
        route: &Route,
        party: &Party,
    ) -> Result<Known, Error> {
        let mut wanted = BTreeSet::new();
        Names { store, route }.want_party(party, &mut wanted);
        let mut known = Known::default();
        known.look_up(store, route, wanted).await?;
        Ok(known)
    }

    /// Makes sure that conversations whose claims begin so are known, if there are any.
    pub(super) async fn look_into(
        &mut self,
        store: &Store,
        route: &Route,
        prefix: &[u8],
    ) -> Result<(), Error> {
        if self.looked_into.insert(prefix.to_vec()) {
            let wanted = BTreeSet::from([(CONVERSATION, prefix.to_vec())]);
            self.look_up(store, route, wanted).await?;
        }
        Ok(())
    }

    /// Somebody new has no conversations to look for.
    pub(super) fn is_new(&mut self, prefix: Vec<u8>) {
        self.looked_into.insert(prefix);
    }

    async fn look_up(
        &mut self,
        store: &Store,
        route: &Route,
        wanted: BTreeSet<(&'static str, Vec<u8>)>,
    ) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted: Vec<(&str, Vec<u8>)> = wanted.into_iter().collect();
        for claim in store.claims(route.tenant, &wanted).await? {
            let scopes = [PHONE, USER_ID, CONVERSATION, MESSAGE, NOTICE, NAME, PROVIDER_ID];
            let scope = scopes.into_iter().find(|scope| *scope == claim.scope);
            // A message's claim names its conversation, too.
            let (owner, home) = match claim.owner.split_once(' ') {
                Some((owner, home)) => (owner, home.parse().ok()),
                None => (claim.owner.as_str(), None),
            };
            let owner = owner.parse().map_err(|_| Refusal::NotFound)?;
            self.homes.extend(home.map(|home| (owner, home)));
            self.claims.extend(scope.map(|scope| ((scope, claim.value), owner)));
        }
        Ok(())
    }

    pub(super) fn learn(&mut self, scope: &'static str, value: Vec<u8>, owner: Uuid) {
        self.claims.insert((scope, value), owner);
    }

    pub(super) fn settle(&mut self, message: Uuid, conversation: Uuid) {
        self.homes.insert(message, conversation);
    }

    pub(super) fn home(&self, message: Uuid) -> Option<Uuid> {
        self.homes.get(&message).copied()
    }

    pub(super) fn find(&self, scope: &'static str, value: &[u8]) -> Option<Uuid> {
        self.claims.get(&(scope, value.to_vec())).copied()
    }

    /// All claims whose value begins so, in the order of their values; what follows, and who.
    pub(super) fn beginning(
        &self,
        scope: &'static str,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&[u8], Uuid)> {
        let end = [prefix, &[0xff; 65]].concat();
        let length = prefix.len();
        self.claims
            .range((scope, prefix.to_vec())..=(scope, end))
            .map(move |((_, value), owner)| (&value[length..], *owner))
    }
}

impl Names<'_> {
    fn wanted(&self, told: &Notification, wanted: &mut BTreeSet<(&'static str, Vec<u8>)>) {
        let line = line_of(told, self.route);
        match &told.update {
            Update::Message(message) | Update::Echo(message) => {
                self.want_message(line, message, wanted);
            }
            Update::Status(status) => {
                wanted.insert((MESSAGE, self.message(line, &status.provider_id)));
                self.want_party(&status.recipient, wanted);
                let group = status.group.clone().map(Peer::Group);
                wanted.extend(group.map(|group| (CONVERSATION, self.conversation(&group))));
            }
            Update::UserIdChanged(change) => {
                let ids = change.previous.iter().chain(&change.current);
                wanted.extend(ids.map(|id| (USER_ID, self.user_id(id))));
                wanted.extend(change.wa_id.iter().map(|id| (PHONE, self.phone(id))));
            }
            Update::ContactSynced(contact) => {
                wanted.extend(contact.phone.iter().map(|phone| (PHONE, self.phone(phone))));
            }
            Update::Call(call) => self.want_party(&call.party, wanted),
            Update::Preference(preference) => self.want_party(&preference.party, wanted),
            Update::Template(template) => {
                let id = self.provider_template(&template.provider_template_id);
                wanted.insert((PROVIDER_ID, id));
                wanted.extend(self.template(template).map(|name| (NAME, name)));
            }
            _ => {}
        }
        if let Some(raw) = super::notices::raw(&told.update) {
            wanted.insert((NOTICE, self.notice(told, raw)));
        }
    }

    fn want_message(
        &self,
        line: &str,
        message: &Message,
        wanted: &mut BTreeSet<(&'static str, Vec<u8>)>,
    ) {
        let quoted = message.quoted.as_ref().and_then(|quoted| quoted.provider_id.as_ref());
        let ids = [Some(&message.provider_id), message.target.as_ref(), quoted];
        wanted.extend(ids.into_iter().flatten().map(|id| (MESSAGE, self.message(line, id))));
        self.want_party(&message.party, wanted);
        let group = message.group_id.clone().map(Peer::Group);
        wanted.extend(group.map(|group| (CONVERSATION, self.conversation(&group))));
        if let Content::System { new_wa_id, new_user_id, .. } = &message.content {
            wanted.extend(new_wa_id.iter().map(|id| (PHONE, self.phone(id))));
            wanted.extend(new_user_id.iter().map(|id| (USER_ID, self.user_id(id))));
        }
    }

    fn want_party(&self, party: &Party, wanted: &mut BTreeSet<(&'static str, Vec<u8>)>) {
        wanted.extend(party.wa_id.iter().map(|id| (PHONE, self.phone(id))));
        wanted.extend(party.user_id.iter().map(|id| (USER_ID, self.user_id(id))));
    }
}

/// The line that a notification is about.
pub(super) fn line_of<'a>(told: &'a Notification, route: &'a Route) -> &'a str {
    told.line.as_ref().map_or(&route.line, |line| &line.phone_number_id)
}
