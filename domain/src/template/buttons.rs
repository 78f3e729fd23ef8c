//! The rules of buttons. Source: Meta's documentation of template components, section buttons.

use super::component::{Button, Flow, Link};
use super::placeholder;
use super::rules::Faults;
use super::{Category, Draft};

pub(super) const MOST_BUTTONS: usize = 10;
pub(super) const MOST_LABEL: usize = 25;
pub(super) const MOST_URL: usize = 2000;
pub(super) const MOST_PHONE: usize = 20;
pub(super) const MOST_CODE: usize = 20;

/// How many there may be of each kind.
fn most(button: &Button) -> usize {
    match button {
        Button::QuickReply(_) | Button::Spm(_) => MOST_BUTTONS,
        Button::Url(_) => 2,
        Button::PhoneNumber(_)
        | Button::CopyCode(_)
        | Button::Otp(_)
        | Button::Flow(_)
        | Button::Catalog(_)
        | Button::Mpm(_)
        | Button::VoiceCall(_) => 1,
    }
}

pub(super) fn kind(button: &Button) -> &'static str {
    match button {
        Button::QuickReply(_) => "quick_reply",
        Button::Url(_) => "url",
        Button::PhoneNumber(_) => "phone_number",
        Button::CopyCode(_) => "copy_code",
        Button::Otp(_) => "otp",
        Button::Flow(_) => "flow",
        Button::Catalog(_) => "catalog",
        Button::Mpm(_) => "mpm",
        Button::Spm(_) => "spm",
        Button::VoiceCall(_) => "voice_call",
    }
}

/// Checks a component's buttons. `path` leads to the component.
pub(super) fn check(buttons: &[Button], draft: &Draft, path: &str, faults: &mut Faults) {
    let place = format!("{path}.buttons");
    if buttons.is_empty() {
        let what = "add a button, or leave the component out";
        return faults.add(&place, "buttons.missing", what);
    }
    if buttons.len() > MOST_BUTTONS {
        let what = format!("keep at most {MOST_BUTTONS} of the {} buttons", buttons.len());
        faults.add(&place, "buttons.too_many", what);
    }
    grouped(buttons, &place, faults);
    for (number, button) in buttons.iter().enumerate() {
        let path = format!("{place}[{number}]");
        let same = buttons[..number].iter().filter(|other| kind(other) == kind(button)).count();
        if same >= most(button) {
            let what = format!("a template has at most {} {} button", most(button), kind(button));
            faults.add(&path, "buttons.too_many_of_kind", what);
        }
        one(button, &path, faults);
        fitting(button, draft.category, &path, faults);
    }
    labelled(buttons, &place, faults);
}

/// Quick replies stand together: before the others or behind them.
fn grouped(buttons: &[Button], place: &str, faults: &mut Faults) {
    let quick: Vec<bool> = buttons.iter().map(|b| matches!(b, Button::QuickReply(_))).collect();
    let changes = quick.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if changes > 1 {
        let what = "put all quick replies together, before or behind all other buttons";
        faults.add(place, "buttons.grouping", what);
    }
}

/// Two buttons of one label would be the same answer.
fn labelled(buttons: &[Button], place: &str, faults: &mut Faults) {
    let label = |button: &Button| match button {
        Button::QuickReply(label) => Some(label.text.trim().to_owned()),
        _ => None,
    };
    for (number, button) in buttons.iter().enumerate() {
        let told = label(button).filter(|text| !text.is_empty());
        if told.is_some() && buttons[..number].iter().any(|other| label(other) == told) {
            let what = "give each quick reply a text of its own";
            faults.add(&format!("{place}[{number}].text"), "buttons.same_text", what);
        }
    }
}

