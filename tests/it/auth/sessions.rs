//! Signing in by password, and what keeps and ends a session.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use api::terms::Terms;
use chrono::Utc;
use commands::Commands;
use commands::access::Access;
use domain::session;
use event_store::Clock;
use reqwest::Method;
use serde_json::json;

use crate::support::{Account, App, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";

#[tokio::test]
async fn who_knows_the_password_comes_in() {
    let app = App::start().await;
    let registered = app.account(EMAIL).await;
    let again = app.login(" Wanjiru@baraka.EXAMPLE", PASSWORD).await.expect(200);
    let account = Account::of(EMAIL, &again);
    assert_eq!(account.user, registered.user);
    assert_ne!(account.access, registered.access);
    for token in [&account.access, &registered.access] {
        app.me(token).await.expect(200);
    }
    let started = app.audited(&account, "session.Started").await;
    assert_eq!(started[0]["payload"]["Started"]["method"], "password");
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_are_told_alike_and_take_as_long() {
    let app = App::start().await;
    app.account(EMAIL).await;
    let tried = async |email: &str| {
        let since = Instant::now();
        let refused = app.login(email, "wrong horse battery").await;
        assert_eq!(refused.refused(401), "auth.invalid_credentials");
        (since.elapsed(), refused.text)
    };
    // In turns, so that whatever else the machine does slows both; the quickest counts.
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..9 {
        let (one, other) = (tried(EMAIL).await, tried("nobody@baraka.example").await);
        assert_eq!(one.1, other.1);
        known = known.min(one.0);
        unknown = unknown.min(other.0);
    }
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    // One that is not hashed is answered ten times as fast.
    assert!((0.25..4.0).contains(&ratio), "{known:?} {unknown:?}");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_session() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let first = app.account(EMAIL).await;
    let second = Account::of(EMAIL, &app.refresh(&first.refresh).await.expect(200));
    app.me(&second.access).await.expect(200);
    // A copy of the first token, in the hands of somebody else.
    *hand.write().unwrap() = Some(Utc::now() + session::GRACE);
    assert_eq!(app.refresh(&first.refresh).await.refused(401), "session.over");
    assert_eq!(app.refresh(&second.refresh).await.refused(401), "session.over");
    let owner = Account::of(EMAIL, &app.login(EMAIL, PASSWORD).await.expect(200));
    assert_eq!(app.audited(&owner, "session.ReuseNoticed").await.len(), 1);
    let ended = app.audited(&owner, "session.Ended").await;
    assert_eq!(ended[0]["payload"]["Ended"]["reason"], "refresh_reused");
    // What it opened is trusted for a moment, and no more than five seconds.
    let since = Instant::now();
    while app.me(&second.access).await.status == 200 {
        assert!(since.elapsed().as_secs() < 5, "the token still opens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn two_tabs_that_refresh_at_once_stay_signed_in() {
    let app = App::start_at(Clock::Told(Arc::new(RwLock::new(Some(Utc::now()))))).await;
    let first = app.account(EMAIL).await;
    let (one, other) = tokio::join!(app.refresh(&first.refresh), app.refresh(&first.refresh));
    let (newer, late) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(late.refused(401), "session.token_replaced");
    let newer = Account::of(EMAIL, &newer);
    app.me(&newer.access).await.expect(200);
    app.refresh(&newer.refresh).await.expect(200);
    assert!(app.audited(&newer, "session.Ended").await.is_empty());
}

#[tokio::test]
async fn a_thief_who_refreshes_first_is_out_as_soon_as_the_owner_does() {
    let app = App::start_on(Terms { proxies: 1, ..Terms::default() }).await;
    let refresh = async |token: &str, (address, program): (&str, &str)| {
        let body = Some(json!({"refresh_token": token}));
        let from = [("x-forwarded-for", address), ("user-agent", program)];
        app.send(Method::POST, "", "/v1/auth/refresh", body, &from).await
    };
    let home = ("203.0.113.5", "Firefox");
    for (number, thief) in [("198.51.100.7", "Firefox"), ("203.0.113.5", "curl")].iter().enumerate()
    {
        let owner = app.account(&format!("wanjiru{number}@baraka.example")).await;
        let stolen = Account::of(EMAIL, &refresh(&owner.refresh, *thief).await.expect(200));
        assert_eq!(refresh(&owner.refresh, home).await.refused(401), "session.over");
        assert_eq!(refresh(&stolen.refresh, *thief).await.refused(401), "session.over");
        let again = Account::of(EMAIL, &app.login(&owner.email, PASSWORD).await.expect(200));
        assert_eq!(app.audited(&again, "session.ReuseNoticed").await.len(), 1);
    }
    // Whoever repeats it themselves has lost an answer, and no session.
    let owner = app.account(EMAIL).await;
    let newer = Account::of(EMAIL, &refresh(&owner.refresh, home).await.expect(200));
    assert_eq!(refresh(&owner.refresh, home).await.refused(401), "session.token_replaced");
    refresh(&newer.refresh, home).await.expect(200);
}

#[tokio::test]
async fn a_token_opens_only_what_it_is_for() {
    let app = App::start().await;
    let account = app.account(EMAIL).await;
    assert_eq!(app.me(&account.refresh).await.refused(401), "auth.invalid_key");
    assert_eq!(app.refresh(&account.access).await.refused(401), "session.over");
    let dressed_up = account.refresh.replacen("vbr_", "vba_", 1);
    assert_eq!(app.me(&dressed_up).await.refused(401), "auth.invalid_key");
    let organization = app.organization("Keys").await;
    assert_eq!(app.refresh(&organization.owner).await.refused(401), "session.over");
}

#[tokio::test]
async fn who_signs_out_is_out_in_every_process() {
    let app = App::start().await;
    let account = app.account(EMAIL).await;
    let elsewhere = Access::new(Commands::new(app.db.store().await));
    assert!(elsewhere.check(&account.access).await.unwrap().is_some());
    app.post(&account.access, "/v1/auth/logout", json!(null)).await.expect(200);
    assert_eq!(app.me(&account.access).await.refused(401), "auth.invalid_key");
    assert_eq!(app.refresh(&account.refresh).await.refused(401), "session.over");
    let since = Instant::now();
    while elsewhere.check(&account.access).await.unwrap().is_some() {
        assert!(since.elapsed().as_secs() < 5, "the token still opens");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_key_is_no_session() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let refused = app.post(&organization.owner, "/v1/auth/logout", json!(null)).await;
    assert_eq!(refused.refused(403), "auth.session_required");
    let me = app.me(&organization.agent).await.expect(200).data();
    assert_eq!((&me["via"], &me["role"]), (&json!("key"), &json!("agent")));
}

#[tokio::test]
async fn who_guesses_passwords_is_stopped_and_told_for_how_long() {
    let app = App::start().await;
    app.account(EMAIL).await;
    for _ in 0..10 {
        app.login(EMAIL, "wrong horse battery").await.expect(401);
    }
    let stopped = app.login(EMAIL, PASSWORD).await;
    assert_eq!(stopped.refused(429), "rate_limit.exceeded");
    let wait: u64 = stopped.header("retry-after").parse().unwrap();
    assert!((1..=91).contains(&wait), "{wait}");
    // Somebody else at the same address may still come in.
    app.account("ada@obi.example").await;
    app.login("ada@obi.example", PASSWORD).await.expect(200);
}
