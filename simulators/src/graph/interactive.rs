//! Messages with buttons, lists and links, and how much of each fits in.

use std::collections::HashSet;

use serde_json::Value;

use super::error::Error;
use super::message::{media, text};

pub(super) fn check(content: &Value) -> Result<(), Error> {
    let kind = text(content, "type", usize::MAX)?;
    let longest = if kind == "list" { 4096 } else { 1024 };
    if !(content["body"].is_null() && matches!(kind, "product" | "flow")) {
        text(&content["body"], "text", longest)?;
    }
    if !content["footer"].is_null() {
        text(&content["footer"], "text", 60)?;
    }
    header(kind, &content["header"])?;
    let action = match &content["action"] {
        Value::Null if kind == "call_permission_request" => return Ok(()),
        Value::Null => return Err(Error::required("interactive['action']")),
        action => action,
    };
    match kind {
        "button" => buttons(action),
        "list" => list(action),
        "cta_url" => {
            text(&action["parameters"], "display_text", 20)?;
            text(&action["parameters"], "url", usize::MAX).map(drop)
        }
        "location_request_message" => named(action, "send_location"),
        "flow" => named(action, "flow"),
        "address_message" => named(action, "address_message"),
        "call_permission_request" => named(action, "call_permission_request"),
        "catalog_message" => named(action, "catalog_message"),
        "voice_call" => named(action, "voice_call"),
        "product" | "product_list" => text(action, "catalog_id", usize::MAX).map(drop),
        "carousel" => some_of(&action["cards"], "cards", 10).map(drop),
        _ => Err(invalid(format!("interactive.type {kind} is not supported"))),
    }
}

fn header(kind: &str, header: &Value) -> Result<(), Error> {
    if header.is_null() {
        return Ok(());
    }
    match text(header, "type", usize::MAX)? {
        "text" => text(header, "text", 60).map(drop),
        other if kind == "list" => Err(invalid(format!("a list's header is text, not {other}"))),
        other @ ("image" | "video" | "document") => media(other, &header[other]),
        other => Err(invalid(format!("interactive.header.type {other} is not supported"))),
    }
}

fn buttons(action: &Value) -> Result<(), Error> {
    let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
    for button in some_of(&action["buttons"], "buttons", 3)? {
        if button["type"] != "reply" {
            return Err(invalid("a button's type is reply"));
        }
        let id = text(&button["reply"], "id", 256)?;
        let title = text(&button["reply"], "title", 20)?;
        if !ids.insert(id) || !titles.insert(title) {
            return Err(invalid(format!("two buttons have the id {id} or the title {title}")));
        }
    }
    Ok(())
}

fn list(action: &Value) -> Result<(), Error> {
    text(action, "button", 20)?;
    let (mut ids, sections) = (HashSet::new(), some_of(&action["sections"], "sections", 10)?);
    for section in sections {
        if sections.len() > 1 || !section["title"].is_null() {
            text(section, "title", 24)?;
        }
        for row in some_of(&section["rows"], "rows", 10)? {
            text(row, "title", 24)?;
            if !row["description"].is_null() {
                text(row, "description", 72)?;
            }
            let id = text(row, "id", 200)?;
            if !ids.insert(id) {
                return Err(invalid(format!("two rows have the id {id}")));
            }
        }
    }
    if ids.len() > 10 {
        return Err(invalid(format!("a list has at most 10 rows, not {}", ids.len())));
    }
    Ok(())
}

fn named(action: &Value, name: &str) -> Result<(), Error> {
    if action["name"] == name {
        return Ok(());
    }
    Err(invalid(format!("interactive.action.name must be {name}")))
}

fn some_of<'a>(list: &'a Value, name: &str, most: usize) -> Result<&'a Vec<Value>, Error> {
    let list = list.as_array().ok_or_else(|| Error::required(name))?;
    if list.is_empty() || list.len() > most {
        return Err(invalid(format!("{name}: from 1 to {most}, not {}", list.len())));
    }
    Ok(list)
}

fn invalid(details: impl Into<String>) -> Error {
    Error::because(131_009, details)
}
