//! What an organisation says about itself, and what it demands of its members.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, App, BEN, Organization};

const PATH: &str = "/v1/workspace";

#[tokio::test]
async fn an_organisation_says_where_it_is_and_how_it_speaks_and_pays() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let plain = app.get(&shop.agent, PATH).await.expect(200).data();
    assert_eq!((&plain["timezone"], &plain["locale"]), (&json!("UTC"), &json!("en")));
    assert_eq!((&plain["currency"], &plain["plan"]), (&Value::Null, &json!("free")));
    let logo = "data:image/png;base64,iVBORw0KGgo=";
    let change = json!({
        "name": "Baraka Hardware", "timezone": "africa/nairobi", "locale": "sw-ke",
        "currency": "KES", "logo": logo,
    });
    let changed = app.patch(&shop.owner, PATH, change.clone()).await.expect(200);
    let seen = app.get_since(&changed, &shop.agent, PATH).await.expect(200);
    assert_eq!(seen.header("etag"), changed.header("etag"));
    let seen = seen.data();
    assert_eq!((&seen["name"], &seen["logo"]), (&json!("Baraka Hardware"), &json!(logo)));
    assert_eq!(seen["timezone"], "Africa/Nairobi");
    assert_eq!((&seen["locale"], &seen["currency"]), (&json!("sw-KE"), &json!("KES")));
    let head = app.store.head();
    app.patch(&shop.owner, PATH, change).await.expect(200);
    assert_eq!(app.store.head(), head, "what is so already is no news");
    let bare = app.patch(&shop.owner, PATH, json!({"logo": null, "currency": null})).await;
    assert_eq!(bare.expect(200).data()["logo"], Value::Null);
    app.assert_verified().await;
}

#[tokio::test]
async fn members_who_come_and_go_leave_the_version_of_the_settings_as_it_is() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    app.settle().await;
    let seen = app.get(&shop.owner, PATH).await.expect(200);
    let as_seen = [("if-match", seen.header("etag"))];
    let role = domain::aggregate::Role::Owner;
    let other = commands::setup::register_user(&app.commands, shop.id, "Otieno", role).await;
    let members = format!("/v1/members/{}", other.unwrap());
    app.post(&shop.owner, &format!("{members}/deactivate"), Value::Null).await.expect(200);
    app.settle().await;
    let known = [("if-none-match", seen.header("etag"))];
    app.send(Method::GET, &shop.owner, PATH, None, &known).await.expect(304);
    let change = |zone: &str| Some(json!({"timezone": zone}));
    let rehearsed = format!("{PATH}?dry_run=true");
    let zone = change("Africa/Nairobi");
    let told = app.send(Method::PATCH, &shop.owner, &rehearsed, zone.clone(), &as_seen).await;
    assert_eq!(told.expect(200).header("etag"), seen.header("etag"));
    let changed = app.send(Method::PATCH, &shop.owner, PATH, zone, &as_seen).await.expect(200);
    assert_eq!(changed.version(), seen.version() + 1);
    let late = app.send(Method::PATCH, &shop.owner, PATH, change("UTC"), &as_seen).await;
    assert_eq!(late.refused(412), "precondition.version");
    app.assert_verified().await;
}

#[tokio::test]
async fn what_the_world_does_not_know_is_refused_by_name() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    for (field, value, code) in [
        ("name", "", "organization.invalid_name"),
        ("timezone", "Africa/Baraka", "workspace.unknown_timezone"),
        ("locale", "kiswahili!", "workspace.invalid_locale"),
        ("currency", "KSH", "workspace.unknown_currency"),
        ("logo", "http://baraka.example/logo.png", "organization.invalid_logo"),
        ("logo", "data:image/svg+xml;base64,PHN2Zz4=", "organization.invalid_logo"),
    ] {
        let refused = app.patch(&shop.owner, PATH, json!({field: value})).await;
        assert_eq!(refused.refused(422), code);
        if field != "name" {
            assert_eq!(refused.json()["errors"][0]["field"], field);
        }
    }
    let denied = app.patch(&shop.agent, PATH, json!({"name": "Mine"})).await;
    assert_eq!(denied.refused(403), "permission.denied");
    let require = json!({"security": {"require_second_factor": true}});
    let first = app.patch(&shop.owner, PATH, require).await;
    assert_eq!(first.refused(409), "organization.own_second_factor_first");
}

/// One conversation of another agent, and one of nobody.
pub(crate) async fn with_two(app: &App, shop: &Organization) -> (String, String) {
    app.say(shop, &ANA, "wamid.1", 0, "Hello").await;
    app.say(shop, &BEN, "wamid.2", 1, "Hello").await;
    let theirs = app.conversation(shop, &ANA).await;
    let nobodys = app.conversation(shop, &BEN).await;
    let other = commands::setup::register_user(
        &app.commands,
        shop.id,
        "Otieno",
        domain::aggregate::Role::Agent,
    );
    let body = json!({"agent_id": other.await.unwrap()});
    app.post(&shop.owner, &format!("/v1/conversations/{theirs}/assign"), body).await.expect(200);
    let own_only = json!({"security": {"agents_see_own_only": true}});
    app.patch(&shop.owner, PATH, own_only).await.expect(200);
    app.settle().await;
    // A check of who calls is trusted for some seconds; a new key has none.
    (theirs, nobodys)
}

