//! Channels: connected by whoever runs the organisation, heard of by everybody, with secrets that
//! nobody sees again.

use event_store::log;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::pawapay::{Pawapay, Settings};
use uuid::Uuid;

use crate::support::{ANA, APP_SECRET, Answer, App, Organization, shop_line};

const SECRETS: [&str; 3] = ["our app's secret", "our verify token", "EAAG-the-access-token"];

/// Another line than the one that every organisation has.
fn support_line() -> Value {
    let [app_secret, verify_token, access_token] = SECRETS;
    json!({
        "provider": "whatsapp", "name": "Support", "account_id": "1097",
        "phone_number_id": "2055", "display_phone_number": "+1 (555) 010-0300",
        "app_secret": app_secret, "verify_token": verify_token, "access_token": access_token,
        "when_closed": "new_conversation",
    })
}

async fn shop() -> (App, Organization) {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    (app, organization)
}

impl App {
    async fn channel(&self, key: &str, since: &Answer, id: &Value) -> Value {
        let path = format!("/v1/channels/{}", id.as_str().unwrap());
        self.get_since(since, key, &path).await.expect(200).data()
    }

    /// As Meta asks when it is told an address.
    async fn handshake(&self, path: &str, verify_token: &str) -> Answer {
        let query = format!("hub.mode=subscribe&hub.challenge=42&hub.verify_token={verify_token}");
        self.get("", &format!("{path}?{}", query.replace(' ', "%20"))).await
    }

    /// A customer's first words to a line, signed with its secret.
    async fn hello(&self, path: &str, line: &str, app_secret: &str) -> Answer {
        let body = json!({"object": "whatsapp_business_account", "entry": [{
            "id": "1097",
            "changes": [{"field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550100300", "phone_number_id": line},
                "contacts": [{"profile": {"name": "Ana"}, "wa_id": "258801000122"}],
                "messages": [{
                    "from": "258801000122", "id": format!("wamid.{}", Uuid::now_v7()),
                    "timestamp": "1772355600", "type": "text", "text": {"body": "Hello"},
                }],
            }}],
        }]});
        let body = body.to_string().into_bytes();
        let signature = simulators::whatsapp::sign(app_secret, &body);
        let channel = path.rsplit('/').next().unwrap().parse().unwrap();
        self.deliver_signed(channel, &body, &signature).await
    }
}

#[tokio::test]
async fn a_line_is_connected_by_calls_alone_and_hears_its_customers() {
    let (app, organization) = shop().await;
    let connected = app.post(&organization.owner, "/v1/channels", support_line()).await.expect(201);
    let told = connected.data();
    assert_eq!((&told["provider"], &told["status"]), (&json!("whatsapp"), &json!("connected")));
    assert_eq!(
        connected.header("location"),
        format!("/v1/channels/{}", told["id"].as_str().unwrap())
    );
    let path = told["webhook"]["path"].as_str().unwrap();
    assert_eq!(path, format!("/webhooks/whatsapp/{}", told["id"].as_str().unwrap()));
    assert!(told["webhook"]["register"].as_str().unwrap().contains("verify token"));
    let [app_secret, verify_token, _] = SECRETS;
    assert_eq!(app.handshake(path, verify_token).await.expect(200).text, "42");
    app.handshake(path, "another").await.refused(403);
    app.hello(path, "2055", app_secret).await.expect(200);
    app.hello(path, "2055", APP_SECRET).await.refused(401);
    app.settle().await;
    let inbox = format!("/v1/inbox?channel={}", told["id"].as_str().unwrap());
    let rows = app.get(&organization.agent, &inbox).await.expect(200).data();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    let shown = app.channel(&organization.auditor, &connected, &told["id"]).await;
    for field in ["name", "account_id", "phone_number_id", "when_closed", "secrets", "webhook"] {
        assert_eq!(shown[field], told[field], "{field}");
    }
    assert_eq!(shown["display_phone_number"], "15550100300");
    app.assert_verified().await;
}

