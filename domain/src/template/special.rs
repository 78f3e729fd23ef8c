//! The rules of templates with a form of their own: authentication, carousels, limited-time
//! offers.
//!
//! Sources: Meta's documentation of authentication templates, of media card and product card
//! carousel templates, and of limited-time offer templates.

use super::component::{App, Button, Card, Carousel, Component, Format, Header, LimitedTimeOffer};
use super::component::{Otp, OtpType};
use super::rules::{self, Faults};
use super::{Category, Draft, buttons};

const CARDS: (usize, usize) = (2, 10);
const MOST_CARD_BODY: usize = 160;
const MOST_CARD_BUTTONS: usize = 2;
const MOST_OFFER: usize = 16;
const MOST_OFFER_BODY: usize = 600;
const MOST_OFFER_CODE: usize = 15;
const CODE_MINUTES: (u32, u32) = (1, 90);
const MOST_APPS: usize = 5;
const MOST_PACKAGE: usize = 224;
const SIGNATURE: usize = 11;

/// What holds of the template as a whole.
pub(super) fn check(draft: &Draft, faults: &mut Faults) {
    let has = |kind: &str| draft.components.iter().any(|part| rules::kind(part) == kind);
    if draft.category == Category::Authentication {
        authentication(draft, faults);
    }
    if has("carousel") {
        marketing_only("carousel", draft, faults);
        beside_carousel(draft, faults);
    }
    if has("limited_time_offer") {
        marketing_only("limited_time_offer", draft, faults);
        beside_offer(draft, faults);
    }
}

fn marketing_only(kind: &str, draft: &Draft, faults: &mut Faults) {
    if draft.category != Category::Marketing {
        let what = format!("make the category marketing; {kind} exists in no other");
        faults.add("category", "category.marketing_only", what);
    }
}

/// The text is Meta's: there is only to choose what it warns of, and how the code is taken over.
fn authentication(draft: &Draft, faults: &mut Faults) {
    let mut passwords = 0;
    for (number, component) in draft.components.iter().enumerate() {
        let path = format!("components[{number}]");
        match component {
            Component::Body(body) if body.text.is_some() || !body.example.is_empty() => {
                let what = "leave out text and example: Meta writes the words of authentication \
                            templates";
                faults.add(&format!("{path}.text"), "authentication.text", what);
            }
            Component::Footer(footer) => {
                expiry(footer.text.as_deref(), footer.code_expiration_minutes, &path, faults);
            }
            Component::Buttons(part) => {
                for (number, button) in part.buttons.iter().enumerate() {
                    if let Button::Otp(otp) = button {
                        passwords += 1;
                        password(otp, &format!("{path}.buttons[{number}]"), faults);
                    }
                }
            }
            Component::Header(_) | Component::Carousel(_) | Component::LimitedTimeOffer(_) => {
                let what = "an authentication template has only body, footer and buttons";
                faults.add(&path, "authentication.component", what);
            }
            Component::Body(_) => {}
        }
    }
    if passwords == 0 {
        let what = "add the component buttons with one button of the type otp";
        faults.add("components", "authentication.button_missing", what);
    }
}

fn expiry(text: Option<&str>, minutes: Option<u32>, path: &str, faults: &mut Faults) {
    if text.is_some() {
        let what = "leave out the text: Meta writes it; say code_expiration_minutes";
        faults.add(&format!("{path}.text"), "authentication.text", what);
    }
    let (least, most) = CODE_MINUTES;
    if !minutes.is_some_and(|minutes| (least..=most).contains(&minutes)) {
        let what = format!("use {least} to {most} minutes, or leave the footer out");
        let place = format!("{path}.code_expiration_minutes");
        faults.add(&place, "authentication.expiration", what);
    }
}

