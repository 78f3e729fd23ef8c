//! Promises at size: one key has one effect however many ask at once, and whoever wrote reads what
//! they wrote.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::shop;
use crate::support::client;

const TWINS: usize = 1_000;
const WRITERS: usize = 40;

#[tokio::test]
async fn a_thousand_requests_at_once_under_one_key_open_one_ticket() {
    let (app, organization) = shop().await;
    let twin = app.twin(api::terms::Terms::default()).await;
    let client = client();
    let mut asked = JoinSet::new();
    for number in 0..TWINS {
        let server = if number % 2 == 0 { &app.base_url } else { &twin.base_url };
        let request = client
            .request(Method::POST, format!("{server}/v1/tickets"))
            .bearer_auth(&organization.agent)
            .header("idempotency-key", "order-17")
            .json(&json!({"subject": "Broken pot"}));
        asked.spawn(async move {
            let answer = request.send().await.unwrap();
            let waits = answer.headers().contains_key("retry-after");
            (answer.status().as_u16(), waits, answer.text().await.unwrap())
        });
    }
    let (mut opened, mut in_flight) = (vec![], 0);
    while let Some(answer) = asked.join_next().await {
        match answer.unwrap() {
            (201, _, text) => opened.push(text),
            (409, true, text) => {
                assert!(text.contains("idempotency.in_flight"), "{text}");
                in_flight += 1;
            }
            (status, _, text) => panic!("{status}: {text}"),
        }
    }
    assert!(!opened.is_empty() && opened.iter().all(|text| *text == opened[0]));
    assert_eq!(opened.len() + in_flight, TWINS);
    let tickets = "select count(*) from events where aggregate_type = 'ticket'";
    let tickets: i64 = sqlx::query_scalar(tickets).fetch_one(&app.db.database.owner).await.unwrap();
    assert_eq!(tickets, 1);
}

#[tokio::test]
async fn whoever_writes_reads_each_write_back() {
    write_and_read(50).await;
}

#[tokio::test]
#[ignore = "ten thousand writes take a minute on a quiet machine"]
async fn ten_thousand_writes_are_each_read_back() {
    write_and_read(250).await;
}

async fn write_and_read(writes: usize) {
    let (app, organization) = shop().await;
    let (app, key) = (Arc::new(app), organization.agent);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (app, key) = (app.clone(), key.clone());
        writers.spawn(async move {
            let phone = format!("+2547123{writer:05}");
            let body = json!({"name": "0", "phone": phone});
            let made = app.post(&key, "/v1/contacts", body).await.expect(201);
            let path = made.header("location").to_owned();
            for number in 1..=writes {
                let name = number.to_string();
                let written = app.patch(&key, &path, json!({"name": name})).await.expect(200);
                let read = app.get_since(&written, &key, &path).await.expect(200);
                assert_eq!(read.data()["name"], name.as_str());
                assert_eq!(read.version(), written.version());
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
}