#[tokio::test]
async fn secrets_reach_neither_an_answer_nor_an_event() {
    let (app, organization) = shop().await;
    let owner = &organization.owner;
    let connected = app.post(owner, "/v1/channels", support_line()).await.expect(201);
    let id = connected.data()["id"].clone();
    let path = format!("/v1/channels/{}", id.as_str().unwrap());
    let new = json!({"access_token": "EAAG-a-newer-token"});
    let changed = app.patch(owner, &path, new).await.expect(200);
    let shown = app.get_since(&changed, owner, &path).await.expect(200);
    let list = app.get_since(&changed, owner, "/v1/channels").await.expect(200);
    let pool = app.store.pool();
    let events = log::page(pool, 0, i64::MAX, 1000).await.unwrap();
    let events: String = events.iter().map(|event| event.payload.as_str()).collect();
    for secret in SECRETS.into_iter().chain(["EAAG-a-newer-token"]) {
        for text in [&connected.text, &changed.text, &shown.text, &list.text, &events] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let before = &connected.data()["secrets"];
    let after = &changed.data()["secrets"];
    assert_eq!(before["app_secret"], after["app_secret"]);
    assert_ne!(before["access_token"], after["access_token"]);
    assert_eq!(shown.data()["secrets"], *after);
}

#[tokio::test]
async fn a_secret_that_was_replaced_opens_nothing_any_more() {
    let (app, organization) = shop().await;
    let channel = organization.channel;
    let (path, webhook) =
        (format!("/v1/channels/{channel}"), format!("/webhooks/whatsapp/{channel}"));
    app.hello(&webhook, "1044", APP_SECRET).await.expect(200);
    let new = json!({"app_secret": "a newer secret", "verify_token": "a newer token"});
    app.patch(&organization.owner, &path, new.clone()).await.expect(200);
    app.hello(&webhook, "1044", APP_SECRET).await.refused(401);
    app.hello(&webhook, "1044", "a newer secret").await.expect(200);
    app.handshake(&webhook, "a newer token").await.expect(200);
    let head = app.store.head();
    app.patch(&organization.owner, &path, new).await.expect(200);
    assert_eq!(app.store.head(), head, "the same secret again is no news");
}

#[tokio::test]
async fn two_channels_of_an_organisation_never_have_the_same_line() {
    let (app, organization) = shop().await;
    let again = app.post(&organization.owner, "/v1/channels", shop_line()).await;
    assert_eq!(again.refused(409), "channel.line_taken");
    assert_eq!(again.json()["owner"], organization.channel.to_string());
    let disconnect = format!("/v1/channels/{}/disconnect", organization.channel);
    app.post(&organization.owner, &disconnect, Value::Null).await.expect(200);
    let still = app.post(&organization.owner, "/v1/channels", shop_line()).await;
    assert_eq!(still.refused(409), "channel.line_taken");
    app.organization("Another, whose line is its own affair").await;
}

#[tokio::test]
async fn a_channel_is_renamed_and_told_what_to_do_with_closed_conversations() {
    let (app, organization) = shop().await;
    let path = format!("/v1/channels/{}", organization.channel);
    let change = json!({"name": "Front desk", "when_closed": "new_conversation"});
    let changed = app.patch(&organization.owner, &path, change).await.expect(200);
    assert_eq!(changed.header("etag"), "\"3\"");
    let shown = app.get_since(&changed, &organization.agent, &path).await.expect(200).data();
    assert_eq!((&shown["name"], &shown["version"]), (&json!("Front desk"), &json!(3)));
    assert_eq!(shown["when_closed"], "new_conversation");
    let stale = json!({"name": "Back desk"});
    let with = [("if-match", "\"1\"")];
    let stale = app.send(Method::PATCH, &organization.owner, &path, Some(stale), &with).await;
    assert_eq!(stale.refused(412), "precondition.version");
    for (body, code) in [
        (json!({"name": " "}), "channel.invalid_name"),
        (json!({"name": null}), "request.invalid"),
        (json!({"access_token": ""}), "request.invalid"),
        (json!({"provider": "pawapay"}), "request.invalid"),
        (json!({"api_token": "token"}), "channel.other_provider"),
    ] {
        assert_eq!(app.patch(&organization.owner, &path, body).await.refused(422), code);
    }
}

#[tokio::test]
async fn a_disconnected_line_is_silent_both_ways_until_it_is_connected_again() {
    let (app, organization) = shop().await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let channel = organization.channel;
    let on = |action: &str| format!("/v1/channels/{channel}/{action}");
    let webhook = format!("/webhooks/whatsapp/{channel}");
    let told = app.post(&organization.owner, &on("disconnect"), Value::Null).await.expect(200);
    assert_eq!(told.data()["status"], "disconnected");
    app.hello(&webhook, "1044", APP_SECRET).await.refused(404);
    let text = json!({"type": "text", "text": {"body": "Hello Ana"}});
    let send = format!("/v1/conversations/{conversation}/messages");
    let refused = app.post(&organization.agent, &send, text.clone()).await;
    assert_eq!(refused.refused(409), "channel.disconnected");
    let start = json!({"channel_id": channel, "to": {"phone": "258801000122"}, "message": text});
    let refused = app.post(&organization.agent, "/v1/messages", start).await;
    assert_eq!(refused.refused(422), "channel.not_found");
    let shown = app.get_since(&told, &organization.owner, "/v1/channels?status=disconnected").await;
    assert_eq!(shown.data()[0]["id"], channel.to_string());
    assert!(shown.data()[0]["disconnected_at"].is_string());
    let told = app.post(&organization.owner, &on("reconnect"), Value::Null).await.expect(200);
    assert_eq!(told.data()["status"], "connected");
    app.hello(&webhook, "1044", APP_SECRET).await.expect(200);
    app.assert_verified().await;
}

#[tokio::test]
async fn owners_and_admins_set_up_channels_and_everybody_sees_them() {
    let (app, organization) = shop().await;
    let path = format!("/v1/channels/{}", organization.channel);
    for key in [&organization.agent, &organization.auditor] {
        let denied = app.post(key, "/v1/channels", support_line()).await;
        assert_eq!(denied.refused(403), "permission.denied");
        let denied = app.patch(key, &path, json!({"name": "Mine"})).await;
        assert_eq!(denied.refused(403), "permission.denied");
        for action in ["disconnect", "reconnect"] {
            let denied = app.post(key, &format!("{path}/{action}"), Value::Null).await;
            assert_eq!(denied.refused(403), "permission.denied");
        }
        app.settle().await;
        app.get(key, &path).await.expect(200);
        for (provider, id) in
            [("whatsapp", organization.channel), ("pawapay", organization.pawapay)]
        {
            let list = app.get(key, &format!("/v1/channels?provider={provider}")).await.expect(200);
            assert_eq!(list.data().as_array().unwrap().len(), 1);
            assert_eq!(list.data()[0]["id"], id.to_string());
        }
    }
    let other = app.organization("Other").await;
    app.settle().await;
    assert_eq!(app.get(&other.owner, &path).await.refused(404), "not_found");
    let foreign = app.patch(&other.owner, &path, json!({"name": "Mine"})).await;
    assert_eq!(foreign.refused(404), "channel.not_found");
}

#[tokio::test]
async fn a_channel_that_makes_no_sense_is_refused_with_what_to_change() {
    let (app, organization) = shop().await;
    let refused = async |field: &str, value: Value| {
        let mut line = support_line();
        line[field] = value;
        let refused = app.post(&organization.owner, "/v1/channels", line).await;
        let code = refused.refused(422);
        assert!(refused.text.contains(field), "{}", refused.text);
        code
    };
    assert_eq!(refused("name", json!("")).await, "channel.invalid_name");
    assert_eq!(refused("account_id", json!("Baraka")).await, "channel.invalid_account");
    assert_eq!(refused("phone_number_id", json!("+1555")).await, "channel.invalid_line");
    let shown = refused("display_phone_number", json!("ours")).await;
    assert_eq!(shown, "channel.invalid_display_number");
    assert_eq!(refused("provider", json!("telegram")).await, "request.invalid");
    assert_eq!(refused("app_secret", json!("two\nlines")).await, "request.invalid");
    assert_eq!(refused("verify_token", Value::Null).await, "request.invalid");
    assert_eq!(refused("api_token", json!("of PawaPay")).await, "request.invalid");
    for parameter in ["provider=telegram", "status=lost", "limit=0"] {
        let path = format!("/v1/channels?{parameter}");
        app.get(&organization.owner, &path).await.refused(422);
    }
}

#[tokio::test]
async fn connecting_is_repeated_under_its_key_without_a_second_channel() {
    let (app, organization) = shop().await;
    let with = [("idempotency-key", "support-line")];
    let mut answers = vec![];
    for _ in 0..2 {
        let body = Some(support_line());
        let path = "/v1/channels";
        answers
            .push(app.send(Method::POST, &organization.owner, path, body, &with).await.expect(201));
    }
    assert_eq!(answers[0].text, answers[1].text);
    assert_eq!(answers[1].header("idempotent-replayed"), "true");
    let list = app.get_since(&answers[1], &organization.owner, "/v1/channels?limit=1").await;
    assert_eq!(list.data()[0]["id"], answers[0].data()["id"]);
    let cursor = list.json()["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let rest = format!("/v1/channels?limit=2&cursor={cursor}");
    let rest = app.get(&organization.owner, &rest).await.expect(200);
    assert_eq!(rest.data()[0]["id"], organization.pawapay.to_string());
    assert_eq!(rest.data()[1]["id"], organization.channel.to_string());
    assert_eq!(rest.json()["meta"]["has_more"], false);
}

#[tokio::test]
async fn an_account_at_pawapay_is_connected_by_its_token_and_tells_where_callbacks_go() {
    let (app, organization) = shop().await;
    let owner = &organization.owner;
    let pawapay = Pawapay::start(Settings { signs: true, ..Settings::default() }).unwrap();
    let account = json!({
        "provider": "pawapay", "name": "Main wallet", "api_token": "a token of PawaPay's",
        "callback_public_key": pawapay.public_key(),
    });
    let connected = app.post(owner, "/v1/channels", account.clone()).await.expect(201);
    let told = connected.data();
    let id = told["id"].as_str().unwrap();
    assert_eq!(told["webhook"]["path"], format!("/webhooks/pawapay/{id}"));
    assert!(!connected.text.contains("a token of PawaPay's"));
    let shown = app.channel(&organization.auditor, &connected, &told["id"]).await;
    assert_eq!(shown["callback_public_key"], account["callback_public_key"]);
    assert_eq!(shown["secrets"], told["secrets"]);
    let path = format!("/v1/channels/{id}");
    for (body, code) in [
        (json!({"callback_public_key": "MFkw"}), "channel.invalid_callback_key"),
        (json!({"when_closed": "reopen"}), "channel.other_provider"),
        (json!({"access_token": "token"}), "channel.other_provider"),
    ] {
        assert_eq!(app.patch(owner, &path, body).await.refused(422), code);
    }
    let without = app.patch(owner, &path, json!({"callback_public_key": null})).await.expect(200);
    assert_eq!(without.data()["callback_public_key"], Value::Null);
}
