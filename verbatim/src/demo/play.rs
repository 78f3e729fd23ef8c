//! Plays the day: every webhook at its time, then what the agents did about it. Safe to repeat:
//! whatever was taken in before counts as redelivered.

use std::io::{IsTerminal, Write};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use simulators::whatsapp::{self, Line};

use super::{Demo, Hand};
use crate::server::Outcome;

pub(crate) async fn day(demo: &Demo, hand: &Hand) -> Outcome<()> {
    let line = Line {
        account_id: demo.account_id.clone(),
        phone_number_id: demo.phone_number_id.clone(),
        display_phone_number: demo.display_phone_number.clone(),
    };
    let client = reqwest::Client::new();
    let url = format!("{}/webhooks/whatsapp/{}", demo.base_url, demo.channel_id);
    let deliveries = whatsapp::day(&line, demo.day);
    let (all, mut last) = (deliveries.len(), demo.day);
    let mut position = String::new();
    for (number, delivery) in (1..).zip(deliveries) {
        hand.set(Some(delivery.at));
        last = delivery.at;
        let signature = whatsapp::sign(&demo.app_secret, &delivery.body);
        let answer = client
            .post(&url)
            .header("x-hub-signature-256", signature)
            .header("content-type", "application/json")
            .body(delivery.body)
            .send()
            .await?;
        if !answer.status().is_success() {
            return Err(format!("webhook {number} was answered {}", answer.text().await?).into());
        }
        position = log_position(&answer);
        progress(number, all, delivery.at)?;
    }
    agents(demo, hand, &client, &position, last).await
}

/// A line that stays in its place, for somebody who watches.
fn progress(number: usize, all: usize, at: DateTime<Utc>) -> Outcome<()> {
    let mut out = std::io::stderr();
    if out.is_terminal() {
        write!(out, "\rPlaying a day of customers … {} ({number} of {all})", at.format("%H:%M"))?;
        if number == all {
            write!(out, "\r{:60}\r", "")?;
        }
        out.flush()?;
    }
    Ok(())
}

/// By the time of the newest message, which nothing that the agents do changes; and the closed ones
/// among them, which some become. So those who are cut short and begin again do the same again,
/// at the same times, and each act that was done is answered as a repeat.
const WHICH: &str = "status=all&limit=24";

/// The agents share the evening's work: they take conversations, note, and close some.
async fn agents(
    demo: &Demo,
    hand: &Hand,
    client: &reqwest::Client,
    min_position: &str,
    mut time: DateTime<Utc>,
) -> Outcome<()> {
    let get = client
        .get(format!("{}/v1/inbox?{WHICH}&min_position={min_position}", demo.base_url))
        .bearer_auth(&demo.keys.agent);
    let inbox: Value = get.send().await?.error_for_status()?.json().await?;
    let conversations = inbox["data"].as_array().cloned().unwrap_or_default();
    for (number, conversation) in conversations.iter().enumerate() {
        let id = conversation["conversation_id"].as_str().unwrap_or_default();
        let (key, me) = match number % 2 {
            0 => (&demo.keys.agent, demo.users.agent),
            _ => (&demo.keys.agent2, demo.users.agent2),
        };
        let acts: &[(&str, Value)] = match number % 4 {
            0 => &[("assign", json!({"agent_id": me})), ("read", Value::Null)],
            1 => &[
                ("assign", json!({"agent_id": me})),
                ("read", Value::Null),
                ("notes", json!({"body": "Called back, all settled."})),
                ("resolve", Value::Null),
            ],
            2 => &[("read", Value::Null)],
            _ => &[],
        };
        for (act, body) in acts {
            time += TimeDelta::seconds(23);
            hand.set(Some(time));
            let mut post = client
                .post(format!("{}/v1/conversations/{id}/{act}", demo.base_url))
                .bearer_auth(key)
                .header("idempotency-key", format!("demo-{me}-{id}-{act}"));
            if !body.is_null() {
                post = post.json(body);
            }
            let answer = post.send().await?;
            if !answer.status().is_success() {
                return Err(format!("{act} was answered {}", answer.text().await?).into());
            }
        }
    }
    Ok(())
}

/// Where the log stood after what was answered.
fn log_position(answer: &reqwest::Response) -> String {
    let position = answer.headers().get("log-position").and_then(|value| value.to_str().ok());
    position.unwrap_or_default().to_owned()
}
