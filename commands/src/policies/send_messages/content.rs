//! From a message as we keep it to one as WhatsApp takes it.

use domain::Personal;
use domain::conversation::{Event, Outgoing};
use domain::message::{Content, Media};
use serde_json::Value;
use uuid::Uuid;

use crate::gateways::whatsapp::graph::{self, Recipient, Sendable, Source};

/// `None` where the content was erased, or refers to a message that has no id at the provider.
pub(super) fn outgoing(
    message: &Outgoing,
    to: Recipient,
    history: &[Event],
) -> Option<graph::Outgoing> {
    let target = match message.target {
        Some(target) => Some(provider_id(history, target)?),
        None => None,
    };
    let content = sendable(message.body.clear()?.content.clone(), target)?;
    // An answer whose question is unknown to the provider is sent without the quote.
    let reply_to = message.reply_to.and_then(|quoted| provider_id(history, quoted));
    Some(graph::Outgoing { to, content, reply_to, callback_data: message.message.to_string() })
}

/// The provider's id of a message, from the events that have brought it.
fn provider_id(history: &[Event], message: Uuid) -> Option<String> {
    history.iter().rev().find_map(|event| {
        let (of, id): (Uuid, Option<&Personal<String>>) = match event {
            Event::MessageReceived(said) | Event::MessageEchoed(said) => {
                (said.message, Some(&said.provider_id))
            }
            Event::Dispatched(told)
            | Event::Delivered(told)
            | Event::Read(told)
            | Event::Played(told) => (told.message, told.provider_id.as_ref()),
            _ => return None,
        };
        id.filter(|_| of == message)?.clear().cloned()
    })
}

fn sendable(content: Content, target: Option<String>) -> Option<Sendable> {
    Some(match content {
        Content::Text { body, preview_url } => {
            Sendable::Text { body, preview_url: preview_url.unwrap_or_default() }
        }
        Content::Image(media) => {
            Sendable::Image { source: source(&media)?, caption: media.caption }
        }
        Content::Video(media) => {
            Sendable::Video { source: source(&media)?, caption: media.caption }
        }
        Content::Audio(media) => {
            Sendable::Audio { source: source(&media)?, voice: media.voice.unwrap_or_default() }
        }
        Content::Document(media) => Sendable::Document {
            source: source(&media)?,
            caption: media.caption,
            filename: media.filename,
        },
        Content::Sticker(media) => Sendable::Sticker { source: source(&media)? },
        Content::Location { latitude, longitude, name, address, .. } => {
            Sendable::Location { latitude, longitude, name, address }
        }
        Content::Contacts { cards } => Sendable::Contacts(cards),
        Content::Prompt { definition, .. } => {
            Sendable::Prompt(serde_json::from_str(&definition).ok()?)
        }
        Content::Template { name, language, body } => {
            let components: Vec<Value> = match body {
                Some(body) => serde_json::from_str(&body).ok()?,
                None => vec![],
            };
            Sendable::Template { name: name?, language: language?, components }
        }
        Content::Reaction { emoji } => Sendable::Reaction { wamid: target?, emoji },
        _ => return None,
    })
}

fn source(media: &Media) -> Option<Source> {
    let uploaded = media.id.clone().map(Source::Id);
    uploaded.or_else(|| media.url.clone().map(Source::Link))
}
