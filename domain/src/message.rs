//! What a message says, whatever channel carried it: values without identity, kept for ever inside
//! encrypted payloads, so their stored form only ever grows optional fields.

mod card;
mod delivery;
mod kind;
mod origin;
mod part;
mod preview;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use card::{Address, Card, Email, Name, Organization, Phone, Url};
pub use delivery::{ConversationOrigin, Delivery, DeliveryError, Pricing};
pub use kind::Kind;
pub use origin::{Context, Product, Referral};
pub use part::{Identity, Item, Media, Reply};

/// The content of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(rename = "MessageContent")]
pub enum Content {
    Text {
        body: String,
        /// Whether the first link unfolds into a preview; only what we send says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preview_url: Option<bool>,
    },
    Image(Media),
    Video(Media),
    Audio(Media),
    Document(Media),
    Sticker(Media),
    Location {
        latitude: f64,
        longitude: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    Contacts {
        cards: Vec<Card>,
    },
    /// What somebody chose or filled in where a message offered it.
    Interactive {
        reply: Reply,
    },
    /// Buttons, a list, a link or a form that we offer to choose from.
    Prompt {
        /// The provider's word: `button`, `list`, `cta_url`, `flow` …
        kind: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The provider's JSON of it.
        definition: String,
    },
    /// A press on a template's quick-reply button.
    Button {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<String>,
    },
    Reaction {
        /// `None`: the reaction was taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
    },
    Order {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        catalog_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        items: Vec<Item>,
    },
    /// The provider tells of a change about the customer, inside the conversation.
    System {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_wa_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_user_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_parent_user_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<Identity>,
    },
    /// What an earlier message says from now on.
    Edit {
        content: Box<Content>,
    },
    /// An earlier message was deleted for everybody.
    Revoke,
    /// Somebody opened the chat for the first time and waits to be greeted.
    RequestWelcome,
    /// A message of the imported history whose media comes later, if at all.
    MediaPlaceholder,
    Template {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// The template's filled-in components, as the provider's JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// A message that the provider can't hand over, or whose form we don't know.
    Unsupported {
        /// The provider's word for it.
        kind: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        errors: Vec<DeliveryError>,
        /// The provider's JSON, so that nothing is lost.
        body: String,
    },
}

impl Content {
    pub fn kind(&self) -> Kind {
        match self {
            Content::Text { .. } => Kind::Text,
            Content::Image(_) => Kind::Image,
            Content::Video(_) => Kind::Video,
            Content::Audio(_) => Kind::Audio,
            Content::Document(_) => Kind::Document,
            Content::Sticker(_) => Kind::Sticker,
            Content::Location { .. } => Kind::Location,
            Content::Contacts { .. } => Kind::Contacts,
            Content::Prompt { .. } | Content::Interactive { .. } => Kind::Interactive,
            Content::Button { .. } => Kind::Button,
            Content::Reaction { .. } => Kind::Reaction,
            Content::Order { .. } => Kind::Order,
            Content::System { .. } => Kind::System,
            Content::Edit { .. } => Kind::Edit,
            Content::Revoke => Kind::Revoke,
            Content::RequestWelcome => Kind::RequestWelcome,
            Content::MediaPlaceholder => Kind::MediaPlaceholder,
            Content::Template { .. } => Kind::Template,
            Content::Unsupported { .. } => Kind::Unsupported,
        }
    }

    /// One line of at most 120 characters for a list of conversations.
    pub fn preview(&self) -> String {
        preview::line(&preview::of(self))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stored(content: &Content) -> serde_json::Value {
        let value = serde_json::to_value(content).unwrap();
        assert_eq!(&serde_json::from_value::<Content>(value.clone()).unwrap(), content);
        assert_eq!(value["type"], content.kind().as_str());
        value
    }

    #[test]
    fn every_content_is_stored_under_the_word_of_its_kind_and_read_back_whole() {
        let media = Media { id: Some("7".into()), voice: Some(true), ..Media::default() };
        let card = Card {
            name: Name { formatted: Some("Ada L".into()), ..Name::default() },
            phones: vec![Phone { phone: Some("+1 555".into()), ..Phone::default() }],
            ..Card::default()
        };
        let error = DeliveryError { code: 131051, ..DeliveryError::default() };
        let contents = [
            Content::Text { body: "Hi".into(), preview_url: None },
            Content::Image(media.clone()),
            Content::Video(media.clone()),
            Content::Audio(media.clone()),
            Content::Document(media.clone()),
            Content::Sticker(media),
            Content::Location {
                latitude: 1.5,
                longitude: -2.25,
                name: None,
                address: None,
                url: None,
            },
            Content::Contacts { cards: vec![card] },
            Content::Interactive { reply: Reply::Other { kind: None, body: "{}".into() } },
            Content::Button { text: Some("Yes".into()), payload: None },
            Content::Reaction { emoji: None },
            Content::Order { catalog_id: None, text: None, items: vec![Item::default()] },
            Content::System {
                kind: Some("user_changed_number".into()),
                body: None,
                new_wa_id: Some("15550001".into()),
                new_user_id: None,
                new_parent_user_id: None,
                identity: Some(Identity::default()),
            },
            Content::Edit { content: Box::new(Content::Revoke) },
            Content::Revoke,
            Content::RequestWelcome,
            Content::MediaPlaceholder,
            Content::Template { name: Some("welcome".into()), language: None, body: None },
            Content::Unsupported { kind: "poll".into(), errors: vec![error], body: "{}".into() },
        ];
        for content in &contents {
            stored(content);
        }
        assert_eq!(contents.len(), Kind::ALL.len());
    }

    #[test]
    fn what_is_not_known_takes_no_room_in_the_store() {
        let text = stored(&Content::Text { body: "Hi".into(), preview_url: None });
        assert_eq!(text, serde_json::json!({"type": "text", "body": "Hi"}));
        let image = stored(&Content::Image(Media { id: Some("7".into()), ..Media::default() }));
        assert_eq!(image, serde_json::json!({"type": "image", "id": "7"}));
        let reply = Reply::ButtonReply { id: "a".into(), title: "A".into() };
        let chosen = stored(&Content::Interactive { reply });
        assert_eq!(
            chosen,
            serde_json::json!({
                "type": "interactive",
                "reply": {"type": "button_reply", "id": "a", "title": "A"}
            })
        );
    }

    #[test]
    fn a_field_that_a_later_release_added_does_not_hide_the_message() {
        let json = r#"{"type": "text", "body": "Hi", "mood": "sunny"}"#;
        let content: Content = serde_json::from_str(json).unwrap();
        assert_eq!(content, Content::Text { body: "Hi".into(), preview_url: None });
    }
}
