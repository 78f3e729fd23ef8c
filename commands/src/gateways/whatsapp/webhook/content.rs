//! From WhatsApp's message objects to contents. It never refuses: what doesn't have the form of
//! its type is kept whole as unsupported.

use domain::message::{
    Address, Card, Content, Context, DeliveryError, Email, Identity, Item, Kind, Media, Name,
    Organization, Phone, Product, Referral, Reply, Url,
};
use serde_json::Value;

use super::node::{elements, flag, moment, name, number, text};

/// The content of a message item that says (or shows) to be of the type `word`.
pub(super) fn of(item: &Value, word: &str) -> Content {
    Kind::parse(word).and_then(|kind| known(kind, item)).unwrap_or_else(|| unsupported(item, word))
}

/// The item's type; a few samples lack it, but hold exactly one part that is named like a type.
pub(super) fn word(item: &Value) -> Option<String> {
    if let Some(word) = text(item, "type") {
        return Some(word);
    }
    if !elements(item, "errors").is_empty() {
        return Some(Kind::Unsupported.as_str().to_owned());
    }
    let mut shown = Kind::ALL.into_iter().filter(|kind| item.get(kind.as_str()).is_some());
    match (shown.next(), shown.next()) {
        (Some(kind), None) => Some(kind.as_str().to_owned()),
        _ => None,
    }
}

fn known(kind: Kind, item: &Value) -> Option<Content> {
    let part = item.get(kind.as_str()).unwrap_or(&Value::Null);
    Some(match kind {
        Kind::Text => Content::Text {
            body: part.get("body")?.as_str()?.to_owned(),
            preview_url: flag(part, "preview_url"),
        },
        Kind::Image => Content::Image(media(part)?),
        Kind::Video => Content::Video(media(part)?),
        Kind::Audio => Content::Audio(media(part)?),
        Kind::Document => Content::Document(media(part)?),
        Kind::Sticker => Content::Sticker(media(part)?),
        Kind::Location => location(part)?,
        Kind::Contacts => Content::Contacts { cards: part.as_array()?.iter().map(card).collect() },
        Kind::Interactive => Content::Interactive { reply: reply(part)? },
        Kind::Button => {
            part.as_object()?;
            Content::Button { text: text(part, "text"), payload: text(part, "payload") }
        }
        Kind::Reaction => {
            part.as_object()?;
            Content::Reaction { emoji: text(part, "emoji") }
        }
        Kind::Order => order(part)?,
        Kind::System => system(part, item)?,
        Kind::Edit => edit(part)?,
        Kind::Revoke => Content::Revoke,
        Kind::RequestWelcome => Content::RequestWelcome,
        Kind::MediaPlaceholder => Content::MediaPlaceholder,
        Kind::Template => template(part),
        Kind::Unsupported => return None,
    })
}

fn unsupported(item: &Value, word: &str) -> Content {
    let told = item.get("unsupported").and_then(|part| text(part, "type"));
    Content::Unsupported {
        kind: told.unwrap_or_else(|| word.to_owned()),
        errors: errors(item),
        body: item.to_string(),
    }
}

/// More than a few say no more; all of them stay in the raw JSON.
const MOST_ERRORS: usize = 4;

pub(super) fn errors(item: &Value) -> Vec<DeliveryError> {
    let error = |error: &Value| DeliveryError {
        code: number(error, "code").unwrap_or_default(),
        title: name(error, "title"),
        message: name(error, "message"),
        details: error
            .get("error_data")
            .and_then(|data| name(data, "details"))
            .or_else(|| name(error, "details")),
        href: name(error, "href"),
    };
    elements(item, "errors").iter().take(MOST_ERRORS).map(error).collect()
}

fn media(part: &Value) -> Option<Media> {
    part.as_object()?;
    Some(Media {
        id: text(part, "id"),
        mime_type: text(part, "mime_type"),
        sha256: text(part, "sha256"),
        caption: text(part, "caption"),
        filename: text(part, "filename"),
        voice: flag(part, "voice"),
        animated: flag(part, "animated"),
        url: text(part, "url").or_else(|| text(part, "link")),
    })
}

fn location(part: &Value) -> Option<Content> {
    let degrees = |key: &str| match part.get(key)? {
        Value::String(digits) => digits.parse().ok().filter(|degrees: &f64| degrees.is_finite()),
        value => value.as_f64(),
    };
    Some(Content::Location {
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
        name: text(part, "name"),
        address: text(part, "address"),
        url: text(part, "url"),
    })
}

fn card(part: &Value) -> Card {
    let name = part.get("name").unwrap_or(&Value::Null);
    Card {
        name: Name {
            formatted: text(name, "formatted_name"),
            first: text(name, "first_name"),
            middle: text(name, "middle_name"),
            last: text(name, "last_name"),
            prefix: text(name, "prefix"),
            suffix: text(name, "suffix"),
        },
        phones: elements(part, "phones").iter().map(phone).collect(),
        emails: elements(part, "emails").iter().map(email).collect(),
        addresses: elements(part, "addresses").iter().map(address).collect(),
        urls: elements(part, "urls").iter().map(url).collect(),
        organization: part.get("org").filter(|org| org.is_object()).map(organization),
        birthday: text(part, "birthday"),
    }
}

fn phone(part: &Value) -> Phone {
    Phone {
        phone: text(part, "phone"),
        wa_id: text(part, "wa_id"),
        user_id: text(part, "user_id"),
        kind: text(part, "type"),
    }
}

