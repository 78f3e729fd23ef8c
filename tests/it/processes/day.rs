//! The demo's day: what has become of everything by its evening, however often it was cut short.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{assert_verifies, demo, get, told};
use crate::support::{Scratch, client};

/// What an attempt that was cut short adds: nobody can know whether the message left, until its
/// receipt says so.
const DOUBT: &str = "conversation.Unknown";
const SIGNED_IN: &str = "session.Started";

/// A day as its people see it in the evening.
struct Day {
    base_url: String,
    key: Value,
    date: String,
    span: String,
}

impl Day {
    fn of(demo: &Value, base_url: &str) -> Day {
        let day: chrono::DateTime<chrono::Utc> = demo["day"].as_str().unwrap().parse().unwrap();
        let until = day + chrono::TimeDelta::days(1);
        let [from, to] = [day, until].map(|time| time.format("%FT%TZ").to_string());
        let (base_url, key) = (base_url.to_owned(), demo["keys"]["auditor"].clone());
        Day { base_url, key, date: from[..10].to_owned(), span: format!("from={from}&to={to}") }
    }

    async fn get(&self, path: &str) -> Value {
        get(&self.base_url, &self.key, path).await
    }

    /// Of each element of a list these fields.
    async fn list(&self, path: &str, fields: &[&str]) -> Vec<Vec<Value>> {
        let listed = self.get(path).await["data"].as_array().unwrap().clone();
        let told = |item: &Value| fields.iter().map(|field| item[field].clone()).collect();
        let mut told: Vec<Vec<Value>> = listed.iter().map(told).collect();
        told.sort_by_key(|fields| format!("{fields:?}"));
        told
    }

