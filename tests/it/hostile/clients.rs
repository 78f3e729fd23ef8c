//! Clients who ask for each thing under a key of its own, and ask again until it is acknowledged.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Form;
use super::stage::{Known, Stage, wallet};

/// How many ask at once.
const WRITERS: usize = 12;
const CASHIERS: usize = 6;
/// Less than the five minutes for which signing in counts as just now.
const SIGNED_IN: Duration = Duration::from_secs(120);

/// What was acknowledged, by id.
#[derive(Default)]
pub(super) struct Issued {
    /// Each with its text.
    pub(super) messages: Mutex<BTreeMap<String, String>>,
    /// Each with its number.
    pub(super) payouts: Mutex<BTreeMap<String, usize>>,
    asked_again: AtomicUsize,
}

impl Issued {
    pub(super) fn count(&self) -> usize {
        self.messages.lock().unwrap().len() + self.payouts.lock().unwrap().len()
    }

    pub(super) fn asked_again(&self) -> usize {
        self.asked_again.load(Ordering::Relaxed)
    }
}

pub(super) fn amount(payout: usize) -> usize {
    500 + payout
}

pub(super) async fn issue(stage: &Stage, form: Form, customers: &[Known], issued: &Issued) {
    let (next_message, next_payout) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let take = |next: &AtomicUsize, all: usize| {
        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < all)
    };
    let writers = join_all((0..WRITERS).map(async |_| {
        while let Some(number) = take(&next_message, form.messages) {
            write(stage, customers, issued, number).await;
        }
    }));
    let cashiers = join_all((0..CASHIERS).map(async |_| {
        while let Some(number) = take(&next_payout, form.payouts) {
            pay(stage, issued, number).await;
        }
    }));
    tokio::join!(writers, cashiers);
}

/// Some write into a conversation, some to a contact.
async fn write(stage: &Stage, customers: &[Known], issued: &Issued, number: usize) {
    let (to, text) = (number % customers.len(), format!("message {number}"));
    let Known { conversation, contact } = &customers[to];
    let message = json!({"type": "text", "text": {"body": text}});
    let key = format!("message-{number}");
    let data = if number.is_multiple_of(5) {
        let (channel, to) =
            (stage.channels[to % stage.channels.len()], json!({"contact_id": contact}));
        let body = json!({"channel_id": channel, "to": to, "message": message});
        insist(stage, issued, &stage.agent, "/v1/messages", &key, &body).await
    } else {
        let path = format!("/v1/conversations/{conversation}/messages");
        insist(stage, issued, &stage.agent, &path, &key, &message).await
    };
    assert_eq!(data["id"], conversation.as_str());
    let id = data["message_id"].as_str().unwrap().to_owned();
    assert_eq!(issued.messages.lock().unwrap().insert(id, text), None);
}

/// One asks for the payout, and another one approves it.
async fn pay(stage: &Stage, issued: &Issued, number: usize) {
    let body = json!({
        "amount": amount(number), "currency": "RWF", "provider": "MTN_MOMO_RWA",
        "recipient": {"phone": format!("+{}", wallet(number))}, "reason": "A refund",
    });
    let key = format!("payout-{number}");
    let data = insist(stage, issued, &stage.agent, "/v1/payouts", &key, &body).await;
    let id = data["id"].as_str().unwrap().to_owned();
    let approve = format!("/v1/payouts/{id}/approve");
    let owner = stage.signed_in(issued).await;
    let data = insist(stage, issued, &owner, &approve, &key, &Value::Null).await;
    assert_eq!(data["status"], "approved");
    assert_eq!(issued.payouts.lock().unwrap().insert(id, number), None);
}

impl Stage {
    /// What the owner approves with: they sign in anew before it is too long ago.
    async fn signed_in(&self, issued: &Issued) -> String {
        let mut token = self.token.lock().await;
        if let Some((since, token)) = &*token
            && since.elapsed() < SIGNED_IN
        {
            return token.clone();
        }
        let key = Uuid::now_v7().to_string();
        let told = insist(self, issued, "", "/v1/auth/login", &key, &self.login).await;
        let text = told["access_token"].as_str().unwrap().to_owned();
        *token = Some((Instant::now(), text.clone()));
        text
    }
}

/// Asks until there is an answer that settles it.
async fn insist(
    stage: &Stage,
    issued: &Issued,
    as_whom: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> Value {
    loop {
        let request = stage.client.post(stage.url(path)).bearer_auth(as_whom);
        let mut request = request.header("idempotency-key", key).timeout(Duration::from_secs(15));
        if !body.is_null() {
            request = request.json(body);
        }
        if let Ok(answer) = request.send().await {
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            let told: Value = serde_json::from_str(&text).unwrap_or_default();
            if status.is_success() && told["data"].is_object() {
                return told["data"].clone();
            }
            let later = status.is_server_error()
                || status == 429
                || told["code"] == "idempotency.in_flight";
            assert!(status.is_success() || later, "{path}: {status} {text}");
        }
        issued.asked_again.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
