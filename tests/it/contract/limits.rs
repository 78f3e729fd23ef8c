//! How often somebody may ask, whichever process they ask.

use std::time::Instant;

use api::terms::{Limits, Terms, per_minute};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use super::problem;
use crate::support::{ANA, Answer, App, client};

const INBOX: &str = "/v1/inbox";

fn terms(limits: Limits) -> Terms {
    Terms { limits, ..Terms::default() }
}

/// What is left, by policy.
fn left(answer: &Answer, policy: &str) -> i64 {
    let standing = answer.header("ratelimit");
    let item = standing.split(", ").find(|item| item.starts_with(&format!("\"{policy}\"")));
    let left = item.unwrap_or_else(|| panic!("{standing}")).split(';').nth(1).unwrap();
    left.strip_prefix("r=").unwrap().parse().unwrap()
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let app = App::start_on(terms(Limits { key: per_minute(5), ..Limits::default() })).await;
    let ours = app.organization("Baraka").await;
    for expected in (0..5).rev() {
        let answer = app.get(&ours.agent, INBOX).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"key\";q=5;w=60");
        assert_eq!(left(&answer, "key"), expected);
    }
    let head = app.store.head();
    for (method, path) in [(Method::GET, INBOX), (Method::POST, "/v1/contacts")] {
        let body = serde_json::json!({"name": "Ben"});
        let refused = app.send(method, &ours.agent, path, Some(body), &[]).await;
        assert_eq!(problem(&refused, 429), "rate_limit.exceeded");
        assert_eq!(refused.json()["policy"], "key");
        let wait: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=12).contains(&wait), "{wait}");
        assert_eq!(left(&refused, "key"), 0);
    }
    assert_eq!(app.store.head(), head, "nothing of it happened");
    // Everybody has a limit of their own, and whoever watches the server none.
    app.get(&ours.owner, INBOX).await.expect(200);
    for open in ["/health", "/ready"] {
        assert_eq!(app.get("", open).await.expect(200).header("ratelimit"), "");
    }
}

#[tokio::test]
async fn an_address_is_counted_before_anybody_asks_who_it_is() {
    let limits = Limits { address: per_minute(4), ..Limits::default() };
    let app = App::start_on(Terms { proxies: 1, ..terms(limits) }).await;
    let ours = app.organization("Baraka").await;
    let from = async |address: &str, key: &str| {
        let forwarded = [("x-forwarded-for", address)];
        app.send(Method::GET, key, INBOX, None, &forwarded).await
    };
    for _ in 0..4 {
        assert_eq!(from("192.0.2.7", "nonsense").await.refused(401), "auth.invalid_key");
    }
    for key in ["nonsense", "", &ours.agent] {
        assert_eq!(problem(&from("192.0.2.7", key).await, 429), "rate_limit.exceeded");
    }
    // Who writes addresses into the header before our proxy does gains nothing.
    let forged = from("198.51.100.1, 192.0.2.7", &ours.agent).await;
    assert_eq!(problem(&forged, 429), "rate_limit.exceeded");
    from("192.0.2.8", &ours.agent).await.expect(200);
}

#[tokio::test]
async fn an_organisation_is_counted_over_all_its_keys() {
    let limits = Limits { key: per_minute(5), organization: per_minute(8), ..Limits::default() };
    let app = App::start_on(terms(limits)).await;
    let ours = app.organization("Baraka").await;
    let theirs = app.organization("Elsewhere").await;
    // The owner has asked twice before, to connect the line and the account.
    for (key, times) in [(&ours.agent, 4), (&ours.owner, 2)] {
        for _ in 0..times {
            app.get(key, INBOX).await.expect(200);
        }
    }
    let refused = app.get(&ours.auditor, INBOX).await;
    assert_eq!(problem(&refused, 429), "rate_limit.exceeded");
    assert_eq!(refused.json()["policy"], "organization");
    assert_eq!(left(&refused, "organization"), 0);
    assert_eq!(left(&app.get(&theirs.auditor, INBOX).await.expect(200), "organization"), 5);
}

#[tokio::test]
async fn what_an_organisations_plan_says_comes_before_what_holds_for_all() {
    let limits = Limits { organization: per_minute(1000), ..Limits::default() };
    let app = App::start_on(terms(limits)).await;
    let (ours, theirs) = (app.organization("Baraka").await, app.organization("Elsewhere").await);
    let (_, staff) = commands::access::staff::add(&app.commands, "Achieng").await.unwrap();
    let path = format!("/v1/platform/organizations/{}/plan", ours.id);
    let plan = json!({"plan": "starter", "limits": {"requests_per_minute": 6}});
    app.send(Method::PUT, &staff, &path, Some(plan), &[]).await.expect(200);
    for (key, left_over) in [(&ours.agent, 5), (&ours.auditor, 4), (&ours.agent, 3)] {
        let answer = app.get(key, INBOX).await.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), "\"organization\";q=6;w=60");
        assert_eq!(left(&answer, "organization"), left_over);
    }
    for _ in 0..3 {
        app.get(&ours.auditor, INBOX).await.expect(200);
    }
    let refused = app.get(&ours.agent, INBOX).await;
    assert_eq!(problem(&refused, 429), "rate_limit.exceeded");
    assert_eq!(refused.json()["policy"], "organization");
    let other = app.get(&theirs.agent, INBOX).await.expect(200);
    assert_eq!(other.header("ratelimit-policy"), "\"organization\";q=1000;w=60");
}

