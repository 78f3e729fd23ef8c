//! One line that stands for a message in a list of conversations.

use super::{Card, Content, Media, Reply};

const LONGEST: usize = 120;

pub(super) fn of(content: &Content) -> String {
    match content {
        Content::Text { body, .. } => body.clone(),
        Content::Image(media) => media.caption.clone().unwrap_or_else(|| "Photo".into()),
        Content::Video(media) => media.caption.clone().unwrap_or_else(|| "Video".into()),
        Content::Audio(media) => audio(media).into(),
        Content::Document(media) => document(media),
        Content::Sticker(_) => "Sticker".into(),
        Content::Location { name, address, .. } => {
            labelled("Location", name.as_deref().or(address.as_deref()))
        }
        Content::Contacts { cards } => contacts(cards),
        Content::Prompt { text, kind, .. } => text.clone().unwrap_or_else(|| kind.clone()),
        Content::Interactive { reply } => answer(reply),
        Content::Button { text, payload } => {
            text.clone().or_else(|| payload.clone()).unwrap_or_else(|| "Button".into())
        }
        Content::Reaction { emoji } => {
            emoji.clone().unwrap_or_else(|| "Took back a reaction".into())
        }
        Content::Order { items, .. } => match items.len() {
            1 => "Order of 1 item".into(),
            n => format!("Order of {n} items"),
        },
        Content::System { body, .. } => body.clone().unwrap_or_else(|| "System message".into()),
        // Edits of edits don't occur, and a hostile chain of them must not cost a stack.
        Content::Edit { content } => match content.as_ref() {
            Content::Edit { .. } => "Edited".into(),
            inner => labelled("Edited", Some(&of(inner))),
        },
        Content::Revoke => "Deleted message".into(),
        Content::RequestWelcome => "Opened the chat".into(),
        Content::MediaPlaceholder => "Media".into(),
        Content::Template { name, .. } => labelled("Template", name.as_deref()),
        Content::Unsupported { .. } => "Unsupported message".into(),
    }
}

fn labelled(label: &str, detail: Option<&str>) -> String {
    match detail.map(str::trim) {
        None | Some("") => label.into(),
        Some(detail) => format!("{label}: {detail}"),
    }
}

fn audio(media: &Media) -> &'static str {
    if media.voice == Some(true) { "Voice message" } else { "Audio" }
}

fn document(media: &Media) -> String {
    media.caption.clone().unwrap_or_else(|| labelled("Document", media.filename.as_deref()))
}

fn contacts(cards: &[Card]) -> String {
    match cards {
        [card] => labelled("Contact", card.name.formatted.as_deref()),
        cards => format!("{} contacts", cards.len()),
    }
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::ButtonReply { title, .. } | Reply::ListReply { title, .. } => title.clone(),
        Reply::NfmReply { name, .. } => labelled("Form", name.as_deref()),
        Reply::CallPermissionReply { response, .. } => labelled("Call permission", Some(response)),
        Reply::Other { kind, .. } => labelled("Reply", kind.as_deref()),
    }
}

/// Joins all whitespace into single spaces and cuts what is too long.
pub(super) fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    let mut cut: String = line.chars().take(LONGEST - 1).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Item, Name};

    fn text(body: &str) -> String {
        Content::Text { body: body.into(), preview_url: None }.preview()
    }

    #[test]
    fn a_text_is_shown_on_one_line_of_at_most_120_characters() {
        assert_eq!(text(" Good\n\n morning\t! "), "Good morning !");
        assert_eq!(text(&"é".repeat(120)), "é".repeat(120));
        let cut = text(&"é".repeat(121));
        assert_eq!(cut.chars().count(), 120);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn media_shows_its_caption_or_says_what_it_is() {
        let media = Media::default();
        let captioned = Media { caption: Some("The roof".into()), ..Media::default() };
        let voice = Media { voice: Some(true), ..Media::default() };
        let named = Media { filename: Some("bill.pdf".into()), ..Media::default() };
        assert_eq!(Content::Image(media.clone()).preview(), "Photo");
        assert_eq!(Content::Image(captioned).preview(), "The roof");
        assert_eq!(Content::Audio(media).preview(), "Audio");
        assert_eq!(Content::Audio(voice).preview(), "Voice message");
        assert_eq!(Content::Document(named).preview(), "Document: bill.pdf");
    }

    #[test]
    fn orders_cards_reactions_and_edits_say_what_they_are() {
        let order =
            |n| Content::Order { catalog_id: None, text: None, items: vec![Item::default(); n] };
        assert_eq!(order(3).preview(), "Order of 3 items");
        assert_eq!(order(1).preview(), "Order of 1 item");
        let name = Name { formatted: Some("Ada L".into()), ..Name::default() };
        let card = Card { name, ..Card::default() };
        assert_eq!(Content::Contacts { cards: vec![card.clone()] }.preview(), "Contact: Ada L");
        assert_eq!(Content::Contacts { cards: vec![card; 2] }.preview(), "2 contacts");
        assert_eq!(Content::Reaction { emoji: Some("👍".into()) }.preview(), "👍");
        let place = Content::Location {
            latitude: 0.0,
            longitude: 0.0,
            name: Some("Home".into()),
            address: None,
            url: None,
        };
        let edit = Content::Edit { content: Box::new(place) };
        assert_eq!(edit.preview(), "Edited: Location: Home");
    }
}
