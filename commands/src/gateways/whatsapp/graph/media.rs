//! Files that go to WhatsApp or come from it. A file that comes is asked for twice: for its
//! short-lived address, then there. A sample for a template's header goes another way, in two
//! steps, and is known by a handle (Meta's Resumable Upload API).

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::AUTHORIZATION;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::{Graph, SendError, success, understood};
use crate::gateways::http::{self, Answer, Cause, Incoming};

/// The longest file that WhatsApp carries (documents; other kinds are shorter).
pub const LONGEST_MEDIA: usize = 100 << 20;

/// The types that WhatsApp carries, and how many bytes of each (Meta's documentation of media).
const LONGEST: &[(&str, usize)] = &[
    ("audio/aac", 16 << 20),
    ("audio/amr", 16 << 20),
    ("audio/mp4", 16 << 20),
    ("audio/mpeg", 16 << 20),
    ("audio/ogg", 16 << 20),
    ("image/jpeg", 5 << 20),
    ("image/png", 5 << 20),
    ("image/webp", 500 << 10),
    ("video/3gpp", 16 << 20),
    ("video/mp4", 16 << 20),
    ("application/msword", LONGEST_MEDIA),
    ("application/pdf", LONGEST_MEDIA),
    ("application/vnd.ms-excel", LONGEST_MEDIA),
    ("application/vnd.ms-powerpoint", LONGEST_MEDIA),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", LONGEST_MEDIA),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", LONGEST_MEDIA),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", LONGEST_MEDIA),
    ("text/plain", LONGEST_MEDIA),
];

/// How many bytes a file of this type may have; `None` where WhatsApp carries none of the type.
pub fn longest(mime: &str) -> Option<usize> {
    let plain = mime.split(';').next().unwrap_or_default().trim();
    let known = LONGEST.iter().find(|(known, _)| known.eq_ignore_ascii_case(plain));
    known.map(|(_, longest)| *longest)
}

/// The types that WhatsApp carries.
pub fn carried() -> impl Iterator<Item = &'static str> {
    LONGEST.iter().map(|(mime, _)| *mime)
}

/// For a call that carries a file.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Where a file can be fetched for the next five minutes, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInfo {
    /// Only the API says it, so that our token goes nowhere else.
    url: Url,
    pub mime_type: Option<String>,
    pub sha256: Option<String>,
    pub file_size: Option<u64>,
}

impl MediaInfo {
    pub(crate) fn read(answer: &Answer) -> Result<MediaInfo, SendError> {
        let told: Told = understood(answer)?;
        let url = Url::parse(&told.url).map_err(|_| SendError::Unclear(Cause::Unreadable))?;
        Ok(MediaInfo {
            url,
            mime_type: told.mime_type,
            sha256: told.sha256,
            file_size: told.file_size.and_then(|size| match size {
                Value::Number(size) => size.as_u64(),
                Value::String(digits) => digits.parse().ok(),
                _ => None,
            }),
        })
    }
}

/// A file on its way to us.
#[derive(Debug)]
pub struct Download(Incoming);

impl Download {
    /// How many bytes there are going to be, if that is known.
    pub fn length(&self) -> Option<u64> {
        self.0.length()
    }

    /// The next piece; `None` after the last one.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Cause> {
        self.0.chunk().await
    }
}

#[derive(Deserialize)]
struct Uploaded {
    id: String,
}

#[derive(Deserialize)]
struct Handle {
    h: String,
}

#[derive(Deserialize)]
struct Told {
    url: String,
    mime_type: Option<String>,
    sha256: Option<String>,
    /// A number, or its digits.
    file_size: Option<Value>,
}

impl Graph {
    /// Gives a file to WhatsApp, which keeps it for 30 days. Answers with its id. Repeating it
    /// makes a second file and does no other harm.
    pub async fn upload(
        &self,
        line: &str,
        bytes: Bytes,
        mime: &str,
        filename: &str,
    ) -> Result<String, SendError> {
        let length = bytes.len() as u64;
        let file = Part::stream_with_length(bytes, length).file_name(filename.to_owned());
        let file = file.mime_str(mime).map_err(|_| SendError::NotSent(Cause::Request))?;
        let form = Form::new()
            .text("messaging_product", "whatsapp")
            .text("type", mime.to_owned())
            .part("file", file);
        let request = self.request(Method::POST, &[line, "media"]).multipart(form);
        let uploaded: Uploaded = understood(&http::call(request, TIMEOUT, super::LONGEST).await?)?;
        Ok(uploaded.id)
    }

    pub async fn media(&self, id: &str) -> Result<MediaInfo, SendError> {
        let request = self.request(Method::GET, &[id]);
        MediaInfo::read(&http::call(request, super::TIMEOUT, super::LONGEST).await?)
    }

    /// The bytes themselves, of which there may be `longest`. An address that went stale is
    /// refused as `NotFound`: ask for a new one.
    pub async fn download(&self, media: &MediaInfo, longest: usize) -> Result<Download, SendError> {
        let safe = media.url.scheme() == "https" || media.url.scheme() == self.base.scheme();
        if !safe {
            return Err(SendError::NotSent(Cause::Request));
        }
        let request = self.asking(Method::GET, media.url.clone());
        let incoming = http::begin(request, TIMEOUT, longest).await?;
        if (200..300).contains(&incoming.status) {
            return Ok(Download(incoming));
        }
        let answer = incoming.whole().await.map_err(SendError::Unclear)?;
        match success(&answer) {
            Err(refused) => Err(refused),
            Ok(_) => Err(SendError::Unclear(Cause::Unreadable)),
        }
    }

    /// Gives Meta a sample for the header of a template. Answers with the handle that the template
    /// names. Repeating it makes a second sample and does no other harm.
    pub async fn upload_sample(
        &self,
        bytes: Bytes,
        mime: &str,
        filename: &str,
    ) -> Result<String, SendError> {
        // `app` is the one that the token belongs to.
        let mut opening = self.address(&["app", "uploads"]);
        opening
            .query_pairs_mut()
            .append_pair("file_name", filename)
            .append_pair("file_length", &bytes.len().to_string())
            .append_pair("file_type", mime);
        let session: Uploaded = self.answer(self.asking(Method::POST, opening)).await?;
        // The id carries a signature as if it were a query.
        let (id, signature) = match session.id.split_once('?') {
            Some((id, signature)) => (id, Some(signature)),
            None => (session.id.as_str(), None),
        };
        let mut session = self.address(&[id]);
        session.set_query(signature);
        let request = self.client.request(Method::POST, session);
        let request = request.header(AUTHORIZATION, format!("OAuth {}", self.token));
        let request = request.header("file_offset", "0").body(bytes);
        let handle: Handle = understood(&http::call(request, TIMEOUT, super::LONGEST).await?)?;
        Ok(handle.h)
    }
}
