//! A repeat under the same key gets the same answer, also before anybody has signed in.

use std::sync::{Arc, RwLock};

use api::terms::Terms;
use chrono::{DateTime, TimeDelta, Utc};
use commands::access::staff;
use commands::sweep;
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Account, Answer, App, Mail, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const OTHER: &str = "otieno@baraka.example";
/// A key that anybody could have thought of.
const KEY: [(&str, &str); 1] = [("idempotency-key", "1")];

async fn keyed(app: &App, token: &str, path: &str, body: Value) -> Answer {
    app.send(Method::POST, token, path, Some(body), &KEY).await
}

async fn login(app: &App, email: &str, password: &str) -> Answer {
    keyed(app, "", "/v1/auth/login", json!({"email": email, "password": password})).await
}

async fn refresh(app: &App, token: &str) -> Answer {
    keyed(app, "", "/v1/auth/refresh", json!({"refresh_token": token})).await
}

#[track_caller]
fn assert_repeated(first: &Answer, again: &Answer) {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("log-position"), first.header("log-position"));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.header("idempotent-replayed"), "true");
}

fn clock() -> (Arc<RwLock<Option<DateTime<Utc>>>>, Clock) {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    (hand.clone(), Clock::Told(hand))
}

#[tokio::test]
async fn who_registers_once_more_has_one_organisation_and_the_same_tokens() {
    let app = App::start().await;
    let register = async |email: &str| {
        let body = json!({
            "organization": "Baraka", "name": "Wanjiru", "email": email, "password": PASSWORD,
        });
        keyed(&app, "", "/v1/auth/register", body).await
    };
    let first = register(EMAIL).await.expect(201);
    let head = app.store.head();
    assert_repeated(&first, &register(EMAIL).await);
    assert_eq!(app.store.head(), head);
    // The same key of somebody else is another key.
    let other = register(OTHER).await.expect(201);
    assert_eq!(other.header("idempotent-replayed"), "");
    assert_ne!(other.data()["organization_id"], first.data()["organization_id"]);
}

#[tokio::test]
async fn a_login_is_repeated_to_who_knows_the_password_and_to_nobody_else() {
    let app = App::start().await;
    app.account(EMAIL).await;
    app.account(OTHER).await;
    login(&app, EMAIL, "wrong horse battery").await.expect(401);
    let first = login(&app, EMAIL, PASSWORD).await.expect(200);
    assert_repeated(&first, &login(&app, EMAIL, PASSWORD).await);
    // Whoever knows no password learns nothing of the key, and who knows it learns all.
    let wrong = login(&app, EMAIL, "wrong horse battery").await;
    assert_eq!(wrong.refused(401), "auth.invalid_credentials");
    let unknown = login(&app, "nobody@baraka.example", "wrong horse battery").await;
    assert_eq!(wrong.text, unknown.text);
    let other = login(&app, OTHER, PASSWORD).await.expect(200);
    assert_eq!(other.header("idempotent-replayed"), "");
    // Tries are counted before anybody is told that one was right.
    for _ in 0..6 {
        login(&app, EMAIL, "wrong horse battery").await.expect(401);
    }
    assert_eq!(login(&app, EMAIL, PASSWORD).await.refused(429), "rate_limit.exceeded");
}

#[tokio::test]
async fn who_knows_the_password_is_told_that_a_key_was_used_for_another_request() {
    let app = App::start().await;
    app.account(EMAIL).await;
    login(&app, EMAIL, PASSWORD).await.expect(200);
    let head = app.store.head();
    // The same person by another body.
    let again = login(&app, " Wanjiru@baraka.EXAMPLE", PASSWORD).await;
    assert_eq!(again.refused(422), "idempotency.key_reused");
    assert_eq!(app.store.head(), head, "nobody was signed in");
}

#[tokio::test]
async fn a_key_does_not_tell_elsewhere_whether_a_letter_was_asked_for() {
    let app = App::start_on(Terms { proxies: 1, ..Terms::default() }).await;
    let ask = async |from: &str| {
        let body = Some(json!({"email": EMAIL}));
        let headers = [KEY[0], ("x-forwarded-for", from)];
        app.send(Method::POST, "", "/v1/auth/code/request", body, &headers).await.expect(202)
    };
    let first = ask("203.0.113.5").await;
    assert_repeated(&first, &ask("203.0.113.5").await);
    let elsewhere = ask("198.51.100.7").await;
    assert_eq!(elsewhere.header("idempotent-replayed"), "");
    assert_ne!(elsewhere.data()["ticket"], first.data()["ticket"]);
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_answered_again() {
    let (hand, clock) = clock();
    let app = App::start_at(clock).await;
    let account = app.account(EMAIL).await;
    let (one, other) =
        tokio::join!(refresh(&app, &account.refresh), refresh(&app, &account.refresh));
    assert_eq!((&one.text, one.status.as_u16()), (&other.text, 200));
    // However long it takes, within ten minutes.
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::minutes(9));
    let again = refresh(&app, &account.refresh).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &one.text));
    app.refresh(&Account::of(EMAIL, &again).refresh).await.expect(200);
}

