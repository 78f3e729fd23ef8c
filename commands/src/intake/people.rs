//! Who it is that writes: finds contacts by number or id, registers new ones, and follows them
//! through changes of either.

use chrono::{DateTime, Utc};
use domain::contact::{Command, Contact, Identities, Registered, Source};
use domain::{Personal, contact};
use uuid::Uuid;

use super::Intake;
use super::known::{Names, PHONE, USER_ID};
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
        let by_phone = claims.phone.as_ref().and_then(|claim| self.known.find(PHONE, claim));
        let by_id = claims.user_id.as_ref().and_then(|claim| self.known.find(USER_ID, claim));
        let found = by_phone.or(by_id);
        let contact = found.unwrap_or_else(Uuid::now_v7);
        let identities = identities(contact, party);
        if found.is_none() {
            let name = party.profile_name.clone().map(|name| Personal::identity(contact, name));
            let registered = Registered { name, identities, at, source: Source::Whatsapp };
            self.work.execute::<Contact>(contact, Command::Register(registered)).await?;
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
    ) -> Result<(), Error> {
        let claim = self.names().phone(phone);
        if self.known.find(PHONE, &claim).is_none() {
            self.claim(PHONE, claim, contact);
        }
        let number = |digits: &str| {
            Personal::identity(contact, digits.trim_start_matches('+').to_owned())
        };
        let command =
            Command::ChangeNumber { phone: number(phone), previous: number(previous), at };
        self.work.execute::<Contact>(contact, command).await?;
        Ok(())
    }

    pub(super) async fn change_user_id(
        &mut self,
        contact: Uuid,
        previous: &str,
        user_id: &str,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let claim = self.names().user_id(user_id);
        if self.known.find(USER_ID, &claim).is_none() {
            self.claim(USER_ID, claim, contact);
        }
        let id = |id: &str| Personal::identity(contact, id.to_owned());
        let command =
            Command::ChangeUserId { user_id: id(user_id), previous: id(previous), at };
        self.work.execute::<Contact>(contact, command).await?;
        Ok(())
    }

    /// A notice of change may come after the first message under the new name: then whoever is
    /// known under the new one is also who was meant by the old.
    pub(super) fn adopt(&mut self, party: &Party, phone: Option<&String>, id: Option<&String>) {
        let new = phone.map(|phone| (PHONE, self.names().phone(phone)));
        let new = new.or_else(|| id.map(|id| (USER_ID, self.names().user_id(id))));
        let Some(contact) = new.and_then(|(scope, claim)| self.known.find(scope, &claim)) else {
            return;
        };
        let old_phone = party.wa_id.as_ref().map(|number| (PHONE, self.names().phone(number)));
        let old_id = party.user_id.as_ref().map(|id| (USER_ID, self.names().user_id(id)));
        let old: Vec<_> = old_phone.into_iter().chain(old_id).collect();
        if old.iter().all(|(scope, claim)| self.known.find(scope, claim).is_none()) {
            for (scope, claim) in old {
                self.claim(scope, claim, contact);
            }
        }
    }
}

fn identities(contact: Uuid, party: &Party) -> Identities {
    let personal = |value: &String| Personal::identity(contact, value.clone());
    let digits = |number: &String| number.trim_start_matches('+').to_owned();
    contact::Identities {
        phone: party.wa_id.as_ref().map(digits).as_ref().map(personal),
        user_id: party.user_id.as_ref().map(personal),
        username: party.username.as_ref().map(personal),
    }
}
