//! People who write to a running server, until it is gone: who remembers what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use simulators::whatsapp::{self, Line, Person};
use tokio::task::JoinSet;

use crate::support::{at, client, customer};

const PEOPLE: usize = 8;

#[derive(Clone)]
pub(super) struct Feed {
    client: reqwest::Client,
    line: Line,
    channel: String,
    secret: String,
    key: String,
    /// What each of the people said already.
    said: Vec<usize>,
}

impl Feed {
    pub(super) fn of(demo: &Value) -> Feed {
        let text = |field: &str| demo[field].as_str().unwrap().to_owned();
        Feed {
            client: client(),
            line: Line {
                account_id: text("account_id"),
                phone_number_id: text("phone_number_id"),
                display_phone_number: text("display_phone_number"),
            },
            channel: text("channel_id"),
            secret: text("app_secret"),
            key: demo["keys"]["agent"].as_str().unwrap().to_owned(),
            said: vec![0; PEOPLE],
        }
    }

    /// How many messages were told, acknowledged or not.
    pub(super) fn told(&self) -> usize {
        self.said.iter().sum()
    }

    /// All write at once; when `enough` messages are acknowledged, `end` ends the server. Returns
    /// the ids of what was acknowledged.
    pub(super) async fn until_killed(
        &mut self,
        base_url: &str,
        enough: usize,
        end: impl FnOnce(),
    ) -> BTreeSet<String> {
        let count = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for person in 0..PEOPLE {
            let (feed, base_url, count) = (self.clone(), base_url.to_owned(), count.clone());
            writers.spawn(async move {
                let mut acknowledged = vec![];
                for number in feed.said[person].. {
                    let id = id(person, number);
                    if !feed.deliver(&base_url, person, number).await {
                        return (person, number + 1, acknowledged);
                    }
                    acknowledged.push(id);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                unreachable!("nobody says so much")
            });
        }
        while count.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        end();
        let mut all = BTreeSet::new();
        for (person, said, acknowledged) in writers.join_all().await {
            self.said[person] = said;
            all.extend(acknowledged);
        }
        all
    }

    /// Tells each person's last message once more: the one whose answer did not come.
    pub(super) async fn tell_again(&self, base_url: &str) {
        for person in 0..PEOPLE {
            assert!(self.deliver(base_url, person, self.said[person] - 1).await);
        }
    }

    /// Whether the message was acknowledged.
    async fn deliver(&self, base_url: &str, person: usize, number: usize) -> bool {
        let (who, id) = (writer(person), id(person, number));
        let when = at(i64::try_from(number).unwrap());
        let content = json!({"body": id});
        let said = whatsapp::message(&self.line, &who, &id, when, "text", content, Value::Null);
        let body = whatsapp::bytes(whatsapp::envelope(&self.line, "messages", said));
        let request = self
            .client
            .post(format!("{base_url}/webhooks/whatsapp/{}", self.channel))
            .header("x-hub-signature-256", whatsapp::sign(&self.secret, &body))
            .body(body);
        request.send().await.is_ok_and(|answer| answer.status() == 200)
    }

    /// How often each message is in the conversations.
    pub(super) async fn read_back(&self, base_url: &str) -> BTreeMap<String, usize> {
        let get = async |path: &str| -> Value {
            let request = self.client.get(format!("{base_url}{path}")).bearer_auth(&self.key);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            answer.json().await.unwrap()
        };
        let position = self.position(base_url).await;
        let mut there = BTreeMap::new();
        for person in 0..PEOPLE {
            let phone = writer(person).wa_id.unwrap();
            let path = format!("/v1/inbox?status=all&q={phone}&min_position={position}");
            let inbox = get(&path).await;
            assert_eq!(inbox["data"].as_array().unwrap().len(), 1, "{phone}");
            let id = inbox["data"][0]["conversation_id"].as_str().unwrap();
            let messages =
                format!("/v1/conversations/{id}/messages?limit=200&min_position={position}");
            let mut path = messages.clone();
            loop {
                let page = get(&path).await;
                for message in page["data"].as_array().unwrap() {
                    let body = message["content"]["body"].as_str().unwrap().to_owned();
                    *there.entry(body).or_insert(0) += 1;
                }
                let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
                path = format!("{messages}&cursor={next}");
            }
        }
        there
    }

    /// Where the log stands now: a command that changes nothing tells it.
    async fn position(&self, base_url: &str) -> String {
        let request = self.client.post(format!("{base_url}/v1/contacts")).bearer_auth(&self.key);
        let answer = request.json(&json!({"name": "Somebody"})).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["log-position"].to_str().unwrap().to_owned()
    }
}

/// People whom the demo does not know.
fn writer(person: usize) -> Person {
    customer(90_000 + person)
}

fn id(person: usize, number: usize) -> String {
    format!("wamid.{person}.{number}")
}