#[tokio::test]
async fn what_ended_a_session_is_no_answer_to_keep() {
    let (hand, clock) = clock();
    let app = App::start_at(clock).await;
    let account = app.account(EMAIL).await;
    app.refresh(&account.refresh).await.expect(200);
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::minutes(9));
    for _ in 0..2 {
        assert_eq!(refresh(&app, &account.refresh).await.refused(401), "session.over");
    }
}

#[tokio::test]
async fn a_letter_that_is_asked_for_twice_under_a_key_comes_once() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    for path in ["/v1/auth/password/forgot", "/v1/auth/code/request"] {
        let first = keyed(&app, "", path, json!({"email": EMAIL})).await.expect(202);
        mail.post(&app).await;
        assert_repeated(&first, &keyed(&app, "", path, json!({"email": EMAIL})).await);
    }
    mail.post(&app).await;
    // To verify the address, to reset the password, to sign in.
    assert_eq!(mail.sink.letters(EMAIL).len(), 3);
}

#[tokio::test]
async fn a_second_factor_that_is_set_up_twice_under_a_key_has_one_seed() {
    let app = App::start().await;
    let (one, other) = (app.account(EMAIL).await, app.account(OTHER).await);
    let set_up = async |account: &Account, password: &str| {
        let body = json!({"password": password});
        keyed(&app, &account.access, "/v1/auth/second-factor/setup", body).await
    };
    let first = set_up(&one, PASSWORD).await.expect(200);
    assert_repeated(&first, &set_up(&one, PASSWORD).await);
    let wrong = set_up(&one, "wrong horse battery").await;
    assert_eq!(wrong.refused(422), "idempotency.key_reused");
    let others = set_up(&other, PASSWORD).await.expect(200);
    assert_ne!(others.data()["secret"], first.data()["secret"]);
}

#[tokio::test]
async fn a_password_that_was_reset_is_told_so_again() {
    let app = App::start().await;
    let mail = Mail::of(&app);
    app.account(EMAIL).await;
    app.post("", "/v1/auth/password/forgot", json!({"email": EMAIL})).await.expect(202);
    let token = mail.answer(&app, EMAIL).await;
    let reset = async |password: &str| {
        let body = json!({"token": token, "password": password});
        keyed(&app, "", "/v1/auth/password/reset", body).await
    };
    let first = reset("another horse battery").await.expect(200);
    assert_repeated(&first, &reset("another horse battery").await);
    assert_eq!(reset("a third horse battery").await.refused(422), "idempotency.key_reused");
}

#[tokio::test]
async fn a_visit_and_a_beat_are_told_again() {
    let app = App::start().await;
    let owner = app.account(EMAIL).await;
    let (_, staff) = staff::add(&app.commands, "Achieng").await.unwrap();
    let enter = format!("/v1/platform/organizations/{}/enter", owner.organization);
    let reason = json!({"reason": "Ticket 17"});
    let first = keyed(&app, &staff, &enter, reason.clone()).await.expect(200);
    assert_repeated(&first, &keyed(&app, &staff, &enter, reason).await);
    assert_eq!(app.audited(&owner, "visit.Began").await.len(), 1);
    let beat = "/v1/members/me/heartbeat";
    let first = keyed(&app, &owner.access, beat, Value::Null).await.expect(200);
    assert_repeated(&first, &keyed(&app, &owner.access, beat, Value::Null).await);
}

#[tokio::test]
async fn answers_with_credentials_are_kept_for_minutes_and_none_in_clear() {
    let (hand, clock) = clock();
    let app = App::start_at(clock).await;
    let account = app.account(EMAIL).await;
    let first = login(&app, EMAIL, PASSWORD).await.expect(200);
    let contact = json!({"name": "Ada Obi"});
    keyed(&app, &account.access, "/v1/contacts", contact.clone()).await.expect(201);
    let kept = "select encode(response, 'escape') from idempotency_keys";
    let kept: Vec<String> =
        sqlx::query_scalar(kept).fetch_all(&app.db.database.owner).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert!(!kept.iter().any(|answer| answer.contains("vba_") || answer.contains("Ada")));
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::minutes(9));
    assert_eq!(sweep::batch(&app.commands).await.unwrap(), 0);
    assert_repeated(&first, &login(&app, EMAIL, PASSWORD).await);
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::minutes(11));
    assert_eq!(sweep::batch(&app.commands).await.unwrap(), 1);
    let again = login(&app, EMAIL, PASSWORD).await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), "");
    let token = Account::of(EMAIL, &again).access;
    let contact = keyed(&app, &token, "/v1/contacts", contact).await;
    assert_eq!(contact.header("idempotent-replayed"), "true");
}

#[test]
fn every_post_takes_a_key_but_those_of_providers() {
    let paths = api::document()["paths"].as_object().unwrap();
    let without: Vec<&String> = paths
        .iter()
        .filter(|(path, _)| !path.starts_with("/webhooks/"))
        .filter(|(_, methods)| methods.get("post").is_some_and(|post| !takes_key(post)))
        .map(|(path, _)| path)
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

fn takes_key(post: &Value) -> bool {
    let mut parameters = post["parameters"].as_array().into_iter().flatten();
    parameters.any(|told| {
        told["$ref"] == "#/components/parameters/Idempotency-Key"
            || told["name"] == "Idempotency-Key"
    })
}