fn email(part: &Value) -> Email {
    Email { email: text(part, "email"), kind: text(part, "type") }
}

fn address(part: &Value) -> Address {
    Address {
        street: text(part, "street"),
        city: text(part, "city"),
        state: text(part, "state"),
        zip: text(part, "zip"),
        country: text(part, "country"),
        country_code: text(part, "country_code"),
        kind: text(part, "type"),
    }
}

fn url(part: &Value) -> Url {
    Url { url: text(part, "url"), kind: text(part, "type") }
}

fn organization(part: &Value) -> Organization {
    Organization {
        company: text(part, "company"),
        department: text(part, "department"),
        title: text(part, "title"),
    }
}

fn reply(part: &Value) -> Option<Reply> {
    part.as_object()?;
    let kind = text(part, "type");
    let known = kind.as_deref().and_then(|kind| known_reply(kind, part.get(kind)?));
    Some(known.unwrap_or_else(|| Reply::Other { kind, body: part.to_string() }))
}

fn known_reply(kind: &str, part: &Value) -> Option<Reply> {
    match kind {
        "button_reply" => {
            Some(Reply::ButtonReply { id: text(part, "id")?, title: text(part, "title")? })
        }
        "list_reply" => Some(Reply::ListReply {
            id: text(part, "id")?,
            title: text(part, "title")?,
            description: text(part, "description"),
        }),
        "nfm_reply" => Some(Reply::NfmReply {
            name: text(part, "name"),
            body: text(part, "body"),
            response_json: match part.get("response_json")? {
                Value::String(json) => json.clone(),
                json => json.to_string(),
            },
        }),
        "call_permission_reply" => Some(Reply::CallPermissionReply {
            response: text(part, "response")?,
            response_source: text(part, "response_source"),
            permanent: flag(part, "is_permanent"),
            expires_at: moment(part, "expiration_timestamp"),
        }),
        _ => None,
    }
}

fn order(part: &Value) -> Option<Content> {
    part.as_object()?;
    let item = |item: &Value| Item {
        product_retailer_id: text(item, "product_retailer_id"),
        quantity: number(item, "quantity"),
        item_price: text(item, "item_price"),
        currency: text(item, "currency"),
    };
    Some(Content::Order {
        catalog_id: text(part, "catalog_id"),
        text: text(part, "text"),
        items: elements(part, "product_items").iter().map(item).collect(),
    })
}

fn system(part: &Value, item: &Value) -> Option<Content> {
    part.as_object()?;
    let identity = item.get("identity").filter(|identity| identity.is_object());
    Some(Content::System {
        kind: text(part, "type"),
        body: text(part, "body"),
        // The field's name depends on the version of the API that the app subscribed with.
        new_wa_id: text(part, "new_wa_id").or_else(|| text(part, "wa_id")),
        new_user_id: text(part, "user_id"),
        new_parent_user_id: text(part, "parent_user_id"),
        identity: identity.map(|identity| Identity {
            acknowledged: flag(identity, "acknowledged"),
            created_at: moment(identity, "created_timestamp"),
            hash: text(identity, "hash"),
        }),
    })
}

fn edit(part: &Value) -> Option<Content> {
    let message = part.get("message").filter(|message| message.is_object())?;
    let word = word(message).unwrap_or_default();
    let content = match word.as_str() {
        // An edit says what the message says now; it holds no further edit.
        "edit" => unsupported(message, &word),
        word => of(message, word),
    };
    Some(Content::Edit { content: Box::new(content) })
}

fn template(part: &Value) -> Content {
    let language = part.get("language");
    Content::Template {
        name: text(part, "name"),
        language: language
            .and_then(|language| text(language, "code"))
            .or_else(|| text(part, "language")),
        body: part.is_object().then(|| part.to_string()),
    }
}

/// The id of the message that a reaction, edit or revoke is about.
pub(super) fn target(item: &Value, content: &Content) -> Option<String> {
    let key = match content.kind() {
        Kind::Reaction => "message_id",
        Kind::Edit | Kind::Revoke => "original_message_id",
        _ => return None,
    };
    text(item.get(content.kind().as_str())?, key)
}

pub(super) fn context(part: &Value) -> Option<Context> {
    let product = part.get("referred_product").filter(|product| product.is_object());
    let context = Context {
        forwarded: flag(part, "forwarded").unwrap_or_default(),
        frequently_forwarded: flag(part, "frequently_forwarded").unwrap_or_default(),
        referred_product: product.map(|product| Product {
            catalog_id: text(product, "catalog_id"),
            product_retailer_id: text(product, "product_retailer_id"),
        }),
    };
    (context != Context::default()).then_some(context)
}

pub(super) fn referral(item: &Value) -> Option<Referral> {
    let part = item.get("referral").filter(|part| part.is_object())?;
    Some(Referral {
        source_url: text(part, "source_url"),
        source_id: text(part, "source_id"),
        source_type: text(part, "source_type"),
        headline: text(part, "headline"),
        body: text(part, "body"),
        media_type: text(part, "media_type"),
        image_url: text(part, "image_url"),
        video_url: text(part, "video_url"),
        thumbnail_url: text(part, "thumbnail_url"),
        ctwa_clid: text(part, "ctwa_clid"),
        welcome_message: part.get("welcome_message").and_then(|welcome| text(welcome, "text")),
    })
}
