//! How a template must be made before it is looked at.

use serde_json::{Value, json};

use super::super::error::Error;
use super::super::message::text;
use super::parameters;

/// The components with their types in capitals, in which Meta gives them back.
pub(super) fn check(components: &Value, category: &str, format: &str) -> Result<Value, Error> {
    if !matches!(format, "POSITIONAL" | "NAMED") {
        return Err(Error::parameter("Param parameter_format must be one of {POSITIONAL, NAMED}"));
    }
    let mut components = match components.as_array() {
        Some(components) if !components.is_empty() => components.clone(),
        _ => return Err(Error::required("components")),
    };
    let mut seen = Vec::new();
    for component in &mut components {
        capitals(component, "type")?;
        let kind = component["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "HEADER" => header(component, format)?,
            "BODY" => body(component, category, format)?,
            "FOOTER" => footer(component)?,
            "BUTTONS" => buttons(component)?,
            "CAROUSEL" | "LIMITED_TIME_OFFER" => {}
            other => return Err(wrong(format!("component {other} is not supported"))),
        }
        if seen.contains(&kind) {
            return Err(wrong(format!("there are two components {kind}")));
        }
        seen.push(kind);
    }
    if !seen.iter().any(|kind| kind == "BODY") {
        return Err(wrong("a template needs a BODY"));
    }
    Ok(Value::Array(components))
}

fn header(component: &mut Value, format: &str) -> Result<(), Error> {
    capitals(component, "format")?;
    match component["format"].as_str().unwrap_or_default() {
        "TEXT" => {
            let words = text(component, "text", 60)?;
            if parameters(words).len() > 1 {
                return Err(wrong("a HEADER takes one parameter at most"));
            }
            let given = match format {
                "NAMED" => component["example"]["header_text_named_params"].as_array(),
                _ => component["example"]["header_text"].as_array(),
            };
            exemplified("HEADER", words, format, given.map_or(0, Vec::len))
        }
        "IMAGE" | "VIDEO" | "DOCUMENT" => {
            let handles = component["example"]["header_handle"].as_array();
            if handles.is_none_or(Vec::is_empty) {
                return Err(lacking("a HEADER of media needs example.header_handle"));
            }
            Ok(())
        }
        "LOCATION" => Ok(()),
        other => Err(wrong(format!("a HEADER can't have the format {other}"))),
    }
}

fn body(component: &Value, category: &str, format: &str) -> Result<(), Error> {
    if category == "AUTHENTICATION" {
        // Meta writes these itself.
        return match component["text"] {
            Value::Null => Ok(()),
            _ => Err(wrong("the BODY of an authentication template has no text of its own")),
        };
    }
    let words = text(component, "text", 1024)?;
    let trimmed = words.trim();
    if trimmed.starts_with("{{") || trimmed.ends_with("}}") {
        let message = "Variables can't be at the start or end of the template";
        return Err(Error::parameter(message).subcode(2_388_299));
    }
    let example = &component["example"];
    let given = match format {
        "NAMED" => example["body_text_named_params"].as_array(),
        _ => example["body_text"][0].as_array(),
    };
    exemplified("BODY", words, format, given.map_or(0, Vec::len))
}

fn exemplified(place: &str, words: &str, format: &str, given: usize) -> Result<(), Error> {
    let names = parameters(words);
    let positional = |(at, name): (usize, &&str)| **name == (at + 1).to_string();
    let named = |name: &&str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    let right = match format {
        "NAMED" => names.iter().all(named),
        _ => names.iter().enumerate().all(positional),
    };
    if !right {
        return Err(wrong(format!("{place}: parameters are not {}", format.to_lowercase())));
    }
    if names.len() != given {
        return Err(lacking(format!("{place}: {} parameters, {given} examples", names.len())));
    }
    Ok(())
}

fn footer(component: &Value) -> Result<(), Error> {
    if component["text"].is_null() && component["code_expiration_minutes"].is_u64() {
        return Ok(());
    }
    match parameters(text(component, "text", 60)?).is_empty() {
        true => Ok(()),
        false => Err(wrong("a FOOTER takes no parameters")),
    }
}

fn buttons(component: &mut Value) -> Result<(), Error> {
    let Some(buttons) = component["buttons"].as_array_mut().filter(|it| !it.is_empty()) else {
        return Err(lacking("BUTTONS without buttons"));
    };
    if buttons.len() > 10 {
        return Err(wrong("a template has at most 10 buttons"));
    }
    for button in buttons {
        capitals(button, "type")?;
        let kind = button["type"].as_str().unwrap_or_default();
        if !matches!(kind, "OTP" | "COPY_CODE") || !button["text"].is_null() {
            text(button, "text", 25)?;
        }
        match kind {
            "QUICK_REPLY" | "FLOW" | "CATALOG" | "MPM" | "SPM" | "VOICE_CALL" => {}
            "PHONE_NUMBER" => drop(text(button, "phone_number", 20)?),
            "COPY_CODE" if button["example"].is_null() => {
                return Err(lacking("a COPY_CODE button needs an example"));
            }
            "COPY_CODE" => {}
            "OTP" => capitals(button, "otp_type")?,
            "URL" => {
                let variable = !parameters(text(button, "url", 2000)?).is_empty();
                if variable && button["example"].as_array().is_none_or(Vec::is_empty) {
                    return Err(lacking("a URL button with a parameter needs an example"));
                }
            }
            other => return Err(wrong(format!("a button can't be {other}"))),
        }
    }
    Ok(())
}

fn capitals(within: &mut Value, name: &str) -> Result<(), Error> {
    let value = text(within, name, 64)?.to_uppercase();
    within[name] = json!(value);
    Ok(())
}

fn wrong(details: impl Into<String>) -> Error {
    Error::because(100, details)
}

/// Something that Meta expects in a component isn't there.
fn lacking(details: impl Into<String>) -> Error {
    wrong(details).subcode(2_388_043)
}
