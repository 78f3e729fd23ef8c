//! Files: what businesses upload for their messages, what customers sent them, and samples for the
//! headers of templates.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::error::Error;

/// Types that can be sent, and how many bytes of each.
const TYPES: &[(&str, &[&str], usize)] = &[
    ("audio", &["aac", "amr", "mpeg", "mp4", "ogg"], 16 << 20),
    ("image", &["jpeg", "png"], 5 << 20),
    ("image", &["webp"], 500 << 10),
    ("video", &["3gpp", "mp4"], 16 << 20),
    ("text", &["plain"], 100 << 20),
];
const DOCUMENT: usize = 100 << 20;
const DOCUMENTS: &[&str] = &["pdf", "msword", "vnd.ms-excel", "vnd.ms-powerpoint"];
const OFFICE: &str = "vnd.openxmlformats-officedocument.";

#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) phone_number_id: String,
    pub(super) mime_type: String,
    pub(super) bytes: Bytes,
    /// Part of the address at which it can be had, and until when.
    ticket: Option<(String, DateTime<Utc>)>,
}

/// Sessions in which a sample is uploaded, by their ids: how many bytes, of which type.
#[derive(Default)]
pub(super) struct Samples(HashMap<String, (usize, String)>);

/// Types that a template's header can show.
const SAMPLES: &[&str] = &["image/jpeg", "image/png", "video/mp4", "application/pdf"];

impl Samples {
    pub(super) fn open(
        &mut self,
        id: String,
        query: &HashMap<String, String>,
    ) -> Result<Value, Error> {
        let told = |name: &str| query.get(name).ok_or_else(|| Error::required(name));
        let length = told("file_length")?.parse().ok().filter(|length| *length > 0);
        let length =
            length.ok_or_else(|| Error::parameter("Param file_length must be positive"))?;
        let mime_type = told("file_type")?;
        if !SAMPLES.contains(&mime_type.as_str()) {
            return Err(Error::parameter(format!("Param file_type can't be {mime_type}")));
        }
        self.0.insert(id.clone(), (length, mime_type.clone()));
        Ok(json!({"id": format!("{id}?sig=ARZ{}", id.len())}))
    }

    /// All of the file, from its first byte on; the handle is what templates name.
    pub(super) fn fill(
        &mut self,
        id: &str,
        offset: Option<&str>,
        bytes: &Bytes,
    ) -> Result<Value, Error> {
        let (length, mime_type) = self.0.get(id).ok_or_else(|| Error::no_object("post", id))?;
        if offset != Some("0") || bytes.len() != *length {
            return Err(Error::parameter("The bytes must be all that file_length says"));
        }
        let handle = format!("4::{}:{}", hex::encode(mime_type), hex::encode(id));
        self.0.remove(id);
        Ok(json!({"h": handle}))
    }
}

#[derive(Default)]
pub(super) struct Files(HashMap<String, File>);

impl Files {
    pub(super) fn keep(&mut self, id: String, line: &str, mime_type: &str, bytes: Bytes) {
        let (phone_number_id, mime_type) = (line.to_owned(), mime_type.to_owned());
        self.0.insert(id, File { phone_number_id, mime_type, bytes, ticket: None });
    }

