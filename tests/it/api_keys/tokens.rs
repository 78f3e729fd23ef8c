//! Programs that show their key once, and a token for it from then on.

use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, at, key, make, refused_soon};
use crate::support::{Answer, App, client};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn exchange(app: &App, basic: (&str, &str), form: &[(&str, &str)]) -> Answer {
    app.post_form(Some(basic), "/v1/auth/token", form).await
}

fn token(answer: &Answer) -> String {
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn id(answer: &Answer) -> String {
    answer.data()["id"].as_str().unwrap().to_owned()
}

async fn till(app: &App, owner: &str) -> Answer {
    let scopes = json!(["read", "contacts:write"]);
    make(app, owner, json!({"name": "Till", "scopes": scopes})).await.expect(201)
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_that_does_as_much() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = till(&app, &shop.owner).await;
    let (id, key) = (id(&made), key(&made));
    let told = exchange(&app, (&id, &key), &[GRANT]).await.expect(200);
    let json = told.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(json["scope"], "contacts:write read");
    assert_eq!(told.header("cache-control"), "no-store");
    let form = [GRANT, ("client_id", id.as_str()), ("client_secret", key.as_str())];
    let other = app.post_form(None, "/v1/auth/token", &form).await.expect(200);
    assert_ne!(token(&told), token(&other));
    for token in [token(&told), token(&other)] {
        app.get(&token, "/v1/inbox").await.expect(200);
        app.post(&token, "/v1/contacts", json!({"name": "Ada"})).await.expect(201);
        // A token fetches no other.
        let again = exchange(&app, (&id, &token), &[GRANT]).await;
        assert_eq!(again.refused(401), "auth.invalid_client");
    }
    let issued = app.audit(&shop, "action=api_key.TokenIssued").await;
    assert_eq!(issued.len(), 2);
    assert!(!issued[0].to_string().contains(&token(&told)));
    app.assert_verified().await;
}

#[tokio::test]
async fn a_token_does_what_it_was_asked_for_and_its_key_still_may() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = till(&app, &shop.owner).await;
    let (id, key) = (id(&made), key(&made));
    let narrow = [GRANT, ("scope", "contacts:read inbox:read")];
    let token = token(&exchange(&app, (&id, &key), &narrow).await.expect(200));
    app.get(&token, "/v1/inbox").await.expect(200);
    assert_eq!(app.get(&token, "/v1/tickets").await.refused(403), "permission.scope");
    for scope in ["write", "inbox:write", "moon:read"] {
        let refused = exchange(&app, (&id, &key), &[GRANT, ("scope", scope)]).await;
        assert_eq!(refused.refused(400), "auth.invalid_scope", "{scope}");
        assert_eq!(refused.json()["error"], "invalid_scope");
    }
    app.patch(&shop.owner, &at(&made), json!({"scopes": ["contacts:read"]})).await.expect(200);
    let since = std::time::Instant::now();
    while app.get(&token, "/v1/inbox").await.status != 403 {
        assert!(since.elapsed().as_secs() < 5, "the token still reads the inbox");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    app.get(&token, "/v1/contacts").await.expect(200);
}

#[tokio::test]
async fn a_token_dies_with_its_key_and_with_the_secret_that_was_shown_for_it() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = till(&app, &shop.owner).await;
    let id = id(&made);
    let first = token(&exchange(&app, (&id, &key(&made)), &[GRANT]).await.expect(200));
    app.get(&first, "/v1/inbox").await.expect(200);
    let path = format!("{}/rotate", at(&made));
    let rotated = app.post(&shop.owner, &path, json!({"overlap_hours": 0})).await.expect(201);
    refused_soon(&app, &first).await;
    let old = exchange(&app, (&id, &key(&made)), &[GRANT]).await;
    assert_eq!(old.refused(401), "auth.invalid_client");
    let second = token(&exchange(&app, (&id, &key(&rotated)), &[GRANT]).await.expect(200));
    app.get(&second, "/v1/inbox").await.expect(200);
    app.send(Method::DELETE, &shop.owner, &at(&made), None, &[]).await.expect(200);
    refused_soon(&app, &second).await;
    let revoked = exchange(&app, (&id, &key(&rotated)), &[GRANT]).await;
    assert_eq!(revoked.refused(401), "auth.invalid_client");
}

