//! What people send, in the form in which the Cloud API passes it on.

use serde_json::{Map, Value, json};

use super::super::{Line, Person};
use super::beat::{About, What};
use crate::chance::Chance;

const CATALOG: &str = "381200457719033";

/// What a beat's words depend on: who writes, and the ids of the thread's messages so far.
pub(super) struct Scene<'a> {
    pub(super) line: &'a Line,
    pub(super) who: &'a Person,
    pub(super) ids: &'a [String],
}

impl Scene<'_> {
    fn id(&self, beat: usize) -> &str {
        self.ids.get(beat).map_or("", String::as_str)
    }

    /// The message's type and what stands under it.
    pub(super) fn content(&self, what: What, chance: &mut Chance) -> (&'static str, Value) {
        match what {
            What::Text(body) => ("text", json!({"body": body})),
            What::Photo(caption) => ("image", captioned(chance.media("image/jpeg"), caption)),
            What::Video(caption) => ("video", captioned(chance.media("video/mp4"), caption)),
            What::Pdf(filename, caption) => {
                let mut file = captioned(chance.media("application/pdf"), caption);
                file["filename"] = json!(filename);
                ("document", file)
            }
            What::VoiceNote => {
                let mut file = chance.media("audio/ogg; codecs=opus");
                file["voice"] = json!(true);
                ("audio", file)
            }
            What::Sticker => {
                let mut file = chance.media("image/webp");
                file["animated"] = json!(false);
                ("sticker", file)
            }
            What::Place(latitude, longitude, name, address) => (
                "location",
                json!({
                    "latitude": latitude, "longitude": longitude, "name": name, "address": address,
                }),
            ),
            What::Card(first, last, number) => ("contacts", card(first, last, number)),
            What::Order(currency, items, text) => ("order", order(currency, items, text)),
            What::Reaction(beat, emoji) => {
                ("reaction", json!({"message_id": self.id(beat), "emoji": emoji}))
            }
            What::Edit(beat, body) => (
                "edit",
                json!({
                    "original_message_id": self.id(beat),
                    "message": {"type": "text", "text": {"body": body}},
                }),
            ),
            What::Revoke(beat) => ("revoke", json!({"original_message_id": self.id(beat)})),
            What::NewNumber(anew) => ("system", self.new_number(anew)),
            What::QuickReply(text) => ("button", json!({"payload": text, "text": text})),
            What::ButtonReply(..) | What::ListReply(..) | What::Form(_) => {
                ("interactive", interactive(what))
            }
            What::Unsupported => ("unsupported", Value::Null),
            What::StopMarketing => ("user_preferences", self.stop_marketing()),
        }
    }

    /// What stands beside the content.
    pub(super) fn extras(&self, what: What, about: About) -> Value {
        let business = &self.line.display_phone_number;
        match (what, about) {
            (What::Unsupported, _) => json!({"errors": [{
                "code": 131051,
                "title": "Message type unknown",
                "message": "Message type unknown",
                "error_data": {"details": "Message type is currently not supported."},
            }]}),
            (_, About::Nothing) => Value::Null,
            (_, About::Beat(beat)) => json!({"context": {"from": business, "id": self.id(beat)}}),
            (_, About::Product(article)) => json!({"context": {
                "from": business,
                "id": Chance::of(article, 0).wamid(self.who.address()),
                "referred_product": {"catalog_id": CATALOG, "product_retailer_id": article},
            }}),
            (_, About::Advertisement) => json!({"referral": {
                "source_url": "https://example.com/baraka-home/solar-offer",
                "source_id": "120214400871230551",
                "source_type": "ad",
                "headline": "Light for the whole house",
                "body": "20 W solar kit with two bulbs. This week only.",
                "media_type": "image",
                "image_url": "https://example.com/baraka-home/solar-kit.jpg",
                "ctwa_clid": "BkXq4-solar20w-Jt7uVd1mP9cRz0sWyLh2eA",
            }}),
            (_, About::Forwarded) => json!({"context": {"forwarded": true}}),
            (_, About::Group) => json!({"group_id": "120363041770958824@g.us"}),
        }
    }

    fn new_number(&self, anew: &Person) -> Value {
        let (old, new) = (self.who.address(), anew.address());
        json!({
            "type": "user_changed_number",
            "wa_id": new,
            "body": format!("User {} changed from {old} to {new}", self.who.name),
        })
    }

    fn stop_marketing(&self) -> Value {
        let mut wish = json!({
            "category": "marketing_messages",
            "detail": "User requested to stop marketing messages",
            "value": "stop",
        });
        if let Some(fields) = wish.as_object_mut() {
            self.who.addressed_as(fields, "wa_id", "user_id");
        }
        wish
    }
}

fn captioned(mut media: Value, caption: &str) -> Value {
    if !caption.is_empty() {
        media["caption"] = json!(caption);
    }
    media
}

fn card(first: &str, last: &str, number: &str) -> Value {
    json!([{
        "name": {
            "first_name": first, "last_name": last, "formatted_name": format!("{first} {last}"),
        },
        "phones": [{"phone": format!("+{number}"), "wa_id": number, "type": "CELL"}],
    }])
}

fn order(currency: &str, items: &[(&str, u32, f64)], text: &str) -> Value {
    let items: Vec<Value> = items
        .iter()
        .map(|(article, quantity, price)| {
            json!({
                "product_retailer_id": article,
                "quantity": quantity,
                "item_price": price,
                "currency": currency,
            })
        })
        .collect();
    json!({"catalog_id": CATALOG, "text": text, "product_items": items})
}

fn interactive(what: What) -> Value {
    let (kind, reply) = match what {
        What::ButtonReply(id, title) => ("button_reply", json!({"id": id, "title": title})),
        What::ListReply(id, title, description) => {
            ("list_reply", json!({"id": id, "title": title, "description": description}))
        }
        What::Form(fields) => {
            let answers: Map<String, Value> =
                fields.iter().map(|(name, answer)| ((*name).to_owned(), json!(answer))).collect();
            let mut answers = Value::Object(answers);
            answers.sort_all_objects();
            // They come as text with JSON in it.
            let answers = answers.to_string();
            ("nfm_reply", json!({"name": "flow", "body": "Sent", "response_json": answers}))
        }
        _ => return Value::Null,
    };
    json!({"type": kind, kind: reply})
}