/// A key that nobody has called with.
pub(crate) async fn fresh_key(app: &App, shop: &Organization) -> String {
    let meta = commands::Meta::new(shop.id, domain::Actor::System);
    let role = domain::aggregate::Role::Agent;
    let (commands, user) = (&app.commands, shop.agent_id);
    commands::access::issue(commands, &meta, user, role, "fresh").await.unwrap()
}

#[tokio::test]
async fn where_agents_see_their_own_only_others_conversations_do_not_exist_for_them() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (theirs, nobodys) = with_two(&app, &shop).await;
    let agent = fresh_key(&app, &shop).await;
    let ids = async |key: &str, path: &str| -> Vec<Value> {
        let rows = app.get(key, path).await.expect(200).data();
        rows.as_array().unwrap().iter().map(|row| row["conversation_id"].clone()).collect()
    };
    for path in ["/v1/inbox?status=all", "/v1/inbox?status=all&q=2541"] {
        assert_eq!(ids(&agent, path).await, [json!(nobodys)], "{path}");
    }
    assert_eq!(ids(&agent, "/v1/inbox?q=ana").await, Vec::<Value>::new());
    assert_eq!(ids(&shop.owner, "/v1/inbox?status=all").await.len(), 2);
    let said = app.get(&shop.owner, &format!("/v1/conversations/{theirs}/messages")).await.data();
    let message = format!("/messages/{}", said[0]["id"].as_str().unwrap());
    let media = format!("{message}/media");
    let head = app.store.head();
    let text = json!({"type": "text", "text": {"body": "Hello"}});
    for (method, action, body) in [
        (Method::GET, "", Value::Null),
        (Method::GET, "/messages", Value::Null),
        (Method::GET, message.as_str(), Value::Null),
        (Method::GET, media.as_str(), Value::Null),
        (Method::POST, "/messages", text.clone()),
        (Method::POST, "/read", Value::Null),
        (Method::POST, "/assign", json!({"agent_id": shop.agent_id})),
        (Method::POST, "/unassign", Value::Null),
        (Method::POST, "/resolve", Value::Null),
        (Method::POST, "/reopen", Value::Null),
        (Method::POST, "/notes", json!({"body": "Mine now."})),
    ] {
        let ask = async |id: &str| {
            let path = format!("/v1/conversations/{id}{action}");
            app.send(method.clone(), &agent, &path, Some(body.clone()), &[]).await
        };
        let (hidden, missing) = (ask(&theirs).await, ask(&Uuid::now_v7().to_string()).await);
        assert_eq!(hidden.refused(404), missing.refused(404), "{action}");
        assert_eq!(hidden.text, missing.text, "nobody can tell that it is there");
    }
    // The rows behind numbers, too.
    let measures =
        [("volume.inbound", "aggregate_id"), ("conversations.opened", "conversation_id")];
    for (measure, field) in measures {
        let path = format!("/v1/analytics/rows/{measure}?from=2026-01-01T00:00:00Z");
        let of = async |key: &str| -> Vec<Value> {
            let rows = app.get(key, &path).await.expect(200).data();
            rows.as_array().unwrap().iter().map(|row| row[field].clone()).collect()
        };
        assert_eq!(of(&agent).await, [json!(nobodys)], "{measure}");
        assert_eq!(of(&shop.owner).await.len(), 2, "{measure}");
    }
    let rows = app.get(&shop.owner, "/v1/inbox?q=ana").await.expect(200).data();
    let to = json!({"contact_id": rows[0]["contact"]["id"]});
    let start = json!({"channel_id": shop.channel, "to": to, "message": text});
    let started = app.post(&agent, "/v1/messages", start).await;
    assert_eq!(started.refused(404), "conversation.not_found");
    let ticket = json!({"subject": "Hers", "conversation_id": theirs});
    let opened = app.post(&agent, "/v1/tickets", ticket).await;
    assert_eq!(opened.refused(422), "ticket.unknown_conversation");
    assert_eq!(app.store.head(), head);
    // What is nobody's may be taken.
    let own = format!("/v1/conversations/{nobodys}/assign");
    app.post(&agent, &own, json!({"agent_id": shop.agent_id})).await.expect(200);
    app.get(&agent, &format!("/v1/conversations/{nobodys}")).await.expect(200);
    app.get(&shop.auditor, &format!("/v1/conversations/{theirs}")).await.expect(200);
}
