//! Keys with which programs call: made by people, for no more than they may, and taken back.

mod tokens;

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use commands::Commands;
use commands::access::Access;
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Account, Answer, App, Mail, PASSWORD};

const PATH: &str = "/v1/api-keys";

async fn make(app: &App, by: &str, body: Value) -> Answer {
    app.post(by, PATH, body).await
}

fn key(answer: &Answer) -> String {
    answer.data()["key"].as_str().unwrap().to_owned()
}

fn at(answer: &Answer) -> String {
    format!("{PATH}/{}", answer.data()["id"].as_str().unwrap())
}

/// Somebody who was invited to set up the organisation, too.
async fn admin(app: &App, owner: &Account) -> Account {
    let (email, mail) = ("otieno@baraka.example", Mail::of(app));
    let guest = json!({"email": email, "role": "admin"});
    app.post(&owner.access, "/v1/invitations", guest).await.expect(201);
    let token = mail.answer(app, email).await;
    let body = json!({"token": token, "name": "Otieno", "password": PASSWORD});
    Account::of(email, &app.post("", "/v1/invitations/accept", body).await.expect(201))
}

/// Until it opens no more; it may take five seconds.
async fn refused_soon(app: &App, key: &str) {
    let since = Instant::now();
    while app.get(key, "/v1/inbox").await.status != 401 {
        assert!(since.elapsed().as_secs() < 5, "the key still opens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_key_is_told_once_and_then_known_by_how_it_begins() {
    let app = App::start().await;
    let owner = app.account("wanjiru@baraka.example").await;
    let asked = json!({"name": "Till", "scopes": ["read", "contacts:write"],
        "role": "agent", "expires_in_days": 30});
    let made = make(&app, &owner.access, asked).await.expect(201);
    let key = key(&made);
    app.post(&key, "/v1/contacts", json!({"name": "Ada"})).await.expect(201);
    let shown = app.get_since(&made, &owner.access, &at(&made)).await.expect(200);
    assert!(!shown.text.contains(&key));
    let (shown, told) = (shown.data(), made.data());
    assert!(key.starts_with(shown["prefix"].as_str().unwrap()));
    assert_eq!(shown["prefix"], told["prefix"]);
    assert_eq!(shown["scopes"], json!(["contacts:write", "read"]));
    assert_eq!((&shown["status"], &shown["role"]), (&json!("active"), &json!("agent")));
    assert_eq!(shown["created_by"], format!("user:{}", owner.user));
    assert!(shown["last_used_at"].is_string());
    let unused = make(&app, &owner.access, json!({"name": "Spare", "scopes": ["read"]})).await;
    let list = app.get_since(&unused.expect(201), &owner.access, PATH).await.expect(200);
    let names: Vec<Value> =
        list.data().as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["Spare", "Till"]);
    assert_eq!(list.data()[0]["last_used_at"], Value::Null);
    assert!(!list.text.contains(&key));
    app.assert_verified().await;
}

#[tokio::test]
async fn a_repeat_is_told_the_same_key_and_nothing_keeps_it_in_clear() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let asked = json!({"name": "Till", "scopes": ["read"]});
    let with = [("idempotency-key", "till-1")];
    let send = || app.send(Method::POST, &shop.owner, PATH, Some(asked.clone()), &with);
    let (first, again) = (send().await.expect(201), send().await.expect(201));
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    let secret = key(&first);
    let opens = &secret[secret.len() - 49..];
    let kept: Vec<String> = sqlx::query_scalar(
        "select encode(response, 'escape') from idempotency_keys where response is not null
         union all select encode(ciphertext, 'escape') from secrets
         union all select payload::text || metadata::text from events",
    )
    .fetch_all(&app.db.database.owner)
    .await
    .unwrap();
    assert!(kept.len() > 2 && kept.iter().all(|text| !text.contains(opens)));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_and_its_role_say() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let asked = |scopes: Value, role: &str| json!({"name": "Till", "scopes": scopes, "role": role});
    let reader = make(&app, &shop.owner, asked(json!(["contacts:read"]), "agent")).await;
    let reader = key(&reader.expect(201));
    app.get(&reader, "/v1/contacts").await.expect(200);
    assert_eq!(app.get(&reader, "/v1/inbox").await.refused(403), "permission.scope");
    let write = app.post(&reader, "/v1/contacts", json!({"name": "Ada"})).await;
    assert_eq!(write.refused(403), "permission.scope");
    let auditor = make(&app, &shop.owner, asked(json!(["read", "write"]), "auditor")).await;
    let auditor = key(&auditor.expect(201));
    app.get(&auditor, "/v1/audit/events").await.expect(200);
    let write = app.post(&auditor, "/v1/contacts", json!({"name": "Ada"})).await;
    assert_eq!(write.refused(403), "permission.denied");
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_have() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    for outsider in [&shop.agent, &shop.auditor] {
        let asked = json!({"name": "Till", "scopes": ["read"]});
        assert_eq!(make(&app, outsider, asked).await.refused(403), "permission.denied");
        assert_eq!(app.get(outsider, PATH).await.refused(403), "permission.denied");
    }
    let scopes = json!(["api_keys:write", "api_keys:read", "contacts:read"]);
    let admin = json!({"name": "Maker", "scopes": scopes, "role": "admin"});
    let admin = key(&make(&app, &shop.owner, admin).await.expect(201));
    let asked = |scope: &str, role: &str| json!({"name": "Till", "scopes": [scope], "role": role});
    for (scope, role) in
        [("contacts:read", "owner"), ("read", "agent"), ("contacts:write", "agent")]
    {
        let refused = make(&app, &admin, asked(scope, role)).await;
        assert_eq!(refused.refused(403), "api_key.too_wide", "{scope} {role}");
    }
    let made = make(&app, &admin, asked("contacts:read", "agent")).await.expect(201);
    let wider = app.patch(&admin, &at(&made), json!({"scopes": ["write"]})).await;
    assert_eq!(wider.refused(403), "api_key.too_wide");
    // Its new secret would open more than the one who asks may.
    let wide = make(&app, &shop.owner, json!({"name": "All", "scopes": ["read", "write"]})).await;
    let rotated = app.post(&admin, &format!("{}/rotate", at(&wide)), Value::Null).await;
    assert_eq!(rotated.refused(403), "api_key.too_wide");
    let owner = app.account("owner@baraka.example").await;
    let own = make(&app, &owner.access, json!({"name": "Own", "scopes": ["read"]})).await;
    let foreign = app.post(&shop.owner, &format!("{}/rotate", at(&own)), Value::Null).await;
    assert_eq!(foreign.refused(404), "api_key.not_found");
    assert_eq!(app.get(&shop.owner, &at(&own)).await.refused(404), "not_found");
}

