//! What a client has seen already, and what it decides on.

use reqwest::Method;
use serde_json::{Value, json};

use super::shop;
use crate::support::{ANA, Answer, App};

async fn unless(app: &App, key: &str, path: &str, tag: &str) -> Answer {
    app.settle().await;
    app.send(Method::GET, key, path, None, &[("if-none-match", tag)]).await
}

#[tokio::test]
async fn a_client_that_has_it_already_gets_it_again_only_when_it_changed() {
    let (app, organization) = shop().await;
    let key = &organization.agent;
    let body = json!({"name": "Ada Obi", "phone": "+254 712 345 678"});
    let made = app.post(key, "/v1/contacts", body).await.expect(201);
    let (path, tag) = (made.header("location").to_owned(), made.header("etag"));
    let same = unless(&app, key, &path, tag).await.expect(304);
    assert_eq!((same.text.as_str(), same.header("etag")), ("", tag));
    assert_ne!(same.header("log-position"), "");
    app.patch(key, &path, json!({"tags": ["vip"]})).await.expect(200);
    unless(&app, key, &path, tag).await.expect(200);
}

#[tokio::test]
async fn a_conversation_looks_different_when_its_contact_has_another_name() {
    let (app, organization) = shop().await;
    let key = &organization.agent;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let path = format!("/v1/conversations/{conversation}");
    let seen = app.get(key, &path).await.expect(200);
    let tag = seen.header("etag");
    unless(&app, key, &path, tag).await.expect(304);
    let contact = seen.data()["contact"]["id"].as_str().unwrap().to_owned();
    app.patch(key, &format!("/v1/contacts/{contact}"), json!({"name": "Anna"})).await.expect(200);
    let renamed = unless(&app, key, &path, tag).await.expect(200);
    assert_eq!(renamed.data()["contact"]["name"], "Anna");
    // No decision hangs on how it looked.
    let read = format!("{path}/read");
    app.send(Method::POST, key, &read, None, &[("if-match", tag)]).await.expect(200);
}

#[tokio::test]
async fn a_retry_with_the_version_that_is_over_by_now_gets_its_success_again() {
    let (app, organization) = shop().await;
    let key = &organization.agent;
    let made = app.post(key, "/v1/tickets", json!({"subject": "Broken pot"})).await.expect(201);
    let solve = format!("{}/solve", made.header("location"));
    let mut headers = vec![("if-match", made.header("etag")), ("idempotency-key", "a")];
    let solved = app.send(Method::POST, key, &solve, None, &headers).await.expect(200);
    let again = app.send(Method::POST, key, &solve, None, &headers).await.expect(200);
    assert_eq!((&again.text, again.header("idempotent-replayed")), (&solved.text, "true"));
    headers[1] = ("idempotency-key", "b");
    let late = app.send(Method::POST, key, &solve, Some(Value::Null), &headers).await;
    assert_eq!(late.refused(412), "precondition.version");
}
