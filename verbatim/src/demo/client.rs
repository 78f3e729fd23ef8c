//! How the demo calls its own server: over HTTP, as clients and providers do.

use std::time::Duration;

use event_store::Store;
use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use simulators::whatsapp;
use tokio::time::Instant;

use super::Demo;
use crate::server::Outcome;

/// Longer than anything that the day waits for takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    /// Only to learn that something has happened, and up to where a read has to see.
    store: Store,
}

impl Client {
    pub(crate) fn new(base_url: &str, store: Store) -> Client {
        Client { http: reqwest::Client::new(), base_url: base_url.to_owned(), store }
    }

    /// What is told once everything that has happened so far is seen.
    pub(crate) async fn get(&self, key: &str, path: &str) -> Outcome<Value> {
        self.get_as_of(self.store.head(), key, path).await
    }

    async fn get_as_of(&self, head: i64, key: &str, path: &str) -> Outcome<Value> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let position = format!("{}.{head}", self.store.epoch());
        let url = format!("{}{path}{sign}min_position={position}", self.base_url);
        let answer = taken(self.http.get(url).bearer_auth(key), path).await?;
        Ok(answer.json().await?)
    }

    /// Asks until the answer is as it is to become, whenever something has happened.
    pub(crate) async fn until(
        &self,
        key: &str,
        path: &str,
        mut good: impl FnMut(&Value) -> bool,
    ) -> Outcome<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let head = self.store.head();
            let answer = self.get_as_of(head, key, path).await?;
            if good(&answer["data"]) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(format!("{path} does not come to rest: {answer}").into());
            }
            self.store.wait_past(head).await;
        }
    }

    /// A command under a key of its own. Repeated, the server answers as it did.
    pub(crate) async fn post(
        &self,
        key: &str,
        path: &str,
        body: &Value,
        idempotency: &str,
    ) -> Outcome<Value> {
        let post = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(key);
        let mut post = post.header("idempotency-key", idempotency);
        if !body.is_null() {
            post = post.json(body);
        }
        Ok(taken(post, path).await?.json().await?)
    }

    /// What WhatsApp tells the line.
    pub(crate) async fn webhook(&self, demo: &Demo, body: Vec<u8>) -> Outcome<()> {
        let post = self
            .http
            .post(demo.line_webhook())
            .header("x-hub-signature-256", whatsapp::sign(&demo.app_secret, &body))
            .header("content-type", "application/json")
            .body(body);
        taken(post, "a webhook").await.map(drop)
    }
}

async fn taken(request: RequestBuilder, what: &str) -> Outcome<Response> {
    let answer = request.send().await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(format!("{what} was answered {status}: {}", answer.text().await?).into());
    }
    Ok(answer)
}
