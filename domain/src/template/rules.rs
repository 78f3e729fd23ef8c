//! What must hold of a template before Meta is asked to review it. Each fault names its place and
//! what to change; the texts are for the person who writes the template.
//!
//! Sources: Meta's documentation of the message templates API, of template components, of
//! supported languages, and of media card carousel, limited-time offer and authentication
//! templates. Where Meta's pages differ, what any of them allows is allowed here: Meta has the last
//! word anyway.

use serde::Serialize;

use super::component::{Body, Component, Example, Footer, Format, Header};
use super::placeholder::{self, ParameterFormat, Samples};
use super::{Category, Draft, buttons, special};

pub const MOST_NAME: usize = 512;
pub(super) const MOST_BODY: usize = 1024;
pub(super) const MOST_HEADER: usize = 60;
pub(super) const MOST_FOOTER: usize = 60;
/// How long Meta tries to deliver, in seconds.
const TTL_AUTHENTICATION: (i32, i32) = (30, 900);
const TTL_UTILITY: (i32, i32) = (30, 43_200);
const TTL_MARKETING: (i32, i32) = (43_200, 2_592_000);
const TTL_LONGEST: i32 = -1;

/// The languages of Meta's list of supported languages; a region may follow.
const LANGUAGES: &[&str] = &[
    "af", "ar", "az", "be", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi",
    "fil", "fr", "ga", "gu", "ha", "he", "hi", "hr", "hu", "id", "it", "ja", "ka", "kk", "kn",
    "ko", "ky", "lo", "lt", "lv", "mk", "ml", "mr", "ms", "nb", "nl", "pa", "pl", "prs", "ps",
    "pt", "ro", "ru", "rw", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk",
    "ur", "uz", "vi", "zh", "zu",
];
/// Those that Meta knows only with a region.
const WITH_REGION: &[&str] = &["be", "ky", "prs", "ps", "pt", "rw", "si", "zh"];

/// One thing that is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where: `components[1].text`.
    pub path: String,
    /// A stable word for it: `placeholder.gap`.
    pub code: &'static str,
    /// What to change.
    pub message: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, path: &str, code: &'static str, message: impl Into<String>) {
        self.0.push(Fault { path: path.to_owned(), code, message: message.into() });
    }

    /// A text that has to be there, within so many characters.
    pub(super) fn text(&mut self, text: &str, most: usize, path: &str) {
        let length = text.chars().count();
        if text.trim().is_empty() {
            self.add(path, "text.missing", "write a text");
        } else if length > most {
            let what = format!("use at most {most} characters; there are {length}");
            self.add(path, "text.too_long", what);
        }
    }

    /// A text that is the same for everybody.
    pub(super) fn fixed(&mut self, text: &str, path: &str) {
        if text.contains("{{") {
            let what = "write the words themselves; there can be no placeholder here";
            self.add(path, "placeholder.not_allowed", what);
        }
    }
}

/// Everything that is wrong with a template; nothing if Meta can be asked.
pub fn validate(draft: &Draft) -> Vec<Fault> {
    let mut faults = Faults(identity(&draft.name, &draft.language));
    lifetime(draft, &mut faults);
    structure(draft, &mut faults);
    for (number, component) in draft.components.iter().enumerate() {
        let path = format!("components[{number}]");
        check(component, draft, &path, &mut faults);
    }
    special::check(draft, &mut faults);
    faults.0
}

/// What is wrong with a name and a language, which never change once a template is drafted.
pub fn identity(name: &str, language: &str) -> Vec<Fault> {
    let mut faults = Faults::default();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if name.is_empty() || name.len() > MOST_NAME || !name.bytes().all(plain) {
        let what = format!("use 1 to {MOST_NAME} lower case letters a-z, digits and underscores");
        faults.add("name", "name.invalid", what);
    }
    if !speaks(language) {
        let what = "use a language of WhatsApp's list, with its region where it has one: en_US, \
                    pt_BR, sw, fr";
        faults.add("language", "language.unknown", what);
    }
    faults.0
}

fn speaks(language: &str) -> bool {
    let (tongue, region) = match language.split_once('_') {
        Some((tongue, region)) => (tongue, Some(region)),
        None => (language, None),
    };
    let fine = |region: &str| region.len() == 2 && region.bytes().all(|b| b.is_ascii_uppercase());
    let region = match region {
        Some(region) => fine(region),
        None => !WITH_REGION.contains(&tongue),
    };
    region && LANGUAGES.contains(&tongue)
}

fn lifetime(draft: &Draft, faults: &mut Faults) {
    let Some(seconds) = draft.message_send_ttl_seconds else { return };
    let (least, most) = match draft.category {
        Category::Authentication => TTL_AUTHENTICATION,
        Category::Utility => TTL_UTILITY,
        Category::Marketing => TTL_MARKETING,
    };
    let longest = seconds == TTL_LONGEST && draft.category != Category::Marketing;
    if !longest && !(least..=most).contains(&seconds) {
        let what = format!("use {least} to {most} seconds in this category, or leave it out");
        faults.add("message_send_ttl_seconds", "ttl.out_of_range", what);
    }
}

