//! A stream ends with the credential that it was opened with, whoever ended that and where. How long
//! this takes at most is checked where it is waited for.

use std::sync::{Arc, RwLock};

use api::terms::Terms;
use chrono::{TimeDelta, Utc};
use event_store::Clock;
use serde_json::{Value, json};

use super::shop;
use crate::support::{Answer, App};

/// A key for tickets, and where it is.
async fn key(app: &App, owner: &str, asked: Value) -> (String, Answer) {
    let made = app.post(owner, "/v1/api-keys", asked).await.expect(201);
    (made.data()["key"].as_str().unwrap().to_owned(), made)
}

#[tokio::test]
async fn who_signs_out_hears_nothing_more() {
    let (app, _) = shop().await;
    let account = app.account("amina@baraka.example").await;
    let mut desk = app.listen(&account.access, "?topics=ticket", "").await;
    app.post(&account.access, "/v1/auth/logout", Value::Null).await.expect(200);
    assert_eq!(desk.next().await, None);
}

#[tokio::test]
async fn a_key_that_another_process_revokes_opens_no_stream_for_longer() {
    let (app, ours) = shop().await;
    let twin = app.twin(Terms::default()).await;
    let asked = json!({"name": "Screen", "scopes": ["read"]});
    let (secret, made) = key(&app, &ours.owner, asked).await;
    let mut screen = app.listen(&secret, "", "").await;
    // What is heard until then is not lost.
    let ticket = json!({"subject": "Broken pot"});
    let opened = twin.post(&ours.agent, "/v1/tickets", ticket).await.expect(201);
    while screen.next().await.unwrap().id != opened.header("log-position") {}
    let path = format!("/v1/api-keys/{}", made.data()["id"].as_str().unwrap());
    twin.delete(&ours.owner, &path).await.expect(200);
    while screen.next().await.is_some() {}
    app.not_heard(&secret, "").await.refused(401);
}

#[tokio::test]
async fn a_key_that_expires_ends_its_stream() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let ours = app.organization("Baraka").await;
    let asked = json!({"name": "Screen", "scopes": ["read"], "expires_in_days": 1});
    let (secret, _) = key(&app, &ours.owner, asked).await;
    let mut screen = app.listen(&secret, "", "").await;
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::days(2));
    assert_eq!(screen.next().await, None);
}
