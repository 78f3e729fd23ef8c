//! Organisations don't see each other, and nobody without a key sees anything.

use commands::{Meta, access};
use domain::Actor;
use domain::aggregate::Role;
use domain::api_key::{self, ApiKey};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, App, Organization};

/// Routes that lead to one thing, with a body that they take.
fn routes_to(conversation: &str, contact: &str, agent: Uuid) -> Vec<(Method, String, Value)> {
    let on = |action: &str| format!("/v1/conversations/{conversation}/{action}");
    let contact = format!("/v1/contacts/{contact}");
    vec![
        (Method::GET, format!("/v1/conversations/{conversation}"), Value::Null),
        (Method::GET, on("messages"), Value::Null),
        (Method::POST, on("read"), Value::Null),
        (Method::POST, on("assign"), json!({"agent_id": agent})),
        (Method::POST, on("unassign"), Value::Null),
        (Method::POST, on("resolve"), Value::Null),
        (Method::POST, on("reopen"), Value::Null),
        (Method::POST, on("notes"), json!({"body": "Mine now."})),
        (Method::GET, contact.clone(), Value::Null),
        (Method::PATCH, contact, json!({"name": "Mine now"})),
    ]
}

/// Routes that list or make.
fn routes_of_all() -> Vec<(Method, String, Value)> {
    let get = |path: &str| (Method::GET, path.to_owned(), Value::Null);
    vec![
        get("/v1/inbox?status=all"),
        get("/v1/contacts"),
        get("/v1/analytics/volume"),
        get("/v1/audit/events"),
        get("/v1/projections"),
        (Method::POST, "/v1/contacts".into(), json!({"name": "New"})),
    ]
}

async fn with_ana(app: &App, name: &str) -> (Organization, String, String) {
    let organization = app.organization(name).await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let row = app.conversations(&organization).await.remove(0);
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    (organization, id(&row["conversation_id"]), id(&row["contact"]["id"]))
}

#[tokio::test]
async fn what_belongs_to_another_organisation_does_not_exist() {
    let app = App::start().await;
    let (ours, conversation, contact) = with_ana(&app, "Ours").await;
    let (theirs, ..) = with_ana(&app, "Theirs").await;
    let head = app.store.head();
    let nothing = Uuid::now_v7().to_string();
    let foreign = routes_to(&conversation, &contact, theirs.agent_id);
    let missing = routes_to(&nothing, &nothing, theirs.agent_id);
    for ((method, path, body), (_, missing, _)) in foreign.into_iter().zip(missing) {
        let ask = async |path: &str| {
            let (method, body) = (method.clone(), Some(body.clone()));
            app.send(method, &theirs.owner, path, body, &[]).await
        };
        let (refused, missing) = (ask(&path).await, ask(&missing).await);
        assert_eq!(refused.refused(404), missing.refused(404), "{path}");
        assert_eq!(refused.text, missing.text, "nobody can tell that it is there");
    }
    assert_eq!(app.store.head(), head);
    app.get(&ours.agent, &format!("/v1/contacts/{contact}")).await.expect(200);
}

#[tokio::test]
async fn lists_and_numbers_are_of_ones_own_organisation() {
    let app = App::start().await;
    let (ours, ..) = with_ana(&app, "Ours").await;
    let empty = app.organization("Empty").await;
    app.settle().await;
    let (from, to) = ("2026-01-01T00:00:00Z", "2126-01-01T00:00:00Z");
    let volume = format!("/v1/analytics/volume?from={from}&to={to}&step=1mo");
    for (key, count) in [(&ours.owner, 1), (&empty.owner, 0)] {
        for path in ["/v1/inbox", "/v1/inbox?q=ana", "/v1/contacts", "/v1/contacts?q=2588"] {
            let rows = app.get(key, path).await.expect(200).data();
            assert_eq!(rows.as_array().unwrap().len(), count, "{path}");
        }
        let points = app.get(key, &volume).await.expect(200).data();
        let inbound =
            points.as_array().unwrap().iter().filter_map(|point| point["inbound"].as_u64());
        assert_eq!(inbound.sum::<u64>(), count as u64);
    }
    let theirs = app.audit(&ours, "").await;
    let told = app.audit(&empty, "").await;
    assert!(told.iter().all(|event| !theirs.contains(event)));
    for filter in ["action=conversation.MessageReceived", "aggregate=contact"] {
        assert!(app.audit(&empty, filter).await.is_empty());
    }
    let channel = format!("/v1/inbox?channel={}", ours.channel);
    assert_eq!(app.get(&empty.owner, &channel).await.expect(200).data(), json!([]));
}