#[tokio::test]
async fn every_answer_to_who_is_counted_tells_what_is_left() {
    let limits = Limits { address: per_minute(1000), ..Limits::default() };
    let app = App::start_on(terms(limits)).await;
    let ours = app.organization("Baraka").await;
    let contacts = "/v1/contacts";
    let name = json!({"name": "Ada"});
    let too_large = vec![b' '; (1 << 20) + 1];
    let mut answers = vec![
        app.get(&ours.agent, INBOX).await.expect(200),
        app.post(&ours.agent, contacts, name.clone()).await.expect(201),
        app.post_bytes(&ours.agent, contacts, b"{".to_vec()).await.expect(400),
        app.get(&ours.agent, "/v1/inbox?limit=ten").await.expect(400),
        app.post("", "/v1/auth/login?dry_run=true", json!({})).await.expect(400),
        app.get("", INBOX).await.expect(401),
        app.post(&ours.auditor, contacts, name).await.expect(403),
        app.get(&ours.agent, "/v1/nothing").await.expect(404),
        app.get(&ours.agent, "/v1/contacts/none").await.expect(404),
        app.send(Method::DELETE, &ours.agent, contacts, None, &[]).await.expect(405),
        app.send(Method::HEAD, &ours.agent, INBOX, None, &[]).await.expect(200),
        app.post_bytes(&ours.agent, contacts, too_large).await.expect(413),
        app.post(&ours.agent, contacts, json!({})).await.expect(422),
    ];
    let seen = app.get(&ours.agent, "/v1/workspace").await.expect(200);
    let known = [("if-none-match", seen.header("etag"))];
    let same = app.send(Method::GET, &ours.agent, "/v1/workspace", None, &known).await;
    answers.push(same.expect(304));
    for (asked, answer) in answers.iter().enumerate() {
        assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=1000;w=60", "{answer:?}");
        // A burst of 1000 fills so slowly that each request shows.
        assert!(left(answer, "address") < 1000, "{asked}: {answer:?}");
    }
}

#[tokio::test]
async fn a_provider_tells_all_there_is_to_tell_and_a_forger_is_stopped() {
    let limits = Limits { address: per_minute(3), ..Limits::default() };
    let app = App::start_on(terms(limits)).await;
    let ours = app.organization("Baraka").await;
    for number in 0..8 {
        app.say(&ours, &ANA, &format!("wamid.{number}"), number, "Hello").await;
    }
    for _ in 0..3 {
        let forged = app.deliver_signed(ours.channel, b"{}", "sha256=00").await;
        assert_eq!(forged.refused(401), "webhook.signature");
    }
    // The bucket is empty, which shows when one more asks for a token.
    app.deliver_signed(ours.channel, b"{}", "sha256=00").await.refused(401);
    let refused = app.deliver_signed(ours.channel, b"{}", "sha256=00").await;
    assert_eq!(refused.refused(429), "rate_limit.exceeded");
}

#[tokio::test]
async fn two_processes_enforce_one_limit_within_a_tenth() {
    const QUOTA: u32 = 300;
    let terms = terms(Limits { key: per_minute(QUOTA), ..Limits::default() });
    let app = App::start_on(terms.clone()).await;
    let twin = app.twin(terms).await;
    let ours = app.organization("Baraka").await;
    let client = client();
    let since = Instant::now();
    let mut allowed = 0;
    for _ in 0..40 {
        let asked = (0..20).map(|number| {
            let base_url = if number % 2 == 0 { &app.base_url } else { &twin.base_url };
            client.get(format!("{base_url}/v1/inbox?limit=1")).bearer_auth(&ours.agent).send()
        });
        for answer in join_all(asked).await {
            match answer.unwrap().status().as_u16() {
                200 => allowed += 1,
                status => assert_eq!(status, 429),
            }
        }
    }
    let quota = f64::from(QUOTA);
    let right = quota + since.elapsed().as_secs_f64() * quota / 60.0;
    let ratio = f64::from(allowed) / right;
    assert!((0.9..=1.1).contains(&ratio), "{allowed} of {right}");
}