/// Exactly one body, and at most one of each other component.
fn structure(draft: &Draft, faults: &mut Faults) {
    if !draft.components.iter().any(|component| matches!(component, Component::Body(_))) {
        faults.add("components", "body.missing", "add a component of the type body");
    }
    once_each(&draft.components, "components", faults);
}

pub(super) fn once_each(components: &[Component], path: &str, faults: &mut Faults) {
    for (number, component) in components.iter().enumerate() {
        if components[..number].iter().any(|other| kind(other) == kind(component)) {
            let what = format!("a template has at most one {}; take this one out", kind(component));
            faults.add(&format!("{path}[{number}]"), "component.duplicate", what);
        }
    }
}

pub(super) fn kind(component: &Component) -> &'static str {
    match component {
        Component::Header(_) => "header",
        Component::Body(_) => "body",
        Component::Footer(_) => "footer",
        Component::Buttons(_) => "buttons",
        Component::Carousel(_) => "carousel",
        Component::LimitedTimeOffer(_) => "limited_time_offer",
    }
}

fn check(component: &Component, draft: &Draft, path: &str, faults: &mut Faults) {
    let format = draft.parameter_format;
    match component {
        Component::Header(part) => header(part, format, path, faults),
        // What Meta writes itself is checked with the authentication category.
        Component::Body(_) | Component::Footer(_) if draft.category == Category::Authentication => {
        }
        Component::Body(part) => body(part, MOST_BODY, format, path, faults),
        Component::Footer(part) => footer(part, path, faults),
        Component::Buttons(part) => buttons::check(&part.buttons, draft, path, faults),
        Component::Carousel(part) => special::carousel(part, draft, path, faults),
        Component::LimitedTimeOffer(part) => special::offer(part, path, faults),
    }
}

pub(super) fn header(part: &Header, format: ParameterFormat, path: &str, faults: &mut Faults) {
    match part.format {
        Format::Text => text_header(part, format, path, faults),
        Format::Image | Format::Video | Format::Gif | Format::Document => {
            let place = format!("{path}.example.header_handle");
            if part.example.header_handle.iter().all(|handle| handle.trim().is_empty()) {
                let what = "upload a sample file and give its handle";
                faults.add(&place, "example.missing", what);
            } else if part.example.header_handle.len() > 1 {
                faults.add(&place, "example.count", "give the handle of one sample file");
            }
        }
        Format::Product => {
            let what = "a product is the header of a carousel's cards only";
            faults.add(&format!("{path}.format"), "header.not_allowed", what);
        }
        Format::Location => {}
    }
    if part.format != Format::Text && part.text.is_some() {
        let what = "leave out the text, or make the format text";
        faults.add(&format!("{path}.text"), "text.not_allowed", what);
    }
}

fn text_header(part: &Header, format: ParameterFormat, path: &str, faults: &mut Faults) {
    let place = format!("{path}.text");
    let text = part.text.as_deref().unwrap_or_default();
    faults.text(text, MOST_HEADER, &place);
    if placeholder::around(text).contains(['*', '_', '~', '`', '\n', '\r']) {
        let what = "leave out line breaks and the characters * _ ~ `";
        faults.add(&place, "text.markup", what);
    }
    if placeholder::names(text).len() > 1 {
        let what = "keep at most one placeholder in the header";
        return faults.add(&place, "placeholder.too_many", what);
    }
    let samples = Samples {
        positional: &part.example.header_text,
        named: &part.example.header_text_named_params,
        key: "header_text",
    };
    placeholder::check(text, &samples, format, path, faults);
}

pub(super) fn body(
    part: &Body,
    most: usize,
    format: ParameterFormat,
    path: &str,
    faults: &mut Faults,
) {
    let text = part.text.as_deref().unwrap_or_default();
    faults.text(text, most, &format!("{path}.text"));
    if part.add_security_recommendation.is_some() {
        let place = format!("{path}.add_security_recommendation");
        faults.add(&place, "authentication.only", "leave it out; it is for authentication only");
    }
    let empty = vec![];
    let samples = Samples {
        positional: part.example.body_text.first().unwrap_or(&empty),
        named: &part.example.body_text_named_params,
        key: "body_text",
    };
    if part.example.body_text.iter().any(|row| row.len() != samples.positional.len()) {
        let what = "give each row of examples as many as there are placeholders";
        faults.add(&format!("{path}.example.body_text"), "example.count", what);
    }
    placeholder::check(text, &samples, format, path, faults);
    placeholder::dangling(text, path, faults);
    misplaced(&part.example, path, faults);
}

fn misplaced(example: &Example, path: &str, faults: &mut Faults) {
    if !example.header_handle.is_empty() || !example.header_text.is_empty() {
        let what = "a body's examples are body_text or body_text_named_params";
        faults.add(&format!("{path}.example"), "example.misplaced", what);
    }
}

fn footer(part: &Footer, path: &str, faults: &mut Faults) {
    let place = format!("{path}.text");
    let text = part.text.as_deref().unwrap_or_default();
    faults.text(text, MOST_FOOTER, &place);
    faults.fixed(text, &place);
    if part.code_expiration_minutes.is_some() {
        let place = format!("{path}.code_expiration_minutes");
        faults.add(&place, "authentication.only", "leave it out; it is for authentication only");
    }
}