#[tokio::test]
async fn a_token_lasts_no_longer_than_its_key_and_says_so() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let shop = app.organization("Baraka").await;
    let asked = json!({"name": "Till", "scopes": ["read"], "expires_in_days": 1});
    let made = make(&app, &shop.owner, asked).await.expect(201);
    let expiry: DateTime<Utc> = made.data()["expires_at"].as_str().unwrap().parse().unwrap();
    *hand.write().unwrap() = Some(expiry - TimeDelta::minutes(5));
    let told = exchange(&app, (&id(&made), &key(&made)), &[GRANT]).await.expect(200);
    assert_eq!(told.json()["expires_in"], 300);
    let issued = app.audit(&shop, "action=api_key.TokenIssued").await;
    assert_eq!(issued[0]["payload"]["TokenIssued"]["expires_at"], made.data()["expires_at"]);
}

#[tokio::test]
async fn a_token_is_told_again_to_who_shows_the_key_again() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = till(&app, &shop.owner).await;
    let keyed = async |secret: &str| {
        let form = "grant_type=client_credentials";
        let request = client().post(format!("{}/v1/auth/token", app.base_url)).body(form);
        let request = request.basic_auth(id(&made), Some(secret)).header("idempotency-key", "1");
        let form = ("content-type", "application/x-www-form-urlencoded");
        let answer = request.header(form.0, form.1).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let first = keyed(&key(&made)).await;
    assert_eq!((first.0, &keyed(&key(&made)).await), (200, &first));
    // The body is the same, who sends it is not.
    assert_eq!(keyed("vb_guess").await.0, 401);
}

#[tokio::test]
async fn who_asks_wrongly_is_told_why_in_words_of_oauth() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (made, other) = (till(&app, &shop.owner).await, till(&app, &shop.owner).await);
    let refused = exchange(&app, (&id(&other), &key(&made)), &[GRANT]).await;
    assert_eq!(refused.refused(401), "auth.invalid_client");
    assert_eq!(refused.json()["error"], "invalid_client");
    assert!(refused.header("www-authenticate").starts_with("Basic"));
    let (id, key) = (id(&made), key(&made));
    let wrong = exchange(&app, (&id, &key), &[("grant_type", "password")]).await;
    assert_eq!(wrong.refused(400), "auth.unsupported_grant_type");
    assert_eq!(wrong.json()["error"], "unsupported_grant_type");
    let twice = [GRANT, ("client_id", id.as_str()), ("client_secret", key.as_str())];
    for form in [&twice[..], &[], &[GRANT, GRANT]] {
        let refused = exchange(&app, (&id, &key), form).await;
        assert_eq!(refused.refused(400), "request.malformed", "{form:?}");
        assert_eq!(refused.json()["error"], "invalid_request");
    }
    assert_eq!(
        app.post_form(None, "/v1/auth/token", &[GRANT]).await.refused(400),
        "request.malformed"
    );
    let json = app.post("", "/v1/auth/token", json!({"grant_type": "client_credentials"})).await;
    assert_eq!(json.refused(400), "request.malformed");
    assert_eq!(app.get(&shop.owner, PATH).await.status, 200);
}

#[tokio::test]
async fn who_guesses_a_keys_secret_is_stopped() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = till(&app, &shop.owner).await;
    let mut last = Value::Null;
    for _ in 0..61 {
        let guess = exchange(&app, (&id(&made), "vb_guess"), &[GRANT]).await;
        last = guess.json()["code"].clone();
    }
    assert_eq!(last, "rate_limit.exceeded");
}
