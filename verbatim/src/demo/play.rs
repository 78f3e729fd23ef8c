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
        progress(number, all, delivery.at)?;
    }
    agents(demo, hand, &client, last).await
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

/// The agents share the evening's work: they take conversations, note, and close some.
async fn agents(
    demo: &Demo,
    hand: &Hand,
    client: &reqwest::Client,
    mut time: DateTime<Utc>,
) -> Outcome<()> {
    let get = client
        .get(format!("{}/v1/inbox?limit=24", demo.base_url))
        .bearer_auth(&demo.keys.agent)
        .query(&[("min_position", newest(demo, client).await?)]);
    let inbox: Value = get.send().await?.error_for_status()?.json().await?;
    let conversations = inbox["data"].as_array().cloned().unwrap_or_default();
    for (number, conversation) in conversations.iter().enumerate() {
        let id = conversation["conversation_id"].as_str().unwrap_or_default();
        let (key, agent) = match number % 2 {
            0 => (&demo.keys.agent, "agent"),
            _ => (&demo.keys.agent2, "agent2"),
        };
        let me = me(demo, client, key).await?;
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
                .header("idempotency-key", format!("demo-{agent}-{id}-{act}"));
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

/// The position after which the whole day is in the log.
async fn newest(demo: &Demo, client: &reqwest::Client) -> Outcome<String> {
    let get = client.get(format!("{}/v1/projections", demo.base_url));
    let answer = get.bearer_auth(&demo.keys.owner).send().await?.error_for_status()?;
    let position = answer.headers().get("log-position").and_then(|value| value.to_str().ok());
    Ok(position.unwrap_or("1.0").to_owned())
}

/// The user in whose name a key calls.
async fn me(demo: &Demo, client: &reqwest::Client, key: &str) -> Outcome<Value> {
    let get = client.get(format!("{}/v1/me", demo.base_url)).bearer_auth(key);
    let answer: Value = get.send().await?.error_for_status()?.json().await?;
    Ok(answer["data"]["user_id"].clone())
}
