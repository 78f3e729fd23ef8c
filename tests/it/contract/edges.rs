//! What a request meets before anybody reads it: browsers' rules, and patience.

use std::time::Duration;

use api::terms::Terms;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::shop;
use crate::support::App;

const DESK: &str = "https://desk.example";

#[tokio::test]
async fn every_answer_tells_a_browser_to_do_nothing_clever_with_it() {
    let (app, ours) = shop().await;
    for path in ["/v1/inbox", "/v1/nothing", "/health"] {
        let answer = app.get(&ours.agent, path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        assert_eq!(answer.header("server"), "");
    }
}

#[tokio::test]
async fn a_page_from_elsewhere_may_call_only_where_it_was_named() {
    let app = App::start_on(Terms { origins: vec![DESK.into()], ..Terms::default() }).await;
    let ours = app.organization("Baraka").await;
    let preflight = async |origin: &str| {
        let asked =
            [("origin", origin), ("access-control-request-method", "POST"), ("content-type", "x")];
        app.send(Method::OPTIONS, "", "/v1/contacts", None, &asked).await.expect(204)
    };
    let allowed = preflight(DESK).await;
    assert_eq!(allowed.header("access-control-allow-origin"), DESK);
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    assert!(allowed.header("access-control-allow-headers").contains("Idempotency-Key"));
    let refused = preflight("https://evil.example").await;
    for name in ["origin", "methods", "headers"] {
        assert_eq!(refused.header(&format!("access-control-allow-{name}")), "");
    }
    for (origin, told) in [(DESK, DESK), ("https://evil.example", "")] {
        let headers = [("origin", origin)];
        let answer = app.send(Method::GET, &ours.agent, "/v1/inbox", None, &headers).await;
        let answer = answer.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), told);
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|vary| vary.as_bytes().eq_ignore_ascii_case(b"origin")));
    }
    // Also a refusal can be read by the page that caused it.
    let headers = [("origin", DESK)];
    let refused = app.send(Method::GET, "", "/v1/inbox", None, &headers).await;
    assert_eq!(refused.refused(401), "auth.missing_key");
    assert_eq!(refused.header("access-control-allow-origin"), DESK);
    assert!(refused.header("access-control-expose-headers").contains("Log-Position"));
}

#[tokio::test]
async fn where_no_page_was_named_none_may_call() {
    let (app, ours) = shop().await;
    let headers = [("origin", DESK), ("access-control-request-method", "GET")];
    let preflight = app.send(Method::OPTIONS, "", "/v1/inbox", None, &headers).await;
    assert_eq!(preflight.refused(405), "route.method_not_allowed");
    let answer = app.send(Method::GET, &ours.agent, "/v1/inbox", None, &headers[..1]).await;
    assert_eq!(answer.expect(200).header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_body_that_trickles_in_is_not_waited_for() {
    let patience = Duration::from_millis(200);
    let app = App::start_on(Terms { patience, ..Terms::default() }).await;
    let ours = app.organization("Baraka").await;
    let head = app.store.head();
    let mut client =
        TcpStream::connect(app.base_url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!(
        "POST /v1/contacts HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 100\r\n\r\n{{",
        ours.agent
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Until the server closes: what still came would not be read as another request.
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request.timeout") && answer.contains("application/problem+json"));
    assert_eq!(app.store.head(), head);
}