pub(super) fn one(button: &Button, path: &str, faults: &mut Faults) {
    let place = format!("{path}.text");
    match button {
        Button::QuickReply(label) | Button::VoiceCall(label) => {
            text(&label.text, &place, faults);
        }
        // Meta gives these their words where they have none.
        Button::Catalog(label) | Button::Mpm(label) | Button::Spm(label) => {
            if !label.text.is_empty() {
                text(&label.text, &place, faults);
            }
        }
        Button::Url(link) => {
            text(&link.text, &place, faults);
            leads(link, path, faults);
        }
        Button::PhoneNumber(call) => {
            text(&call.text, &place, faults);
            dialled(&call.phone_number, &format!("{path}.phone_number"), faults);
        }
        Button::CopyCode(code) => faults.text(&code.example, MOST_CODE, &format!("{path}.example")),
        Button::Otp(otp) => {
            let texts = [("text", &otp.text), ("autofill_text", &otp.autofill_text)];
            for (name, told) in texts {
                if let Some(told) = told {
                    text(told, &format!("{path}.{name}"), faults);
                }
            }
        }
        Button::Flow(part) => {
            text(&part.text, &place, faults);
            flows(part, path, faults);
        }
    }
}

fn text(text: &str, place: &str, faults: &mut Faults) {
    faults.text(text, MOST_LABEL, place);
    faults.fixed(text, place);
}

fn leads(link: &Link, path: &str, faults: &mut Faults) {
    let place = format!("{path}.url");
    faults.text(&link.url, MOST_URL, &place);
    let web = link.url.starts_with("https://") || link.url.starts_with("http://");
    let spaced = link.url.contains(char::is_whitespace);
    if !link.url.is_empty() && (!web || spaced || placeholder::around(&link.url).len() < 9) {
        let what = "write a whole address that begins with https:// and has no spaces";
        faults.add(&place, "url.invalid", what);
    }
    let names = placeholder::names(&link.url);
    let around = placeholder::around(&link.url);
    let wrong = if around.contains("{{") || around.contains("}}") {
        Some(("placeholder.malformed", "close {{ with }}"))
    } else if names.len() > 1 {
        Some(("placeholder.too_many", "keep one placeholder, at the end of the address"))
    } else if !names.is_empty() && !link.url.ends_with("}}") {
        Some(("placeholder.position", "put the placeholder at the end of the address"))
    } else if names.first().is_some_and(|name| *name != "1") {
        Some(("placeholder.format", "write the placeholder of an address as {{1}}"))
    } else {
        None
    };
    if let Some((code, what)) = wrong {
        return faults.add(&place, code, what);
    }
    let place = format!("{path}.example");
    match (names.len(), &link.example[..]) {
        (0, []) => {}
        (0, _) => faults.add(&place, "example.count", "there is no placeholder to give one for"),
        (_, [told]) => faults.text(told, MOST_URL, &place),
        (_, []) => {
            faults.add(&place, "example.missing", "give an address as it may look when sent");
        }
        _ => faults.add(&place, "example.count", "give one example"),
    }
}

fn dialled(number: &str, place: &str, faults: &mut Faults) {
    faults.text(number, MOST_PHONE, place);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let fine = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '.');
    let rest = number.strip_prefix('+').unwrap_or(number);
    if !number.trim().is_empty() && (digits < 5 || !rest.chars().all(fine)) {
        faults.add(place, "phone.invalid", "write the number with its country code: +15550051310");
    }
}

fn flows(part: &Flow, path: &str, faults: &mut Faults) {
    let named = [&part.flow_id, &part.flow_name, &part.flow_json];
    if named.into_iter().flatten().count() != 1 {
        let what = "name the flow by exactly one of flow_id, flow_name and flow_json";
        faults.add(path, "flow.unnamed", what);
    }
    let action = part.flow_action.as_deref();
    if !matches!(action, None | Some("navigate" | "data_exchange")) {
        let what = "use navigate or data_exchange";
        faults.add(&format!("{path}.flow_action"), "flow.action", what);
    }
}

/// Some buttons belong to some categories.
fn fitting(button: &Button, category: Category, path: &str, faults: &mut Faults) {
    match (category, button) {
        (Category::Authentication, Button::Otp(_)) => {}
        (Category::Authentication, _) => {
            let what = "an authentication template has no button but one of the type otp";
            faults.add(path, "authentication.button", what);
        }
        (_, Button::Otp(_)) => {
            let what = "use it in the category authentication, or copy_code for an offer's code";
            faults.add(path, "authentication.only", what);
        }
        (
            Category::Utility,
            Button::CopyCode(_) | Button::Catalog(_) | Button::Mpm(_) | Button::Spm(_),
        ) => {
            let what = format!("{} buttons belong to the category marketing", kind(button));
            faults.add(path, "buttons.category", what);
        }
        (Category::Marketing | Category::Utility, _) => {}
    }
}