#[tokio::test]
async fn a_key_gives_no_key_a_longer_life_than_its_own() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let asked = |days: Value| {
        json!({"name": "Maker", "scopes": ["read", "write"],
        "role": "admin", "expires_in_days": days})
    };
    let made = make(&app, &shop.owner, asked(json!(30))).await.expect(201);
    let maker = key(&made);
    for days in [json!(null), json!(31)] {
        let refused = make(&app, &maker, asked(days.clone())).await;
        assert_eq!(refused.refused(403), "api_key.too_wide");
        let longer = app.patch(&maker, &at(&made), json!({"expires_in_days": days})).await;
        assert_eq!(longer.refused(403), "api_key.too_wide");
    }
    make(&app, &maker, asked(json!(29))).await.expect(201);
    app.patch(&maker, &at(&made), json!({"expires_in_days": 7})).await.expect(200);
}

#[tokio::test]
async fn nobody_gets_to_know_a_secret_that_calls_in_anothers_name() {
    let app = App::start().await;
    let owner = app.account("wanjiru@baraka.example").await;
    let made = make(&app, &owner.access, json!({"name": "Till", "scopes": ["read"]})).await;
    let admin = admin(&app, &owner).await;
    let rotated = app.post(&admin.access, &format!("{}/rotate", at(&made)), Value::Null).await;
    assert_eq!(rotated.refused(403), "api_key.anothers");
    // But anybody who sets up the organisation may end it.
    let revoked = app.send(Method::DELETE, &admin.access, &at(&made), None, &[]).await.expect(200);
    assert_eq!(revoked.data()["revoked"], true);
}

