//! What was tried and refused is in the audit, and nobody fills it by trying.

use api::terms::{Limits, Terms, per_minute};
use commands::access::staff;
use commands::attempts::{self, MOST_ADDRESSES, MOST_NETWORKS};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{Account, App};

const EMAIL: &str = "wanjiru@baraka.example";

/// The log is told what was refused; says in how many events.
async fn tell(app: &App) -> usize {
    attempts::tell(&app.commands).await.unwrap()
}

/// What the platform's staff read of strangers.
async fn strangers(app: &App) -> Vec<Value> {
    let (_, key) = staff::add(&app.commands, "Achieng").await.unwrap();
    app.settle().await;
    let path = "/v1/platform/audit/events?limit=200&action=attempts.StrangerRefused";
    let events = app.get(&key, path).await.expect(200).data();
    let told = |event: &Value| event["payload"]["StrangerRefused"].clone();
    events.as_array().unwrap().iter().map(told).collect()
}

/// What was told about an operation: within one telling the order is anybody's.
fn of<'a>(told: &'a [Value], operation: &str) -> &'a Value {
    let is = |event: &&Value| event["payload"]["Refused"]["operation"] == operation;
    told.iter().find(is).unwrap_or_else(|| panic!("{told:?}"))
}

#[tokio::test]
async fn what_a_member_may_not_do_is_told_once_a_minute_with_a_count() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    for _ in 0..3 {
        app.get(&shop.agent, "/v1/api-keys").await.expect(403);
    }
    app.post(&shop.auditor, "/v1/contacts", json!({"name": "Ada"})).await.expect(403);
    assert_eq!(tell(&app).await, 2);
    assert_eq!(tell(&app).await, 0);
    let told = app.audit(&shop, "action=attempts.Refused").await;
    let listed = of(&told, "api_key.list");
    assert_eq!(listed["actor"], format!("user:{}", shop.agent_id));
    assert_eq!(of(&told, "contact.register")["payload"]["Refused"]["count"], 1);
    let told = &listed["payload"]["Refused"];
    assert_eq!((&told["code"], &told["count"]), (&json!("permission.denied"), &json!(3)));
    assert_eq!(told["address"], "127.0.0.1");
    app.assert_verified().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_to_the_organisation_whose_member_it_was_tried_on() {
    let app = App::start().await;
    let owner = app.account(EMAIL).await;
    for _ in 0..2 {
        app.login(EMAIL, "wrong horse battery").await.refused(401);
    }
    app.login("nobody@baraka.example", "wrong horse battery").await.refused(401);
    let change = json!({"current_password": "wrong horse", "new_password": "battery staple"});
    app.post(&owner.access, "/v1/auth/password/change", change).await.refused(422);
    tell(&app).await;
    let told = app.audited(&owner, "attempts.Refused").await;
    assert_eq!(told.len(), 2, "{told:?}");
    let (changed, login) = (of(&told, "auth.change_password"), of(&told, "auth.login"));
    // Whoever tried to sign in only said to be them.
    assert_eq!(
        (&login["actor"], &changed["actor"]),
        (&json!("system"), &json!(format!("user:{}", owner.user)))
    );
    let login = &login["payload"]["Refused"];
    assert_eq!((&login["user"], &login["count"]), (&json!(owner.user), &json!(2)));
    let strangers = strangers(&app).await;
    assert_eq!(strangers[0]["codes"], json!({"auth.invalid_credentials": 1}));
}

#[tokio::test]
async fn what_is_tried_upon_an_account_is_told_by_address_and_together_from_too_many() {
    let app = App::start_on(Terms { proxies: 1, ..Terms::default() }).await;
    let owner = app.account(EMAIL).await;
    let try_from = async |address: &str| {
        let body = json!({"email": EMAIL, "password": "wrong horse battery"});
        let from = [("x-forwarded-for", address)];
        app.send(Method::POST, "", "/v1/auth/login", Some(body), &from).await.refused(401);
    };
    let told = async || {
        let told = app.audited(&owner, "attempts.Refused").await;
        let mut told: Vec<(Value, Value)> = told
            .iter()
            .map(|event| event["payload"]["Refused"].clone())
            .map(|refused| (refused["address"].clone(), refused["count"].clone()))
            .collect();
        told.sort_by_key(|told| format!("{told:?}"));
        told
    };
    for address in ["192.0.2.7", "198.51.100.7", "192.0.2.7"] {
        try_from(address).await;
    }
    assert_eq!(tell(&app).await, 2);
    let each = [(json!("192.0.2.7"), json!(2)), (json!("198.51.100.7"), json!(1))];
    assert_eq!(told().await, each);
    for network in 0..MOST_NETWORKS + 3 {
        try_from(&format!("203.0.{network}.7")).await;
    }
    assert_eq!(tell(&app).await, MOST_NETWORKS + 1);
    let (together, single) = (json!(3), json!(1));
    let told = told().await;
    assert!(told.contains(&(Value::Null, together)), "{told:?}");
    let one_by_one = told.iter().filter(|(address, count)| address.is_string() && *count == single);
    assert_eq!(one_by_one.count(), MOST_NETWORKS + 1);
    app.assert_verified().await;
}

