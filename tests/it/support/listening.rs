//! A client of the event stream, as browsers are: it remembers the last id, and comes back with it.

use reqwest::Response;
use serde_json::Value;

use super::document::Exchange;
use super::{Answer, App, Twin};

pub(crate) struct Listening {
    response: Response,
    buffer: String,
    /// The id of the last event or sign of life.
    pub(crate) last: String,
}

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Told {
    pub(crate) fn position(&self) -> i64 {
        self.id.split_once('.').unwrap().1.parse().unwrap()
    }
}

impl App {
    /// Listens, after `last` where it is told.
    pub(crate) async fn listen(&self, key: &str, query: &str, last: &str) -> Listening {
        Listening::at(&self.client, &self.base_url, key, query, last).await
    }

    /// A stream that is refused.
    pub(crate) async fn not_heard(&self, key: &str, query: &str) -> Answer {
        self.get(key, &format!("/v1/events/stream{query}")).await
    }
}

impl Twin {
    /// The same in another process.
    pub(crate) async fn listen(&self, key: &str, query: &str, last: &str) -> Listening {
        Listening::at(&self.client, &self.base_url, key, query, last).await
    }
}

impl Listening {
    /// Listens to a server, after `last`.
    pub(crate) async fn to(base_url: &str, key: &str, last: &str) -> Listening {
        Listening::at(&super::client(), base_url, key, "", last).await
    }

    async fn at(
        client: &reqwest::Client,
        base_url: &str,
        key: &str,
        query: &str,
        last: &str,
    ) -> Listening {
        let url = format!("{base_url}/v1/events/stream{query}");
        let mut request = client.get(url).bearer_auth(key);
        if !last.is_empty() {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            panic!("{} {}", response.status(), response.text().await.unwrap());
        }
        let exchange = Exchange {
            method: "GET",
            path: "/v1/events/stream",
            sent: None,
            status: 200,
            headers: response.headers(),
            text: "",
        };
        exchange.check();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut listening = Listening { response, buffer: String::new(), last: last.to_owned() };
        // The greeting says that it listens from here on.
        listening.block().await.unwrap();
        listening
    }

    /// The next event; `None` where the server ended the stream.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
            };
            if let (Some(kind), Some(data)) = (field("event:"), field("data:")) {
                let data = serde_json::from_str(&data).unwrap();
                return Some(Told { id: self.last.clone(), kind, data });
            }
        }
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                let id = block.lines().find_map(|line| line.strip_prefix("id: "));
                self.last = id.unwrap_or(&self.last).to_owned();
                return Some(block);
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}