    pub(super) fn get(&self, id: &str) -> Option<&File> {
        self.0.get(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        self.0.remove(id).is_some()
    }

    /// What is told of a file, with an address that holds for five minutes.
    pub(super) fn describe(
        &mut self,
        id: &str,
        base: &str,
        hash: String,
        now: DateTime<Utc>,
    ) -> Option<Value> {
        let file = self.0.get_mut(id)?;
        let until = now + TimeDelta::minutes(5);
        let url = format!(
            "{base}/whatsapp_business/attachments/?mid={id}&ext={}&hash={hash}",
            until.timestamp()
        );
        file.ticket = Some((hash, until));
        Some(json!({
            "messaging_product": "whatsapp",
            "url": url,
            "mime_type": file.mime_type,
            "sha256": hex::encode(Sha256::digest(&file.bytes)),
            "file_size": file.bytes.len(),
            "id": id,
        }))
    }

    /// The file itself, for who has the address.
    pub(super) fn fetch(
        &self,
        query: &HashMap<String, String>,
        now: DateTime<Utc>,
    ) -> Option<&File> {
        let file = self.0.get(query.get("mid")?)?;
        let (hash, until) = file.ticket.as_ref()?;
        (query.get("hash") == Some(hash) && now < *until).then_some(file)
    }
}

/// An uploaded file as it comes in a form: its type and its bytes.
pub(super) fn uploaded(content_type: &str, body: &Bytes) -> Result<(String, Bytes), Error> {
    let fields = fields(content_type, body)
        .ok_or_else(|| Error::parameter("The body must be multipart/form-data"))?;
    let field = |name: &str| fields.iter().find(|field| field.name == name);
    match field("messaging_product").map(|field| field.bytes.as_ref()) {
        Some(b"whatsapp") => {}
        Some(_) => {
            return Err(Error::parameter("Param messaging_product must be one of {WHATSAPP}"));
        }
        None => return Err(Error::required("messaging_product")),
    }
    let file = field("file").ok_or_else(|| Error::required("file"))?;
    let named = field("type").map(|field| String::from_utf8_lossy(&field.bytes).into_owned());
    let mime_type = file.content_type.clone().or(named).unwrap_or_default();
    let Some(most) = most(&mime_type) else {
        return Err(Error::parameter(format!("Param file can't have the type {mime_type}")));
    };
    match file.bytes.len() {
        0 => Err(Error::parameter("Param file is empty")),
        size if size > most => Err(Error::parameter(format!("Param file exceeds {most} bytes"))),
        _ => Ok((mime_type, file.bytes.clone())),
    }
}

fn most(mime_type: &str) -> Option<usize> {
    let plain = mime_type.split(';').next().unwrap_or_default().trim();
    let (family, kind) = plain.split_once('/')?;
    if family == "application" && (DOCUMENTS.contains(&kind) || kind.starts_with(OFFICE)) {
        return Some(DOCUMENT);
    }
    let known = |(of, kinds, _): &&(&str, &[&str], usize)| *of == family && kinds.contains(&kind);
    TYPES.iter().find(known).map(|(_, _, most)| *most)
}

struct Field {
    name: String,
    content_type: Option<String>,
    bytes: Bytes,
}

/// The fields of a form, as RFC 7578 and RFC 2046 lay them out.
fn fields(content_type: &str, body: &Bytes) -> Option<Vec<Field>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|it| it.trim().strip_prefix("boundary="))?;
    let delimiter = format!("\r\n--{}", boundary.trim_matches('"')).into_bytes();
    let mut fields = Vec::new();
    // The first delimiter stands at the very beginning, without the line break.
    let mut at = delimiter.len() - 2;
    while !body.get(at..)?.starts_with(b"--") {
        let headers = at + 2;
        let start = headers + find(body.get(headers..)?, b"\r\n\r\n")? + 4;
        let end = start + find(body.get(start..)?, &delimiter)?;
        let text = String::from_utf8_lossy(body.get(headers..start)?).into_owned();
        fields.push(Field {
            name: named(&text)?,
            content_type: header(&text, "content-type"),
            bytes: body.slice(start..end),
        });
        at = end + delimiter.len();
    }
    Some(fields)
}

fn named(headers: &str) -> Option<String> {
    let disposition = header(headers, "content-disposition")?;
    let name = disposition.split(';').find_map(|it| it.trim().strip_prefix("name="))?;
    Some(name.trim_matches('"').to_owned())
}

fn header(headers: &str, name: &str) -> Option<String> {
    headers.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_file_byte_for_byte() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\n\
                    whatsapp\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; \
                    filename=\"lamp.png\"\r\nContent-Type: image/png\r\n\r\n\u{1}\r\n--y\r\n\r\n--x--\r\n";
        let form = "multipart/form-data; boundary=x";
        let (mime_type, bytes) = uploaded(form, &Bytes::from(body)).unwrap();
        assert_eq!((mime_type.as_str(), bytes.as_ref()), ("image/png", &b"\x01\r\n--y\r\n"[..]));
        assert!(uploaded(form, &Bytes::from("--x\r\nno end")).is_err());
        assert!(uploaded("application/json", &Bytes::from(body)).is_err());
    }
}
