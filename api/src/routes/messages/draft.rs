//! What a client sends as a message, checked against what WhatsApp takes (Meta's documentation of
//! the messages endpoint).

use domain::Personal;
use domain::conversation::{Author, Body, Draft};
use domain::message::{Card, Content, Kind, Media, Name};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::problem::Problem;

/// A message as the request tells it: its type, the object of that name, and what it hangs on.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewMessage", extend("examples" = examples()))]
pub(crate) struct New {
    #[serde(rename = "type")]
    kind: Type,
    text: Option<Text>,
    image: Option<File>,
    video: Option<File>,
    audio: Option<File>,
    document: Option<File>,
    sticker: Option<File>,
    location: Option<Location>,
    contacts: Option<Vec<Card>>,
    template: Option<Template>,
    /// WhatsApp's own object: buttons, a list, a link, a flow.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    interactive: Option<Value>,
    reaction: Option<Reaction>,
    /// The message that this one answers.
    reply_to: Option<Uuid>,
    #[serde(default)]
    author: By,
}

fn examples() -> Value {
    let other = "019b2f6e-7c1a-7d35-9e0b-4f1d2a6c8b90";
    json!([
        {"type": "text", "text": {"body": "Your pot is ready."}, "reply_to": other},
        {"type": "template", "template": {"name": "order_ready", "language": "en_US",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]}},
        {"type": "image", "image": {"link": "https://example.org/pot.jpg", "caption": "Red"}},
        {"type": "document", "document": {"id": "1013859600285441", "filename": "Invoice.pdf"}},
        {"type": "location", "location": {"latitude": -1.2864, "longitude": 36.8172,
            "name": "The shop"}},
        {"type": "contacts", "contacts": [{"name": {"formatted": "Ben Otieno", "first": "Ben"},
            "phones": [{"phone": "+254 712 345 679"}]}]},
        {"type": "interactive", "author": "bot", "interactive": {"type": "button",
            "body": {"text": "Shall we deliver?"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": "yes", "title": "Yes"}}]}}},
        {"type": "reaction", "reaction": {"message_id": other, "emoji": "👍"}},
    ])
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NewMessageType")]
enum Type {
    Text,
    Image,
    Video,
    Audio,
    Document,
    Sticker,
    Location,
    Contacts,
    Template,
    Interactive,
    Reaction,
}

/// Who wrote it. A key may speak for a program.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NewMessageAuthor")]
enum By {
    #[default]
    Human,
    Bot,
    Automation,
    Campaign,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewText")]
struct Text {
    #[schemars(example = &"Your pot is ready.")]
    body: String,
    /// Whether the first link unfolds.
    preview_url: Option<bool>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewFile")]
struct File {
    /// Of a file that was uploaded to WhatsApp; otherwise say `link`.
    #[schemars(example = &"1013859600285441")]
    id: Option<String>,
    #[schemars(example = &"https://example.org/pot.jpg")]
    link: Option<String>,
    #[schemars(example = &"Red")]
    caption: Option<String>,
    /// Of a document.
    #[schemars(example = &"Invoice.pdf")]
    filename: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewLocation")]
struct Location {
    latitude: f64,
    longitude: f64,
    #[schemars(example = &"The shop")]
    name: Option<String>,
    #[schemars(example = &"Moi Avenue 12")]
    address: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewTemplate")]
struct Template {
    #[schemars(example = &"order_ready")]
    name: String,
    #[schemars(example = &"en_US")]
    language: String,
    /// WhatsApp's own objects: what stands in the placeholders.
    #[serde(default)]
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    components: Vec<Value>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewReaction")]
struct Reaction {
    message_id: Uuid,
    /// Empty takes the reaction back.
    #[schemars(example = &"👍")]
    emoji: String,
}

/// A message that may be sent, to whomever.
pub(crate) struct Checked {
    content: Content,
    target: Option<Uuid>,
    reply_to: Option<Uuid>,
    author: Author,
}

impl Checked {
    pub(crate) fn text(author: Author, body: String) -> Checked {
        let content = Content::Text { body, preview_url: None };
        Checked { content, target: None, reply_to: None, author }
    }

    pub(crate) fn to(&self, message: Uuid, contact: Uuid) -> Draft {
        let body = Body { content: self.content.clone(), referral: None, context: None };
        Draft {
            message,
            kind: self.content.kind(),
            order: message.simple().to_string()[..16].to_owned(),
            body: Personal::content(contact, body),
            reply_to: self.reply_to,
            target: self.target,
            author: self.author,
        }
    }
}

impl New {
    pub(crate) fn check(self) -> Result<Checked, Problem> {
        let (reply_to, author) = (self.reply_to, self.author);
        if self.objects() > 1 {
            let detail = "give the object that is named like the type, and no other";
            return Err(Problem::field("type", "message.incomplete", detail));
        }
        let target = self.reaction.as_ref().map(|reaction| reaction.message_id);
        let content = self.content()?;
        let target = target.filter(|_| content.kind() == Kind::Reaction);
        let author = match author {
            By::Human => Author::Human,
            By::Bot => Author::Bot,
            By::Automation => Author::Automation,
            By::Campaign => Author::Campaign,
        };
        Ok(Checked { content, target, reply_to, author })
    }

    /// How many things it says.
    fn objects(&self) -> usize {
        let files = [&self.image, &self.video, &self.audio, &self.document, &self.sticker];
        let others = [
            self.text.is_some(),
            self.location.is_some(),
            self.contacts.is_some(),
            self.template.is_some(),
            self.interactive.is_some(),
            self.reaction.is_some(),
        ];
        let files = files.into_iter().map(Option::is_some);
        files.chain(others).filter(|is_told| *is_told).count()
    }

    fn content(self) -> Result<Content, Problem> {
        match self.kind {
            Type::Text => text(told("text", self.text)?),
            Type::Image => Ok(Content::Image(file("image", self.image, true)?)),
            Type::Video => Ok(Content::Video(file("video", self.video, true)?)),
            Type::Audio => Ok(Content::Audio(file("audio", self.audio, false)?)),
            Type::Document => Ok(Content::Document(file("document", self.document, true)?)),
            Type::Sticker => Ok(Content::Sticker(file("sticker", self.sticker, false)?)),
            Type::Location => location(told("location", self.location)?),
            Type::Contacts => contacts(told("contacts", self.contacts)?),
            Type::Template => template(told("template", self.template)?),
            Type::Interactive => prompt(&told("interactive", self.interactive)?),
            Type::Reaction => reaction(told("reaction", self.reaction)?),
        }
    }
}

/// The object that is named like the type.
fn told<T>(name: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| {
        let detail = format!("a message of type {name} needs an object `{name}`");
        Problem::field(name, "message.incomplete", detail)
    })
}

/// Refuses what is empty or longer than `most` characters.
fn sized(field: &str, text: &str, most: usize) -> Result<(), Problem> {
    if text.trim().is_empty() || text.chars().count() > most {
        let detail = format!("{field} has 1 to {most} characters");
        return Err(Problem::field(field, "message.length", detail));
    }
    Ok(())
}

fn text(text: Text) -> Result<Content, Problem> {
    sized("text.body", &text.body, 4096)?;
    Ok(Content::Text { body: text.body, preview_url: text.preview_url })
}

fn file(name: &str, file: Option<File>, captioned: bool) -> Result<Media, Problem> {
    let file = told(name, file)?;
    if file.id.is_some() == file.link.is_some() {
        let detail = format!("{name} needs either the id of an uploaded file or a link");
        return Err(Problem::field(name, "message.file", detail));
    }
    if file
        .link
        .as_ref()
        .is_some_and(|link| !link.starts_with("https://") && !link.starts_with("http://"))
    {
        let field = format!("{name}.link");
        return Err(Problem::field(&field, "message.link", "a link begins with https://"));
    }
    if let Some(caption) = &file.caption {
        if !captioned {
            let field = format!("{name}.caption");
            let detail = format!("a message of type {name} has no caption");
            return Err(Problem::field(&field, "message.caption", detail));
        }
        sized(&format!("{name}.caption"), caption, 1024)?;
    }
    let (id, url) = (file.id, file.link);
    Ok(Media { id, url, caption: file.caption, filename: file.filename, ..Media::default() })
}

fn location(location: Location) -> Result<Content, Problem> {
    let Location { latitude, longitude, name, address } = location;
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        let detail = "latitude is within ±90 degrees, longitude within ±180";
        return Err(Problem::field("location", "message.location", detail));
    }
    Ok(Content::Location { latitude, longitude, name, address, url: None })
}

fn contacts(cards: Vec<Card>) -> Result<Content, Problem> {
    let told = |part: &Option<String>| part.as_ref().is_some_and(|part| !part.trim().is_empty());
    let named = |card: &Card| {
        let Name { formatted, first, middle, last, prefix, suffix } = &card.name;
        told(formatted) && [first, middle, last, prefix, suffix].into_iter().any(told)
    };
    if cards.is_empty() || !cards.iter().all(named) {
        let detail = "contacts has at least one card, each with name.formatted and one part more";
        return Err(Problem::field("contacts", "message.contacts", detail));
    }
    Ok(Content::Contacts { cards })
}

fn template(template: Template) -> Result<Content, Problem> {
    sized("template.name", &template.name, 512)?;
    sized("template.language", &template.language, 15)?;
    let body =
        (!template.components.is_empty()).then(|| Value::Array(template.components).to_string());
    Ok(Content::Template { name: Some(template.name), language: Some(template.language), body })
}

/// The interactive object is the provider's own; what it must have is checked here, the rest by
/// the provider.
fn prompt(interactive: &Value) -> Result<Content, Problem> {
    let text = |pointer: &str| interactive.pointer(pointer).and_then(Value::as_str);
    let kind = text("/type").filter(|kind| !kind.is_empty()).ok_or_else(|| {
        let detail = "interactive.type is one of button, list, cta_url, flow, …";
        Problem::field("interactive.type", "message.interactive", detail)
    })?;
    let Some(true) = interactive.get("action").map(Value::is_object) else {
        let detail = "interactive.action is an object";
        return Err(Problem::field("interactive.action", "message.interactive", detail));
    };
    let buttons = interactive.pointer("/action/buttons").and_then(Value::as_array);
    if kind == "button" && buttons.is_none_or(|buttons| !(1..=3).contains(&buttons.len())) {
        let detail = "a message with buttons has one to three of them";
        return Err(Problem::field("interactive.action.buttons", "message.interactive", detail));
    }
    if let Some(body) = text("/body/text") {
        sized("interactive.body.text", body, if kind == "list" { 4096 } else { 1024 })?;
    }
    Ok(Content::Prompt {
        kind: kind.to_owned(),
        text: text("/body/text").map(str::to_owned),
        definition: interactive.to_string(),
    })
}

fn reaction(reaction: Reaction) -> Result<Content, Problem> {
    let emoji = Some(reaction.emoji).filter(|emoji| !emoji.is_empty());
    if emoji.as_ref().is_some_and(|emoji| emoji.chars().count() > 16) {
        let detail = "a reaction is one emoji, or empty to take it back";
        return Err(Problem::field("reaction.emoji", "message.reaction", detail));
    }
    Ok(Content::Reaction { emoji })
}
