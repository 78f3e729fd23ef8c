//! Whoever tries too often waits, and keeps nobody else out.

use std::net::{IpAddr, Ipv4Addr};

use api::terms::Terms;
use commands::access::limits::{Door, shut};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, App, PASSWORD};

const EMAIL: &str = "wanjiru@baraka.example";
const HOME: &str = "203.0.113.5";
/// As many as one network may.
const TRIES: usize = 10;
const NETWORKS: u8 = 10;

async fn start() -> App {
    App::start_on(Terms { proxies: 1, ..Terms::default() }).await
}

async fn login(app: &App, from: &str, password: &str) -> Answer {
    let body = json!({"email": EMAIL, "password": password});
    let from = [("x-forwarded-for", from)];
    app.send(Method::POST, "", "/v1/auth/login", Some(body), &from).await
}

/// As many tries as an account bears, a few from each of many networks.
async fn try_from_everywhere(app: &App) {
    for network in 0..NETWORKS {
        let address = Some(IpAddr::V4(Ipv4Addr::new(198, 51, network, 7)));
        for _ in 0..TRIES {
            shut(&app.store, Door::SignIn, address, Some(EMAIL.as_bytes())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stranger_elsewhere_does_not_lock_the_owner_out() {
    let app = start().await;
    app.account(EMAIL).await;
    for number in 0..TRIES {
        // Whoever has a few addresses has one neighbourhood.
        let from = format!("198.51.100.{number}");
        login(&app, &from, "wrong horse battery").await.expect(401);
    }
    let stopped = login(&app, "198.51.100.77", PASSWORD).await;
    assert_eq!(stopped.refused(429), "rate_limit.exceeded");
    login(&app, HOME, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn many_networks_together_are_stopped_but_where_the_owner_came_in_before() {
    let app = start().await;
    app.account(EMAIL).await;
    login(&app, HOME, PASSWORD).await.expect(200);
    try_from_everywhere(&app).await;
    let stopped = login(&app, "192.0.2.9", PASSWORD).await;
    assert_eq!(stopped.refused(429), "rate_limit.exceeded");
    login(&app, HOME, PASSWORD).await.expect(200);
    login(&app, "203.0.113.200", PASSWORD).await.expect(200);
    // A month later nobody remembers.
    sqlx::query(
        "update rate_limits set full_at = full_at - interval '30 days'
                  where full_at > clock_timestamp() + interval '1 day'",
    )
    .execute(&app.db.database.owner)
    .await
    .unwrap();
    assert_eq!(login(&app, HOME, PASSWORD).await.refused(429), "rate_limit.exceeded");
}

#[tokio::test]
async fn where_an_account_is_tried_from_is_kept_as_a_keyed_hash() {
    let app = start().await;
    app.account(EMAIL).await;
    login(&app, HOME, PASSWORD).await.expect(200);
    let rows: Vec<String> = sqlx::query_scalar("select r::text from rate_limits r")
        .fetch_all(&app.db.database.owner)
        .await
        .unwrap();
    assert!(rows.len() > 3, "{rows:?}");
    for clear in [EMAIL, HOME] {
        let hexed = hex::encode(clear);
        assert!(!rows.iter().any(|row| row.contains(clear) || row.contains(&hexed)), "{clear}");
    }
}
