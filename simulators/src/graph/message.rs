//! What `POST …/messages` takes, type by type, as Meta's reference of the endpoint has it.

use serde_json::Value;

use super::error::Error;
use super::interactive;

/// The types that can be sent, each under its own name in the body.
const KINDS: &[&str] = &[
    "text",
    "template",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "interactive",
    "reaction",
];

/// A body that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Read { message_id: String },
    Send(Outgoing),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// As the caller wrote it.
    pub(super) input: String,
    pub(super) to: Recipient,
    pub(super) kind: String,
    pub(super) callback_data: Option<String>,
    /// The id of an uploaded file that the message shows.
    pub(super) media: Option<String>,
}

/// Someone by number, or by the id that they show this business instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    Number(String),
    User(String),
}

impl Recipient {
    pub(super) fn address(&self) -> &str {
        match self {
            Recipient::Number(address) | Recipient::User(address) => address,
        }
    }
}

pub(super) fn check(body: &Value) -> Result<Message, Error> {
    if !body.is_object() {
        return Err(Error::parameter("The request body must be a JSON object"));
    }
    match body["messaging_product"].as_str() {
        Some("whatsapp") => {}
        Some(_) => {
            return Err(Error::parameter("Param messaging_product must be one of {WHATSAPP}"));
        }
        None => return Err(Error::required("messaging_product")),
    }
    if body["status"] == "read" {
        let message_id = text(body, "message_id", usize::MAX)?;
        return Ok(Message::Read { message_id: message_id.to_owned() });
    }
    let (input, to) = recipient(body)?;
    let kind = body["type"].as_str().unwrap_or("text");
    if !KINDS.contains(&kind) {
        let kinds = KINDS.join(", ").to_uppercase();
        return Err(Error::parameter(format!("Param type must be one of {{{kinds}}}")));
    }
    let content = match &body[kind] {
        Value::Null => return Err(Error::required(kind)),
        content => content,
    };
    checked(kind, content)?;
    if !body["context"].is_null() {
        text(&body["context"], "message_id", usize::MAX)?;
    }
    let callback_data = match &body["biz_opaque_callback_data"] {
        Value::Null => None,
        _ => Some(text(body, "biz_opaque_callback_data", 512)?.to_owned()),
    };
    let media = content["id"].as_str().map(str::to_owned);
    Ok(Message::Send(Outgoing { input, to, kind: kind.to_owned(), callback_data, media }))
}

/// `to` counts where both are given.
fn recipient(body: &Value) -> Result<(String, Recipient), Error> {
    match body["recipient_type"].as_str() {
        None | Some("individual" | "group") => {}
        Some(_) => {
            return Err(Error::parameter(
                "Param recipient_type must be one of {INDIVIDUAL, GROUP}",
            ));
        }
    }
    if let Some(to) = body["to"].as_str() {
        let digits: String = to.chars().filter(|c| !"+-() ".contains(*c)).collect();
        let number = digits.chars().all(|c| c.is_ascii_digit());
        if body["recipient_type"] != "group" && !(number && (7..=15).contains(&digits.len())) {
            return Err(Error::because(131_009, format!("Param to is not a phone number: {to}")));
        }
        return Ok((to.to_owned(), Recipient::Number(digits)));
    }
    match body["recipient"].as_str() {
        Some(user) if user.split_once('.').is_some_and(|(country, _)| country.len() == 2) => {
            Ok((user.to_owned(), Recipient::User(user.to_owned())))
        }
        Some(user) => Err(Error::because(131_009, format!("Param recipient is no id: {user}"))),
        None => Err(Error::required("to")),
    }
}

fn checked(kind: &str, content: &Value) -> Result<(), Error> {
    match kind {
        "text" => text(content, "body", 4096).map(drop),
        "template" => {
            text(content, "name", 512)?;
            text(&content["language"], "code", 15).map(drop)
        }
        "location" => location(content),
        "contacts" => contacts(content),
        "interactive" => interactive::check(content),
        "reaction" => {
            text(content, "message_id", usize::MAX)?;
            let emoji = content["emoji"].as_str().ok_or_else(|| Error::required("emoji"))?;
            if emoji.chars().count() > 16 {
                return Err(Error::because(131_009, "Param reaction.emoji is not one emoji"));
            }
            Ok(())
        }
        _ => media(kind, content),
    }
}

pub(super) fn media(kind: &str, content: &Value) -> Result<(), Error> {
    let link = content["link"].as_str();
    match (content["id"].as_str(), link) {
        (None, None) => return Err(Error::required(&format!("{kind}['id'] or {kind}['link']"))),
        (Some(_), Some(_)) => {
            return Err(Error::parameter(format!("{kind} takes an id or a link, not both")));
        }
        _ => {}
    }
    if link.is_some_and(|link| !link.starts_with("http://") && !link.starts_with("https://")) {
        return Err(Error::because(131_009, format!("Param {kind}.link is not a URL")));
    }
    if !content["caption"].is_null() {
        if matches!(kind, "audio" | "sticker") {
            return Err(Error::parameter(format!("Unexpected key \"caption\" on {kind}")));
        }
        text(content, "caption", 1024)?;
    }
    if !content["filename"].is_null() && kind != "document" {
        return Err(Error::parameter(format!("Unexpected key \"filename\" on {kind}")));
    }
    Ok(())
}

fn location(content: &Value) -> Result<(), Error> {
    for (name, most) in [("latitude", 90.0), ("longitude", 180.0)] {
        let degrees = match &content[name] {
            Value::String(text) => text.parse().ok(),
            value => value.as_f64(),
        };
        let Some(degrees) = degrees else {
            return Err(Error::required(&format!("location['{name}']")));
        };
        if !(-most..=most).contains(&degrees) {
            return Err(Error::because(131_009, format!("Param location.{name} is out of range")));
        }
    }
    Ok(())
}

fn contacts(content: &Value) -> Result<(), Error> {
    const PARTS: &[&str] = &["first_name", "last_name", "middle_name", "suffix", "prefix"];
    let contacts = content.as_array().filter(|contacts| !contacts.is_empty());
    for contact in contacts.ok_or_else(|| Error::required("contacts"))? {
        let name = &contact["name"];
        text(name, "formatted_name", usize::MAX)?;
        if !PARTS.iter().any(|part| name[part].is_string()) {
            return Err(Error::parameter("A contact's name needs one part besides formatted_name"));
        }
    }
    Ok(())
}

/// A field that must be there and be a text of some length.
pub(super) fn text<'a>(within: &'a Value, name: &str, most: usize) -> Result<&'a str, Error> {
    let text = match &within[name] {
        Value::Null => return Err(Error::required(name)),
        Value::String(text) => text,
        _ => return Err(Error::parameter(format!("Param {name} must be a string"))),
    };
    match text.chars().count() {
        0 => Err(Error::required(name)),
        length if length > most => {
            Err(Error::parameter(format!("Param {name} must be at most {most} characters long.")))
        }
        _ => Ok(text),
    }
}
