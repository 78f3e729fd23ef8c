//! Whether a message gives a template the parameters that it has.

use serde_json::Value;

use super::super::error::Error;
use super::{Template, parameters};

const NOTHING: &[Value] = &[];

pub(super) fn check(template: &Template, given: &Value) -> Result<(), Error> {
    for component in list(&template.components) {
        match component["type"].as_str().unwrap_or_default() {
            "HEADER" => header(template, component, given)?,
            "BODY" if template.category == "AUTHENTICATION" => {
                counted("body", 1, of_type(given, "body", None).len())?;
            }
            "BODY" => {
                let names = parameters(component["text"].as_str().unwrap_or_default());
                words(template, "body", &names, of_type(given, "body", None))?;
            }
            "BUTTONS" => buttons(component, given)?,
            _ => {}
        }
    }
    Ok(())
}

fn header(template: &Template, component: &Value, given: &Value) -> Result<(), Error> {
    let format = component["format"].as_str().unwrap_or_default();
    let given = of_type(given, "header", None);
    if format == "TEXT" {
        let names = parameters(component["text"].as_str().unwrap_or_default());
        return words(template, "header", &names, given);
    }
    counted("header", 1, given.len())?;
    let kind = given[0]["type"].as_str().unwrap_or_default().to_uppercase();
    if kind == format {
        return Ok(());
    }
    let details = format!("header: Format mismatch, expected {format}, received {kind}");
    Err(Error::because(132_012, details))
}

fn words(template: &Template, place: &str, names: &[&str], given: &[Value]) -> Result<(), Error> {
    counted(place, names.len(), given.len())?;
    for parameter in given {
        let kind = parameter["type"].as_str().unwrap_or_default();
        if !matches!(kind, "text" | "currency" | "date_time") {
            let details = format!("{place}: Format mismatch, expected TEXT, received {kind}");
            return Err(Error::because(132_012, details));
        }
        if kind == "text" && parameter["text"].as_str().is_none_or(str::is_empty) {
            let details = format!("{place}: Parameter of type text is missing text value");
            return Err(Error::because(131_008, details));
        }
        let name = parameter["parameter_name"].as_str();
        if template.parameter_format == "NAMED" && !name.is_some_and(|name| names.contains(&name)) {
            let details = format!("{place}: Parameter name is missing or empty");
            return Err(Error::because(132_012, details));
        }
    }
    Ok(())
}

/// Buttons whose parameter differs from message to message.
fn buttons(component: &Value, given: &Value) -> Result<(), Error> {
    for (index, button) in list(&component["buttons"]).iter().enumerate() {
        let expected = match button["type"].as_str().unwrap_or_default() {
            "URL" => parameters(button["url"].as_str().unwrap_or_default()).len(),
            "OTP" | "COPY_CODE" => 1,
            // Quick replies may bring a payload and needn't.
            _ => continue,
        };
        let found = of_type(given, "button", Some(index)).len();
        counted(&format!("buttons: button at index {index}"), expected, found)?;
    }
    Ok(())
}

fn of_type<'a>(given: &'a Value, kind: &str, index: Option<usize>) -> &'a [Value] {
    let here = |component: &&Value| {
        let at = match &component["index"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64(),
        };
        component["type"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(kind))
            && index.is_none_or(|index| at == u64::try_from(index).ok())
    };
    list(given).iter().find(here).map_or(NOTHING, |component| list(&component["parameters"]))
}

fn counted(place: &str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    let details = format!(
        "{place}: number of localizable_params ({found}) does not match the expected number of \
         params ({expected})"
    );
    Err(Error::because(132_000, details))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(NOTHING, Vec::as_slice)
}