    /// What has happened, and how often.
    async fn events(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let mut path = "/v1/audit/events?limit=200".to_owned();
        loop {
            let page = self.get(&path).await;
            for event in page["data"].as_array().unwrap() {
                *counts.entry(event["action"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            let Some(next) = page["meta"]["next_cursor"].as_str() else { return counts };
            path = format!("/v1/audit/events?limit=200&cursor={next}");
        }
    }

    /// The template that reached her after her 24 hours.
    async fn last_to_zawadi(&self) -> Value {
        let inbox = self.get("/v1/inbox?status=all&q=zawadi").await;
        let conversation = inbox["data"][0]["conversation_id"].as_str().unwrap();
        let path = format!("/v1/conversations/{conversation}/messages?limit=1");
        self.get(&path).await["data"][0].clone()
    }

    /// Whether this was on the day, by the demo's clock.
    fn has(&self, instant: &Value) -> bool {
        instant.as_str().unwrap().starts_with(&self.date)
    }

    async fn numbers(&self) -> Value {
        let path = format!("/v1/analytics/overview?{}", self.span);
        self.get(&path).await["data"].clone()
    }

    /// Everything that has to be the same after every day.
    async fn outcome(&self) -> Value {
        let numbers = self.numbers().await;
        let value = |of: &str, name: &str| numbers[of][name]["value"].clone();
        let way = ["written", "sent", "delivered", "read", "failed", "unknown", "waiting"];
        let course = ["opened", "resolved"].map(|step| value("conversations", step));
        let tickets = ["number", "status", "cycle", "rating", "solved_at", "closed_at"];
        let payouts = ["status", "amount", "currency", "requested_at", "ended_at"];
        json!({
            "tickets": self.list("/v1/tickets?status=all", &tickets).await,
            "templates": self
                .list("/v1/templates", &["name", "status", "status_reason", "changed_at"]).await,
            "payouts": self.list("/v1/payouts", &payouts).await,
            "delivery": way.map(|step| value("delivery", step)),
            "conversations": course,
            "first_response": numbers["conversations"]["first_response"]["people"]["median_ms"],
        })
    }
}

#[tokio::test]
async fn by_the_evening_the_shop_has_answered_been_refused_and_paid() {
    let scratch = Scratch::new();
    let running = demo(&scratch);
    let day = Day::of(&told(&scratch), &running.base_url);
    let outcome = day.outcome().await;
    assert_eq!(outcome["delivery"], json!([15, 13, 13, 9, 2, 0, 0]));
    let status = |list: &str, field: usize| {
        let rows = outcome[list].as_array().unwrap().iter();
        rows.map(|row| row[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(status("templates", 1), ["approved", "rejected"]);
    assert_eq!(status("payouts", 0), ["completed", "rejected"]);
    assert_eq!(status("tickets", 1), ["closed", "closed", "pending", "solved", "open"]);
    let comes_back = &outcome["tickets"][3];
    assert_eq!((&comes_back[2], &comes_back[3]), (&json!(2), &json!(4)), "{comes_back}");

    let failures = day.numbers().await["delivery"]["failures"].clone();
    let mut codes: Vec<i64> =
        failures.as_array().unwrap().iter().map(|it| it["code"].as_i64().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [131_026, 131_053], "each with the provider's reason");
    let written = day.last_to_zawadi().await;
    let instants = written["delivery"]["receipts"].as_object().unwrap().values();
    for instant in instants.chain([&written["at"], &written["recorded_at"]]) {
        assert!(day.has(instant), "{written}");
    }
    let minutes = outcome["first_response"].as_i64().unwrap() / 60_000;
    assert!((1..30).contains(&minutes), "people were first answered after {minutes} minutes");
    assert!(running.stop().success());
    assert_verifies(&scratch);
}

/// A command of somebody's, and what it answers about.
async fn post(base_url: &str, key: &Value, path: &str, body: Value) -> Value {
    let mut request = client().post(format!("{base_url}{path}")).bearer_auth(key.as_str().unwrap());
    if !body.is_null() {
        request = request.json(&body);
    }
    let unique = uuid::Uuid::now_v7().to_string();
    let answer = request.header("idempotency-key", unique).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    answer.json::<Value>().await.unwrap()["data"].clone()
}

/// Asks until something has become of it.
async fn becomes(day: &Day, path: &str, pointer: &str, wanted: &str) {
    let start = Instant::now();
    loop {
        let told = day.get(path).await;
        if told.pointer(pointer) == Some(&json!(wanted)) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{path} never told {wanted}: {told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn after_another_start_the_providers_still_know_the_shop() {
    let scratch = Scratch::new();
    assert!(demo(&scratch).stop().success());
    let running = demo(&scratch);
    let told = told(&scratch);
    let day = Day::of(&told, &running.base_url);
    let agent = &told["keys"]["agent"];

    let inbox = day.get("/v1/inbox?status=all&q=zawadi").await;
    let conversation = inbox["data"][0]["conversation_id"].as_str().unwrap();
    let word = |text: &str| json!({"type": "text", "text": text});
    let template = json!({"type": "template", "template": {
        "name": "back_in_stock", "language": "en_US",
        "components": [{"type": "body", "parameters": [word("Zawadi"), word("kettle")]}],
    }});
    let messages = format!("/v1/conversations/{conversation}/messages");
    let said = post(&running.base_url, agent, &messages, template).await;
    let newest = format!("{messages}?limit=1");
    becomes(&day, &newest, "/data/0/id", said["message_id"].as_str().unwrap()).await;
    becomes(&day, &newest, "/data/0/delivery/status", "read").await;

    let refund = json!({
        "amount": 65_000, "currency": "KES", "provider": "MPESA_KEN",
        "recipient": {"phone": "+254 712 345 678"}, "reason": "Broken pot",
    });
    let asked = post(&running.base_url, agent, "/v1/payouts", refund).await;
    let payout = format!("/v1/payouts/{}", asked["id"].as_str().unwrap());
    let (nobody, login) = (json!(""), told["login"].clone());
    let signed_in = post(&running.base_url, &nobody, "/v1/auth/login", login).await;
    post(&running.base_url, &signed_in["access_token"], &format!("{payout}/approve"), Value::Null)
        .await;
    becomes(&day, &payout, "/data/status", "completed").await;
    assert!(running.stop().success());
    assert_verifies(&scratch);
}

/// Starts the demo and ends it without a word of warning once the log is so long.
async fn cut_short(scratch: &Scratch, length: i64) {
    let mut command = scratch.program("verbatim");
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while reached(scratch).await.is_none_or(|position| position < length) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

/// How long the log is, if there is somebody to ask yet.
async fn reached(scratch: &Scratch) -> Option<i64> {
    let told = std::fs::read_to_string(scratch.0.join("demo.json")).ok()?;
    let demo: Value = serde_json::from_str(&told).ok()?;
    let url = format!("{}/v1/audit/events?limit=1", demo["base_url"].as_str()?);
    let asked = client().get(url).bearer_auth(demo["keys"]["auditor"].as_str()?);
    let newest: Value = asked.send().await.ok()?.json().await.ok()?;
    newest["data"][0]["position"].as_i64()
}

#[tokio::test]
async fn a_day_that_is_cut_short_again_and_again_ends_like_one_that_is_not() {
    let (whole, broken) = (Scratch::new(), Scratch::new());
    let running = demo(&whole);
    let day = Day::of(&told(&whole), &running.base_url);
    let (mut events, outcome) = (day.events().await, day.outcome().await);
    assert!(!events.contains_key(DOUBT));
    // Whoever was cut short before they approved signs in again.
    events.remove(SIGNED_IN);
    assert!(running.stop().success());

    let cuts = [90, 140, 270, 420, 560];
    for length in cuts {
        cut_short(&broken, length).await;
    }
    let running = demo(&broken);
    let day = Day::of(&told(&broken), &running.base_url);
    let mut again = day.events().await;
    let doubts = again.remove(DOUBT).unwrap_or_default();
    again.remove(SIGNED_IN);
    assert!(doubts <= cuts.len(), "{doubts} messages were in doubt");
    assert_eq!(again, events);
    assert_eq!(day.outcome().await, outcome);
    assert!(running.stop().success());
    assert_verifies(&broken);
}
