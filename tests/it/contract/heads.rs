//! `HEAD`: what GET would tell, without telling it.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::shop;
use crate::support::{App, client};

/// What does not depend on when it was asked.
fn lasting(headers: &HeaderMap) -> Vec<(String, String)> {
    let passing = ["date", "x-request-id", "ratelimit", "log-position"];
    let lasting = headers.iter().filter(|(name, _)| !passing.contains(&name.as_str()));
    let mut lasting: Vec<_> = lasting
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    lasting.sort();
    lasting
}

async fn head(app: &App, key: &str, path: &str) -> reqwest::Response {
    let asked = client().head(format!("{}{path}", app.base_url)).bearer_auth(key);
    asked.send().await.unwrap()
}

#[tokio::test]
async fn whatever_can_be_got_can_be_asked_about() {
    let (app, ours) = shop().await;
    app.settle().await;
    for path in [
        "/v1/inbox",
        "/v1/workspace",
        "/v1/contacts?limit=1",
        "/v1/auth/me",
        "/health",
        "/openapi.json",
        // Refusals are asked about in the same way.
        "/v1/inbox?limit=ten",
        "/v1/contacts/none",
        "/v1/nothing",
    ] {
        let got = app.get(&ours.owner, path).await;
        let asked = head(&app, &ours.owner, path).await;
        assert_eq!(asked.status(), got.status, "{path}");
        assert_eq!(lasting(asked.headers()), lasting(&got.headers), "{path}");
        assert_eq!(asked.text().await.unwrap(), "", "{path}");
    }
    assert_eq!(head(&app, "nonsense", "/v1/inbox").await.status(), 401);
}

#[tokio::test]
async fn what_never_ends_has_an_end_for_who_only_asks_about_it() {
    let (app, ours) = shop().await;
    let asked = head(&app, &ours.owner, "/v1/events/stream").await;
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.headers()["content-type"], "text/event-stream");
    assert_eq!(asked.text().await.unwrap(), "");
}

#[tokio::test]
async fn what_can_only_be_commanded_can_not_be_asked_about() {
    let (app, ours) = shop().await;
    let head = head(&app, &ours.owner, "/v1/conversations/none/resolve").await;
    assert_eq!((head.status().as_u16(), &head.headers()["allow"]), (405, &"POST".parse().unwrap()));
    let wrong = app.send(Method::DELETE, &ours.owner, "/v1/contacts", None, &[]).await;
    assert_eq!(wrong.refused(405), "route.method_not_allowed");
    assert_eq!(wrong.header("allow").split(", ").filter(|method| *method == "HEAD").count(), 1);
}