#[tokio::test]
async fn strangers_are_told_by_address_and_together_where_they_are_too_many() {
    let app = App::start_on(Terms { proxies: 1, ..Terms::default() }).await;
    let shop = app.organization("Baraka").await;
    let head = app.store.head();
    let addresses = MOST_ADDRESSES + 10;
    for number in 0..addresses {
        let address = format!("192.0.2.{number}");
        for _ in 0..2 {
            let headers = [("x-forwarded-for", address.as_str())];
            app.send(Method::GET, "vb_unknown", "/v1/inbox", None, &headers).await.refused(401);
        }
    }
    assert_eq!(app.store.head(), head, "nothing is written while requests are answered");
    assert_eq!(tell(&app).await, MOST_ADDRESSES + 1);
    let told = strangers(&app).await;
    let count = |event: &Value| event["codes"]["auth.invalid_key"].as_u64().unwrap();
    let (single, others): (Vec<Value>, Vec<Value>) =
        told.into_iter().partition(|event| event["address"].is_string());
    assert!(single.iter().all(|event| count(event) == 2));
    assert_eq!((single.len(), count(&others[0])), (MOST_ADDRESSES, 20));
    // Nothing of it is any organisation's affair, and no address is in the log in clear.
    assert!(app.audit(&shop, "aggregate=attempts").await.is_empty());
    let clear: i64 =
        sqlx::query_scalar("select count(*) from events where payload::text like '%192.0.2.%'")
            .fetch_one(&app.db.database.owner)
            .await
            .unwrap();
    assert_eq!(clear, 0);
    app.assert_verified().await;
}

#[tokio::test]
async fn a_token_that_opens_nothing_is_told_whatever_it_was_for() {
    let app = App::start().await;
    let reset = json!({"token": "vbp_nothing", "password": "battery staple"});
    app.post("", "/v1/auth/password/reset", reset).await.refused(422);
    app.post("", "/v1/auth/email/verify", json!({"token": "vbe_nothing"})).await.refused(422);
    let accept = json!({"token": "vbi_nothing", "name": "Otieno", "password": "battery staple"});
    app.post("", "/v1/invitations/accept", accept).await.refused(422);
    app.get("", "/v1/invitations/by-token/vbi_nothing").await.refused(404);
    // Whoever may look at invitations and finds none has tried nothing.
    let owner = app.account(EMAIL).await;
    let path = format!("/v1/invitations/{}/revoke", Uuid::now_v7());
    app.post(&owner.access, &path, json!({})).await.refused(404);
    assert_eq!(tell(&app).await, 1);
    let told = json!({
        "invitation.expired": 1, "invitation.not_found": 1, "user.challenge_failed": 2,
    });
    assert_eq!(strangers(&app).await[0]["codes"], told);
}

#[tokio::test]
async fn who_asks_too_often_is_told_once_a_minute_with_a_count() {
    let limits = Limits { address: per_minute(8), key: per_minute(2), ..Limits::default() };
    let app = App::start_on(Terms { limits, proxies: 1, ..Terms::default() }).await;
    let shop = app.organization("Baraka").await;
    let from = async |key: &str, address: &str| {
        let headers = [("x-forwarded-for", address)];
        app.send(Method::GET, key, "/v1/inbox", None, &headers).await
    };
    for _ in 0..2 {
        from(&shop.agent, "192.0.2.7").await.expect(200);
    }
    for _ in 0..3 {
        from(&shop.agent, "192.0.2.7").await.refused(429);
    }
    for _ in 0..8 {
        from("vb_unknown", "198.51.100.7").await.refused(401);
    }
    from("vb_unknown", "198.51.100.7").await.refused(429);
    assert_eq!(tell(&app).await, 2);
    let codes = json!({"auth.invalid_key": 8, "rate_limit.exceeded": 1});
    assert_eq!(strangers(&app).await[0]["codes"], codes);
    let told = app.audit(&shop, "action=attempts.Refused").await;
    let told = &told[0]["payload"]["Refused"];
    assert_eq!((&told["code"], &told["count"]), (&json!("rate_limit.exceeded"), &json!(3)));
    assert_eq!((&told["user"], &told["operation"]), (&json!(shop.agent_id), &json!("inbox.list")));
}

#[tokio::test]
async fn a_server_that_stops_tells_what_it_has_not_told_yet() {
    let app = App::start().await;
    let owner: Account = app.account(EMAIL).await;
    app.login(EMAIL, "wrong horse battery").await.refused(401);
    let (stop, told) = watch::channel(false);
    stop.send(true).unwrap();
    attempts::run(app.commands.clone(), told).await;
    assert_eq!(app.audited(&owner, "attempts.Refused").await.len(), 1);
}
