//! A message as the Cloud API takes it.

use domain::message::Card;
use serde_json::{Map, Value, json};

use super::interactive::Interactive;

#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    pub to: Recipient,
    pub content: Sendable,
    /// The wamid of the message that this one answers.
    pub reply_to: Option<String>,
    /// Comes back in every status webhook about the message, so it names the message where the
    /// answer to the call was lost. At most 512 characters.
    pub callback_data: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A phone number, digits with or without `+`.
    WaId(String),
    /// The customer's id for this business, like `GB.1234`.
    UserId(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Sendable {
    Text {
        body: String,
        preview_url: bool,
    },
    Template {
        name: String,
        language: String,
        /// The filled-in components, as the Cloud API takes them.
        components: Vec<Value>,
    },
    Image {
        source: Source,
        caption: Option<String>,
    },
    Video {
        source: Source,
        caption: Option<String>,
    },
    Audio {
        source: Source,
        /// Shown as recorded in the chat.
        voice: bool,
    },
    Document {
        source: Source,
        caption: Option<String>,
        filename: Option<String>,
    },
    Sticker {
        source: Source,
    },
    Location {
        latitude: f64,
        longitude: f64,
        name: Option<String>,
        address: Option<String>,
    },
    Contacts(Vec<Card>),
    Interactive(Interactive),
    /// An interactive object that is written out already.
    Prompt(Value),
    Reaction {
        wamid: String,
        /// `None` takes the reaction back.
        emoji: Option<String>,
    },
}

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Uploaded before.
    Id(String),
    /// Meta fetches it.
    Link(String),
}

impl Outgoing {
    pub(super) fn body(&self) -> Value {
        let (kind, content) = self.content.told();
        let (to, recipient) = match &self.to {
            Recipient::WaId(number) => ("to", number),
            Recipient::UserId(id) => ("recipient", id),
        };
        let mut body = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "type": kind,
        });
        body[to] = json!(recipient);
        body[kind] = content;
        if !self.callback_data.is_empty() {
            body["biz_opaque_callback_data"] = json!(self.callback_data);
        }
        if let Some(wamid) = &self.reply_to {
            body["context"] = json!({"message_id": wamid});
        }
        body
    }
}

impl Sendable {
    /// The kind's word, and what stands under it.
    fn told(&self) -> (&'static str, Value) {
        match self {
            Sendable::Text { body, preview_url } => {
                ("text", json!({"body": body, "preview_url": preview_url}))
            }
            Sendable::Template { name, language, components } => {
                let mut template = json!({"name": name, "language": {"code": language}});
                if !components.is_empty() {
                    template["components"] = json!(components);
                }
                ("template", template)
            }
            Sendable::Image { source, caption } => {
                ("image", source.with([("caption", caption.as_deref())]))
            }
            Sendable::Video { source, caption } => {
                ("video", source.with([("caption", caption.as_deref())]))
            }
            Sendable::Audio { source, voice } => {
                let mut audio = source.with([]);
                if *voice {
                    audio["voice"] = json!(true);
                }
                ("audio", audio)
            }
            Sendable::Document { source, caption, filename } => {
                let more = [("caption", caption.as_deref()), ("filename", filename.as_deref())];
                ("document", source.with(more))
            }
            Sendable::Sticker { source } => ("sticker", source.with([])),
            Sendable::Location { latitude, longitude, name, address } => {
                let (latitude, longitude) = (latitude.to_string(), longitude.to_string());
                let location = [
                    ("latitude", Some(latitude.as_str())),
                    ("longitude", Some(&longitude)),
                    ("name", name.as_deref()),
                    ("address", address.as_deref()),
                ];
                ("location", object(location))
            }
            Sendable::Contacts(cards) => ("contacts", cards.iter().map(card).collect()),
            Sendable::Prompt(interactive) => ("interactive", interactive.clone()),
            Sendable::Interactive(interactive) => ("interactive", interactive.told()),
            Sendable::Reaction { wamid, emoji } => {
                let emoji = emoji.as_deref().unwrap_or_default();
                ("reaction", json!({"message_id": wamid, "emoji": emoji}))
            }
        }
    }
}

impl Source {
    pub(super) fn with<'a>(
        &self,
        more: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Value {
        let mut file = object(more);
        match self {
            Source::Id(id) => file["id"] = json!(id),
            Source::Link(link) => file["link"] = json!(link),
        }
        file
    }
}

/// An object of the texts that are there.
pub(super) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Value {
    let there = |(key, text): (&str, Option<&str>)| Some((key.to_owned(), json!(text?)));
    Value::Object(fields.into_iter().filter_map(there).collect::<Map<_, _>>())
}

fn card(card: &Card) -> Value {
    fn list<'a, T>(items: &'a [T], told: impl Fn(&'a T) -> Value) -> Option<Value> {
        (!items.is_empty()).then(|| items.iter().map(told).collect())
    }
    let name = &card.name;
    let name = object([
        ("formatted_name", name.formatted.as_deref()),
        ("first_name", name.first.as_deref()),
        ("middle_name", name.middle.as_deref()),
        ("last_name", name.last.as_deref()),
        ("prefix", name.prefix.as_deref()),
        ("suffix", name.suffix.as_deref()),
    ]);
    let phones = list(&card.phones, |phone| {
        let [wa_id, kind] = [&phone.wa_id, &phone.kind].map(Option::as_deref);
        object([("phone", phone.phone.as_deref()), ("wa_id", wa_id), ("type", kind)])
    });
    let emails = list(&card.emails, |email| {
        object([("email", email.email.as_deref()), ("type", email.kind.as_deref())])
    });
    let urls = list(&card.urls, |url| {
        object([("url", url.url.as_deref()), ("type", url.kind.as_deref())])
    });
    let addresses = list(&card.addresses, |address| {
        object([
            ("street", address.street.as_deref()),
            ("city", address.city.as_deref()),
            ("state", address.state.as_deref()),
            ("zip", address.zip.as_deref()),
            ("country", address.country.as_deref()),
            ("country_code", address.country_code.as_deref()),
            ("type", address.kind.as_deref()),
        ])
    });
    let org = card.organization.as_ref().map(|org| {
        let [department, title] = [&org.department, &org.title].map(Option::as_deref);
        object([("company", org.company.as_deref()), ("department", department), ("title", title)])
    });
    let birthday = card.birthday.as_ref().map(|birthday| json!(birthday));
    let fields = [
        ("name", Some(name)),
        ("phones", phones),
        ("emails", emails),
        ("urls", urls),
        ("addresses", addresses),
        ("org", org),
        ("birthday", birthday),
    ];
    let there = |(key, value): (&str, Option<Value>)| Some((key.to_owned(), value?));
    Value::Object(fields.into_iter().filter_map(there).collect())
}
