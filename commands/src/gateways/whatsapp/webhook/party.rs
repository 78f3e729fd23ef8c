//! The person at the other end, put together from what a message says and what stands beside it.

use serde_json::Value;

use super::node::name;

/// Whoever it is that the business talks with. WhatsApp tells a phone number (`wa_id`), an id of
/// its own for this business (`user_id`), or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    pub wa_id: Option<String>,
    pub user_id: Option<String>,
    pub parent_user_id: Option<String>,
    pub username: Option<String>,
    pub profile_name: Option<String>,
}

impl Party {
    /// Reads `from`, `from_user_id`, `from_parent_user_id` where `role` is `from`, and so on.
    pub(super) fn named(item: &Value, role: &str) -> Party {
        Party {
            wa_id: name(item, role),
            user_id: name(item, &format!("{role}_user_id")),
            parent_user_id: name(item, &format!("{role}_parent_user_id")),
            ..Party::default()
        }
    }

    /// The customer of a thread, which is named by a number or by a user id like `US.1234`.
    pub(super) fn of_thread(id: &str) -> Party {
        let country = id.split_once('.').map_or("", |(country, _)| country);
        let by_user_id = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        if by_user_id {
            Party { user_id: Some(id.to_owned()), ..Party::default() }
        } else {
            Party { wa_id: Some(id.to_owned()), ..Party::default() }
        }
    }

    pub(super) fn is_unnamed(&self) -> bool {
        self.wa_id.is_none() && self.user_id.is_none()
    }

    /// Fills in what the contact of the same number or id knows; somebody unnamed can only be
    /// the sole contact.
    pub(super) fn joined(self, contacts: &[Party]) -> Party {
        let mut known = contacts.iter();
        let contact = if self.is_unnamed() {
            known.next().filter(|_| contacts.len() == 1)
        } else {
            known.find(|contact| self.is_same(contact))
        };
        let contact = contact.cloned().unwrap_or_default();
        Party {
            wa_id: self.wa_id.or(contact.wa_id),
            user_id: self.user_id.or(contact.user_id),
            parent_user_id: self.parent_user_id.or(contact.parent_user_id),
            username: self.username.or(contact.username),
            profile_name: self.profile_name.or(contact.profile_name),
        }
    }

    fn is_same(&self, contact: &Party) -> bool {
        let same =
            |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && ours == theirs;
        same(&self.wa_id, &contact.wa_id) || same(&self.user_id, &contact.user_id)
    }

    pub(super) fn contact(contact: &Value) -> Party {
        let profile = contact.get("profile").unwrap_or(&Value::Null);
        Party {
            wa_id: name(contact, "wa_id"),
            user_id: name(contact, "user_id"),
            parent_user_id: name(contact, "parent_user_id"),
            username: name(profile, "username").or_else(|| name(contact, "username")),
            profile_name: name(profile, "name"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn known(contacts: &[Value]) -> Vec<Party> {
        contacts.iter().map(Party::contact).collect()
    }

    #[test]
    fn a_sender_is_joined_with_the_contact_of_the_same_number_or_id() {
        let contacts = [
            json!({"wa_id": "1", "user_id": "GB.1", "profile": {"name": "Ada"}}),
            json!({"user_id": "GB.2", "profile": {"name": "Bea", "username": "@bea"}}),
        ];
        let by_number = Party::named(&json!({"from": "1"}), "from").joined(&known(&contacts));
        assert_eq!(by_number.profile_name.as_deref(), Some("Ada"));
        assert_eq!(by_number.user_id.as_deref(), Some("GB.1"));
        let by_id =
            Party::named(&json!({"from_user_id": "GB.2"}), "from").joined(&known(&contacts));
        assert_eq!(by_id.username.as_deref(), Some("@bea"));
        assert_eq!(by_id.wa_id, None);
    }

    #[test]
    fn nobody_is_taken_for_somebody_else() {
        let contacts = [json!({"wa_id": "1", "profile": {"name": "Ada"}})];
        let other = Party::named(&json!({"from": "2"}), "from").joined(&known(&contacts));
        assert_eq!(other, Party { wa_id: Some("2".into()), ..Party::default() });
        let sole = Party::default().joined(&known(&contacts));
        assert_eq!(sole.wa_id.as_deref(), Some("1"));
        let two = [contacts[0].clone(), json!({"wa_id": "2"})];
        assert_eq!(Party::default().joined(&known(&two)), Party::default());
    }

    #[test]
    fn a_thread_is_named_by_a_number_or_by_a_user_id() {
        assert_eq!(Party::of_thread("15550001").wa_id.as_deref(), Some("15550001"));
        assert_eq!(Party::of_thread("GB.123").user_id.as_deref(), Some("GB.123"));
    }
}