fn password(otp: &Otp, path: &str, faults: &mut Faults) {
    let place = format!("{path}.supported_apps");
    match otp.otp_type {
        OtpType::CopyCode => {
            if !otp.supported_apps.is_empty() {
                faults.add(&place, "otp.apps", "leave it out; nothing is filled in by copying");
            }
            if otp.autofill_text.is_some() {
                let place = format!("{path}.autofill_text");
                faults.add(&place, "otp.autofill", "leave it out; nothing is filled in by copying");
            }
        }
        OtpType::OneTap | OtpType::ZeroTap => {
            if !(1..=MOST_APPS).contains(&otp.supported_apps.len()) {
                let what = format!("name 1 to {MOST_APPS} Android apps that may take the code");
                faults.add(&place, "otp.apps", what);
            }
            for (number, app) in otp.supported_apps.iter().enumerate() {
                android(app, &format!("{place}[{number}]"), faults);
            }
        }
    }
    if otp.otp_type == OtpType::ZeroTap && otp.zero_tap_terms_accepted != Some(true) {
        let what = "zero-tap needs it true: who sends codes so answers for how they are used";
        faults.add(&format!("{path}.zero_tap_terms_accepted"), "otp.terms", what);
    }
}

fn android(app: &App, path: &str, faults: &mut Faults) {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let segment =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(word);
    let name = &app.package_name;
    if !name.contains('.') || name.len() > MOST_PACKAGE || !name.split('.').all(segment) {
        let what = "write the app's package name, like com.example.shop";
        faults.add(&format!("{path}.package_name"), "otp.package_name", what);
    }
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    if app.signature_hash.len() != SIGNATURE || !app.signature_hash.bytes().all(base64) {
        let what = format!("write the {SIGNATURE} characters of the app's signing key hash");
        faults.add(&format!("{path}.signature_hash"), "otp.signature_hash", what);
    }
}

/// A carousel stands under a text, and everything else is on its cards.
fn beside_carousel(draft: &Draft, faults: &mut Faults) {
    for (number, component) in draft.components.iter().enumerate() {
        if !matches!(component, Component::Body(_) | Component::Carousel(_)) {
            let what = "beside a carousel there is only a body; put this on the cards";
            faults.add(&format!("components[{number}]"), "carousel.beside", what);
        }
    }
}

pub(super) fn carousel(part: &Carousel, draft: &Draft, path: &str, faults: &mut Faults) {
    let place = format!("{path}.cards");
    let (least, most) = CARDS;
    if !(least..=most).contains(&part.cards.len()) {
        let what = format!("use {least} to {most} cards; there are {}", part.cards.len());
        faults.add(&place, "carousel.cards", what);
    }
    for (number, card) in part.cards.iter().enumerate() {
        let path = format!("{place}[{number}]");
        inside(card, draft, &path, faults);
        if part.cards.first().is_some_and(|first| form(first) != form(card)) {
            let what = "give all cards the same components, header format and kinds of buttons";
            faults.add(&path, "carousel.uneven", what);
        }
    }
}

/// What all cards of a carousel have in common.
fn form(card: &Card) -> Vec<(&'static str, Option<Format>, Vec<&'static str>)> {
    let form = |part: &Component| match part {
        Component::Header(header) => ("header", Some(header.format), vec![]),
        Component::Buttons(part) => {
            ("buttons", None, part.buttons.iter().map(buttons::kind).collect())
        }
        part => (rules::kind(part), None, vec![]),
    };
    card.components.iter().map(form).collect()
}

fn inside(card: &Card, draft: &Draft, path: &str, faults: &mut Faults) {
    let place = format!("{path}.components");
    rules::once_each(&card.components, &place, faults);
    if !card.components.iter().any(|part| matches!(part, Component::Header(_))) {
        faults.add(&place, "carousel.header_missing", "give each card a header");
    }
    for (number, component) in card.components.iter().enumerate() {
        let path = format!("{place}[{number}]");
        match component {
            Component::Header(header) => picture(header, draft, &path, faults),
            Component::Body(body) => {
                rules::body(body, MOST_CARD_BODY, draft.parameter_format, &path, faults);
            }
            Component::Buttons(part) => card_buttons(&part.buttons, &path, faults),
            Component::Footer(_) | Component::Carousel(_) | Component::LimitedTimeOffer(_) => {
                let what = "a card has only header, body and buttons";
                faults.add(&path, "carousel.component", what);
            }
        }
    }
}