#[tokio::test]
async fn without_a_key_of_ours_nobody_gets_in() {
    let app = App::start().await;
    let (ours, conversation, contact) = with_ana(&app, "Ours").await;
    let head = app.store.head();
    let stolen = &ours.agent[..30];
    let elsewhere = App::start().await;
    let foreign = elsewhere.organization("Another installation's").await.agent;
    let mistyped = ours.agent.replace(['a', 'b', 'c'], "d");
    let mut routes = routes_to(&conversation, &contact, ours.agent_id);
    routes.extend(routes_of_all());
    for (method, path, body) in routes {
        let ask = async |key: &str| {
            let (method, body) = (method.clone(), Some(body.clone()));
            app.send(method, key, &path, body, &[]).await
        };
        let refused = ask("").await;
        assert_eq!(refused.refused(401), "auth.missing_key", "{path}");
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
        for key in ["nonsense", stolen, &foreign, &mistyped] {
            assert_eq!(ask(key).await.refused(401), "auth.invalid_key", "{path}");
        }
    }
    assert_eq!(app.store.head(), head);
    for open in ["/health", "/ready"] {
        app.get("", open).await.expect(200);
    }
}

#[tokio::test]
async fn a_key_may_come_in_either_header() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let with = [("x-api-key", organization.agent.as_str())];
    app.send(Method::GET, "", "/v1/inbox", None, &with).await.expect(200);
    let lowercase = format!("bearer {}", organization.agent);
    let with = [("authorization", lowercase.as_str())];
    app.send(Method::GET, "", "/v1/inbox", None, &with).await.expect(200);
    let basic = [("authorization", "Basic dXNlcjpwYXNz")];
    let refused = app.send(Method::GET, "", "/v1/inbox", None, &basic).await;
    assert_eq!(refused.refused(401), "auth.missing_key");
}

#[tokio::test]
async fn a_revoked_key_is_refused() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let meta = Meta::new(organization.id, Actor::System);
    let issue = async |name: &str| {
        let (commands, user) = (&app.commands, organization.agent_id);
        access::issue(commands, &meta, user, Role::Agent, name).await.unwrap()
    };
    let (fresh, used) = (issue("never used").await, issue("in use").await);
    app.get(&used, "/v1/inbox").await.expect(200);
    let keys = app.audit(&organization, "action=api_key.Issued").await;
    for key in &keys[..2] {
        let id: Uuid = key["aggregate"]["id"].as_str().unwrap().parse().unwrap();
        let revoke = || api_key::Command::Revoke;
        let meta = Meta::new(organization.id, Actor::System);
        app.commands.execute::<ApiKey>(id, revoke, &meta).await.unwrap();
    }
    assert_eq!(app.get(&fresh, "/v1/inbox").await.refused(401), "auth.invalid_key");
    // A check is trusted for a moment, and for no more than five seconds.
    let revoked = std::time::Instant::now();
    while app.get(&used, "/v1/inbox").await.status == 200 {
        assert!(revoked.elapsed().as_secs() < 5, "the key still opens");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(app.get(&used, "/v1/inbox").await.refused(401), "auth.invalid_key");
    app.get(&organization.agent, "/v1/inbox").await.expect(200);
}
