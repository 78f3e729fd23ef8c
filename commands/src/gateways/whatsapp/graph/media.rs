//! Files that go to WhatsApp or come from it. A file that comes is asked for twice: for its
//! short-lived address, then there.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use super::{Graph, SendError, success, understood};
use crate::gateways::http::{self, Cause};

/// The longest file that WhatsApp carries (documents; other kinds are shorter).
pub const LONGEST_MEDIA: usize = 100 << 20;

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

#[derive(Deserialize)]
struct Uploaded {
    id: String,
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
        bytes: Vec<u8>,
        mime: &str,
        filename: &str,
    ) -> Result<String, SendError> {
        let file = Part::bytes(bytes).file_name(filename.to_owned());
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
        let told: Told = self.answer(self.request(Method::GET, &[id])).await?;
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

    /// The bytes themselves, of which there may be `longest`. An address that went stale is
    /// refused as `NotFound`: ask for a new one.
    pub async fn fetch(&self, media: &MediaInfo, longest: usize) -> Result<Vec<u8>, SendError> {
        let safe = media.url.scheme() == "https" || media.url.scheme() == self.base.scheme();
        if !safe {
            return Err(SendError::NotSent(Cause::Request));
        }
        let request = self.asking(Method::GET, media.url.clone());
        let answer = http::call(request, TIMEOUT, longest).await?;
        success(&answer)?;
        Ok(answer.body)
    }
}