#[tokio::test]
async fn both_secrets_open_while_programs_change_over() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let shop = app.organization("Baraka").await;
    let made = make(&app, &shop.owner, json!({"name": "Till", "scopes": ["read"]})).await;
    let (made, rotate) = (made.expect(201), json!({"overlap_hours": 2}));
    let path = format!("{}/rotate", at(&made));
    let rotated = app.post(&shop.owner, &path, rotate).await.expect(201);
    let (old, new) = (key(&made), key(&rotated));
    assert_ne!(old, new);
    for open in [&old, &new] {
        app.get(open, "/v1/inbox").await.expect(200);
    }
    let shown = app.get_since(&rotated, &shop.owner, &at(&made)).await.expect(200).data();
    assert!(new.starts_with(shown["prefix"].as_str().unwrap()));
    assert!(old.starts_with(shown["previous_prefix"].as_str().unwrap()));
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::hours(3));
    refused_soon(&app, &old).await;
    app.get(&new, "/v1/inbox").await.expect(200);
    // At once, for a secret that somebody has seen.
    let again = app.post(&shop.owner, &path, json!({"overlap_hours": 0})).await.expect(201);
    refused_soon(&app, &new).await;
    app.get(&key(&again), "/v1/inbox").await.expect(200);
    for hours in [-1, 169, i64::MAX] {
        let refused = app.post(&shop.owner, &path, json!({"overlap_hours": hours})).await;
        assert_eq!(refused.refused(422), "api_key.invalid_overlap");
    }
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_in_any_process() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let made = make(&app, &shop.owner, json!({"name": "Till", "scopes": ["read"]})).await;
    let made = made.expect(201);
    let key = key(&made);
    let elsewhere = Access::new(Commands::new(app.db.store().await));
    assert!(elsewhere.check(&key).await.unwrap().is_some());
    app.get(&key, "/v1/inbox").await.expect(200);
    let path = at(&made);
    let revoke = || app.send(Method::DELETE, &shop.owner, &path, None, &[]);
    assert_eq!(revoke().await.expect(200).data()["revoked"], true);
    revoke().await.expect(200);
    refused_soon(&app, &key).await;
    let since = Instant::now();
    while elsewhere.check(&key).await.unwrap().is_some() {
        assert!(since.elapsed().as_secs() < 5, "the key still opens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rotated = app.post(&shop.owner, &format!("{}/rotate", at(&made)), Value::Null).await;
    assert_eq!(rotated.refused(409), "api_key.not_usable");
    app.settle().await;
    let list = app.get(&shop.owner, &format!("{PATH}?status=revoked")).await.expect(200);
    assert_eq!(list.data()[0]["id"], made.data()["id"]);
    let secrets: i64 = sqlx::query_scalar("select count(*) from secrets where kind = 'api_key'")
        .fetch_one(&app.db.database.owner)
        .await
        .unwrap();
    assert_eq!(secrets, 3, "the keys of owner, agent and auditor");
}

#[tokio::test]
async fn a_key_that_expires_looks_different_although_nobody_touched_it() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let owner = app.organization("Baraka").await.owner;
    let asked = json!({"name": "Till", "scopes": ["read"], "expires_in_days": 1});
    let made = make(&app, &owner, asked).await.expect(201);
    let shown = app.get_since(&made, &owner, &at(&made)).await.expect(200);
    let known = [("if-none-match", shown.header("etag"))];
    let again = async || app.send(Method::GET, &owner, &at(&made), None, &known).await;
    again().await.expect(304);
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::days(2));
    assert_eq!(again().await.expect(200).data()["status"], "expired");
}

#[tokio::test]
async fn a_key_expires_and_may_be_given_more_time() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let shop = app.organization("Baraka").await;
    for days in [0, 366, -1] {
        let asked = json!({"name": "Till", "scopes": ["read"], "expires_in_days": days});
        assert_eq!(make(&app, &shop.owner, asked).await.refused(422), "api_key.invalid_expiry");
    }
    let asked = json!({"name": "Till", "scopes": ["read"], "expires_in_days": 1});
    let made = make(&app, &shop.owner, asked).await.expect(201);
    app.get(&key(&made), "/v1/inbox").await.expect(200);
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::days(2));
    refused_soon(&app, &key(&made)).await;
    let list = app.get_since(&made, &shop.owner, &format!("{PATH}?status=expired")).await;
    assert_eq!(list.expect(200).data()[0]["status"], "expired");
    let more = json!({"expires_in_days": null, "name": "Door", "scopes": ["inbox:read"]});
    let changed = app.patch(&shop.owner, &at(&made), more).await.expect(200);
    assert_eq!(changed.data()["expires_at"], Value::Null);
    app.settle().await;
    let active = app.get(&shop.owner, &format!("{PATH}?status=active&limit=1")).await.expect(200);
    assert_eq!(
        (&active.data()[0]["name"], active.data().as_array().unwrap().len()),
        (&json!("Door"), 1)
    );
    let since = Instant::now();
    while app.get(&key(&made), "/v1/inbox").await.status != 200 {
        assert!(since.elapsed().as_secs() < 5, "the key does not open again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_key_dies_with_its_makers_membership() {
    let app = App::start().await;
    let owner = app.account("wanjiru@baraka.example").await;
    let admin = admin(&app, &owner).await;
    let made = make(&app, &admin.access, json!({"name": "Till", "scopes": ["read"]})).await;
    let key = key(&made.expect(201));
    app.get(&key, "/v1/inbox").await.expect(200);
    let path = format!("/v1/members/{}/deactivate", admin.user);
    app.post(&owner.access, &path, Value::Null).await.expect(200);
    refused_soon(&app, &key).await;
}

#[tokio::test]
async fn a_key_needs_a_name_and_a_scope_that_there_is() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    for (name, scopes, code) in [
        ("", json!(["read"]), "api_key.invalid_name"),
        (" ", json!(["read"]), "api_key.invalid_name"),
        ("x".repeat(61).as_str(), json!(["read"]), "api_key.invalid_name"),
        ("Till", json!([]), "api_key.no_scope"),
        ("Till", json!(["moon:read"]), "api_key.invalid_scope"),
    ] {
        let refused = make(&app, &shop.owner, json!({"name": name, "scopes": scopes})).await;
        assert_eq!(refused.refused(422), code);
    }
}
