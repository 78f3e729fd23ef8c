//! What the tests of the servers have in common: someone who asks, and someone who is told.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::lock;
use crate::server::{Answer, Call, Reply, Server, Service};

/// An answer's status and body.
pub(crate) type Told = (u16, Value);

pub(crate) struct Asker {
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Asker {
    /// None where the connection was closed without an answer.
    pub(crate) async fn ask(&self, verb: &str, path: &str, body: &Value) -> Option<Told> {
        let bytes = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, bytes) = self
            .send(verb, &format!("{}{path}", self.url), "application/json", bytes.into())
            .await?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.ask("GET", path, &Value::Null).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Told {
        self.ask("POST", path, &body).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        verb: &str,
        url: &str,
        content_type: &str,
        body: Bytes,
    ) -> Option<(u16, String, Bytes)> {
        let request = Request::builder()
            .method(verb)
            .uri(url)
            .header("content-type", content_type)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(body))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await.ok()?;
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        Some((status, kind, answer.into_body().collect().await.ok()?.to_bytes()))
    }
}

/// Someone who listens to callbacks and says 200, or 500 to the first few.
pub(crate) struct Ear {
    server: Server,
    heard: Arc<Heard>,
}

#[derive(Default)]
pub(crate) struct Heard {
    calls: Mutex<Vec<(Option<String>, Vec<u8>)>>,
    deaf: AtomicU32,
}

impl Ear {
    pub(crate) fn open() -> Ear {
        let (mut server, heard) = (Server::bind().unwrap(), Arc::new(Heard::default()));
        server.serve(Arc::clone(&heard));
        Ear { server, heard }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hear", self.server.address())
    }

    /// Says 500 to the next calls, as many as these.
    pub(crate) fn deaf_to(&self, calls: u32) {
        self.heard.deaf.store(calls, Ordering::SeqCst);
    }

    /// What was told so far, with its signature.
    pub(crate) fn raw(&self) -> Vec<(Option<String>, Vec<u8>)> {
        lock(&self.heard.calls).clone()
    }

    /// Waits until so many calls have been understood.
    pub(crate) async fn hears(&self, count: usize) -> Vec<Value> {
        until(|| lock(&self.heard.calls).len() >= count).await;
        self.raw().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }
}

impl Service for Heard {
    async fn answer(self: Arc<Self>, call: Call) -> Answer {
        let one_less = |left: u32| left.checked_sub(1);
        if self.deaf.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Answer::Reply(Reply::json(500, &json!({})));
        }
        let signature = call.headers.get("x-hub-signature-256");
        let signature = signature.map(|value| value.to_str().unwrap().to_owned());
        lock(&self.calls).push((signature, call.body.to_vec()));
        Answer::Reply(Reply::json(200, &json!({})))
    }
}

pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "it didn't happen in ten seconds");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
