//! Our side of the Graph API: messages, media and templates, as Meta's documentation of the Cloud
//! API describes them. It decides nothing; it says exactly what became of each call.

mod error;
mod interactive;
mod media;
mod outgoing;
mod reason;
mod settings;
mod templates;

use std::fmt;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::json;

use crate::gateways::http::{self, Answer, Cause, Lost};
use crate::gateways::json;
pub use error::{Refusal, SendError};
pub use interactive::{Action, Button, Flow, Header, Interactive, Row, Section};
pub use media::{Download, LONGEST_MEDIA, MediaInfo, carried, longest};
pub use outgoing::{Outgoing, Recipient, Sendable, Source};
pub use reason::{About, Reason, Retry};
pub use settings::{GraphSettings, Graphs};
pub use templates::{Created, Listed, Page};

/// How long a call may take, all together, unless it carries a file. A lease on the work behind it
/// has to be longer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that isn't a file; lists of templates are the longest.
const LONGEST: usize = 8 << 20;

/// One account's way to the Graph API.
#[derive(Clone)]
pub struct Graph {
    client: Client,
    base: Url,
    token: String,
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Graph API's base address has to be an http or https URL")]
pub struct InvalidAddress;

/// WhatsApp has the message and will tell by webhook what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub wamid: String,
    /// The recipient, as WhatsApp knows them: by a number, by an id for this business, or both.
    pub wa_id: Option<String>,
    pub user_id: Option<String>,
    /// Only told of templates: `accepted`, `held_for_quality_assessment`, `paused`.
    pub pacing: Option<String>,
}

impl Accepted {
    pub(crate) fn read(answer: &Answer) -> Result<Accepted, SendError> {
        let sent: Sent = understood(answer)?;
        let contact = sent.contacts.into_iter().next().unwrap_or_default();
        let unreadable = SendError::Unclear(Cause::Unreadable);
        let message = sent.messages.into_iter().next().ok_or(unreadable)?;
        Ok(Accepted {
            wamid: message.id,
            wa_id: contact.wa_id,
            user_id: contact.user_id,
            pacing: message.message_status,
        })
    }
}

impl Graph {
    /// `base_url` is `https://graph.facebook.com` except where a simulator stands in; `version` is
    /// like `v23.0`.
    pub fn new(
        client: Client,
        base_url: &str,
        version: &str,
        token: String,
    ) -> Result<Graph, InvalidAddress> {
        let mut base = Url::parse(base_url).map_err(|_| InvalidAddress)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(InvalidAddress);
        }
        base.path_segments_mut().map_err(|()| InvalidAddress)?.pop_if_empty().push(version);
        Ok(Graph { client, base, token })
    }

    /// Sends a message from `line`, the id of one of our phone numbers. After `Unclear` it may or
    /// may not have been sent: a status webhook that brings the `callback_data` back is evidence.
    pub async fn send(&self, line: &str, outgoing: &Outgoing) -> Result<Accepted, SendError> {
        let request = self.request(Method::POST, &[line, "messages"]).json(&outgoing.body());
        Accepted::read(&http::call(request, TIMEOUT, LONGEST).await?)
    }

    /// Tells the customer that a message, and all before it, were read; `typing` also shows that
    /// an answer is being written. Repeating it does no harm.
    pub async fn mark_read(&self, line: &str, wamid: &str, typing: bool) -> Result<(), SendError> {
        let mut body = json!({
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": wamid,
        });
        if typing {
            body["typing_indicator"] = json!({"type": "text"});
        }
        self.done(self.request(Method::POST, &[line, "messages"]).json(&body)).await
    }

    /// Ids end up in paths, so they are escaped like everything that others told us.
    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.asking(method, self.address(path))
    }

    fn asking(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.token)
    }

    async fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, SendError> {
        understood(&http::call(request, TIMEOUT, LONGEST).await?)
    }

    async fn done(&self, request: RequestBuilder) -> Result<(), SendError> {
        let told: Told = self.answer(request).await?;
        if told.success { Ok(()) } else { Err(SendError::Unclear(Cause::Unreadable)) }
    }
}

/// What a call brought: the answer in the form that it should have, or why not.
pub(crate) fn understood<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, SendError> {
    let body = success(answer)?;
    // It was done, even if we can't read what it says.
    json::read(body)
        .and_then(serde_json::from_value)
        .map_err(|_| SendError::Unclear(Cause::Unreadable))
}

fn success(answer: &Answer) -> Result<&[u8], SendError> {
    if (200..300).contains(&answer.status) {
        return Ok(&answer.body);
    }
    let body = json::read(&answer.body).unwrap_or_default();
    Err(error::refused(answer.status, &body))
}

impl From<Lost> for SendError {
    fn from(lost: Lost) -> SendError {
        match lost {
            Lost::NotSent(cause) => SendError::NotSent(cause),
            Lost::Unclear(cause) => SendError::Unclear(cause),
        }
    }
}

#[derive(Deserialize)]
struct Sent {
    #[serde(default)]
    contacts: Vec<Contact>,
    messages: Vec<SentMessage>,
}

#[derive(Default, Deserialize)]
struct Contact {
    wa_id: Option<String>,
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct SentMessage {
    id: String,
    message_status: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    success: bool,
}

#[cfg(test)]
mod tests;
