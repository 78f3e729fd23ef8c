//! The kinds of message there are, as words that are stored, filtered by and counted.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MessageKind")]
pub enum Kind {
    Text,
    Image,
    Audio,
    Video,
    Document,
    Sticker,
    Location,
    Contacts,
    Interactive,
    Button,
    Reaction,
    Order,
    System,
    Edit,
    Revoke,
    RequestWelcome,
    MediaPlaceholder,
    Template,
    Unsupported,
}

impl Kind {
    pub const ALL: [Kind; 19] = [
        Kind::Text,
        Kind::Image,
        Kind::Audio,
        Kind::Video,
        Kind::Document,
        Kind::Sticker,
        Kind::Location,
        Kind::Contacts,
        Kind::Interactive,
        Kind::Button,
        Kind::Reaction,
        Kind::Order,
        Kind::System,
        Kind::Edit,
        Kind::Revoke,
        Kind::RequestWelcome,
        Kind::MediaPlaceholder,
        Kind::Template,
        Kind::Unsupported,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Image => "image",
            Kind::Audio => "audio",
            Kind::Video => "video",
            Kind::Document => "document",
            Kind::Sticker => "sticker",
            Kind::Location => "location",
            Kind::Contacts => "contacts",
            Kind::Interactive => "interactive",
            Kind::Button => "button",
            Kind::Reaction => "reaction",
            Kind::Order => "order",
            Kind::System => "system",
            Kind::Edit => "edit",
            Kind::Revoke => "revoke",
            Kind::RequestWelcome => "request_welcome",
            Kind::MediaPlaceholder => "media_placeholder",
            Kind::Template => "template",
            Kind::Unsupported => "unsupported",
        }
    }

    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_word_wherever_it_is_written() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("telepathy"), None);
    }
}