fn picture(header: &Header, draft: &Draft, path: &str, faults: &mut Faults) {
    match header.format {
        Format::Product => {}
        Format::Image | Format::Video => {
            rules::header(header, draft.parameter_format, path, faults);
        }
        Format::Text | Format::Gif | Format::Document | Format::Location => {
            let what = "use image, video or product";
            faults.add(&format!("{path}.format"), "header.not_allowed", what);
        }
    }
}

fn card_buttons(list: &[Button], path: &str, faults: &mut Faults) {
    let place = format!("{path}.buttons");
    if !(1..=MOST_CARD_BUTTONS).contains(&list.len()) {
        let what = format!("use 1 to {MOST_CARD_BUTTONS} buttons on a card");
        faults.add(&place, "carousel.buttons", what);
    }
    for (number, button) in list.iter().enumerate() {
        let path = format!("{place}[{number}]");
        match button {
            Button::QuickReply(_) | Button::Url(_) | Button::PhoneNumber(_) | Button::Spm(_) => {
                buttons::one(button, &path, faults);
            }
            _ => {
                let what = "use quick_reply, url, phone_number or spm on a card";
                faults.add(&path, "carousel.buttons", what);
            }
        }
    }
}

pub(super) fn offer(part: &LimitedTimeOffer, path: &str, faults: &mut Faults) {
    let place = format!("{path}.limited_time_offer.text");
    faults.text(&part.limited_time_offer.text, MOST_OFFER, &place);
    faults.fixed(&part.limited_time_offer.text, &place);
}

fn beside_offer(draft: &Draft, faults: &mut Faults) {
    let mut links = false;
    for (number, component) in draft.components.iter().enumerate() {
        let path = format!("components[{number}]");
        match component {
            Component::Footer(_) => {
                faults.add(&path, "offer.footer", "take the footer out; offers have none");
            }
            Component::Header(header) => {
                if !matches!(header.format, Format::Image | Format::Video) {
                    let what = "an offer's header is an image or a video";
                    faults.add(&format!("{path}.format"), "header.not_allowed", what);
                }
            }
            Component::Body(body) => {
                let length = body.text.as_deref().unwrap_or_default().chars().count();
                if (MOST_OFFER_BODY + 1..=rules::MOST_BODY).contains(&length) {
                    let what = format!("use at most {MOST_OFFER_BODY} characters in an offer");
                    faults.add(&format!("{path}.text"), "text.too_long", what);
                }
            }
            Component::Buttons(part) => {
                links = part.buttons.iter().any(|button| matches!(button, Button::Url(_)));
                offer_code(&part.buttons, &path, faults);
            }
            Component::Carousel(_) | Component::LimitedTimeOffer(_) => {}
        }
    }
    if !links {
        let what = "add the component buttons with a button of the type url";
        faults.add("components", "offer.button_missing", what);
    }
}

fn offer_code(list: &[Button], path: &str, faults: &mut Faults) {
    for (number, button) in list.iter().enumerate() {
        let Button::CopyCode(code) = button else { continue };
        let place = format!("{path}.buttons[{number}]");
        if number > 0 {
            faults.add(&place, "offer.code_first", "put the copy_code button first");
        }
        let length = code.example.chars().count();
        if (MOST_OFFER_CODE + 1..=buttons::MOST_CODE).contains(&length) {
            let what = format!("use at most {MOST_OFFER_CODE} characters for an offer's code");
            faults.add(&format!("{place}.example"), "text.too_long", what);
        }
    }
}
