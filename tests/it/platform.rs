//! The platform's staff: above all organisations, in none, and seen wherever they go.

use std::time::{Duration, Instant};

use commands::access::staff;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, Answer, App, Organization, Scratch, ended};

/// A member of the staff, and their key.
async fn hire(app: &App) -> (Uuid, String) {
    staff::add(&app.commands, "Achieng").await.unwrap()
}

fn on(organization: &Organization, action: &str) -> String {
    format!("/v1/platform/organizations/{}/{action}", organization.id)
}

/// Calls until the answer has this status; a check of who calls is trusted for some seconds.
async fn until(app: &App, key: &str, path: &str, status: u16) -> Answer {
    let since = Instant::now();
    loop {
        let answer = app.get(key, path).await;
        if answer.status.as_u16() == status {
            return answer;
        }
        assert!(since.elapsed() < Duration::from_secs(5), "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_suspended_organisation_is_shut_and_its_customers_are_still_heard() {
    let app = App::start().await;
    let (shop, other) = (app.organization("Baraka").await, app.organization("Obi").await);
    let (id, key) = hire(&app).await;
    let reason = json!({"reason": "Invoice 17 is three months old"});
    let suspended = app.post(&key, &on(&shop, "suspend"), reason).await.expect(200);
    assert_eq!(suspended.data()["status"], "suspended");
    let shut = until(&app, &shop.owner, "/v1/inbox", 403).await;
    assert_eq!(shut.refused(403), "organization.suspended");
    let write = app.post(&shop.owner, "/v1/contacts", json!({"name": "New"})).await;
    assert_eq!(write.refused(403), "organization.suspended");
    app.get(&other.owner, "/v1/inbox").await.expect(200);
    app.say(&shop, &ANA, "wamid.1", 0, "Hello?").await;
    let path = "/v1/platform/organizations?status=suspended";
    let list = app.get_since(&suspended, &key, path).await.expect(200).data();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &json!(shop.id)));
    app.post(&key, &on(&shop, "reactivate"), Value::Null).await.expect(200);
    until(&app, &shop.owner, "/v1/inbox", 200).await;
    let told = app.audit(&shop, "action=organization.Suspended").await;
    assert_eq!(told[0]["actor"], format!("staff:{id}"));
    assert_eq!(app.conversations(&shop).await.len(), 1);
}

#[tokio::test]
async fn who_works_in_a_suspended_organisation_can_still_sign_out() {
    let app = App::start().await;
    let owner = app.account("wanjiru@baraka.example").await;
    let (_, key) = hire(&app).await;
    let path = format!("/v1/platform/organizations/{}/suspend", owner.organization);
    app.post(&key, &path, json!({"reason": "Unpaid"})).await.expect(200);
    until(&app, &owner.access, "/v1/inbox", 403).await;
    app.post(&owner.access, "/v1/auth/logout", Value::Null).await.expect(200);
    assert_eq!(app.me(&owner.access).await.refused(401), "auth.invalid_key");
    assert_eq!(app.refresh(&owner.refresh).await.refused(401), "session.over");
}

#[tokio::test]
async fn only_staff_are_above_organisations_and_no_longer_than_they_are_staff() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (id, key) = hire(&app).await;
    let list = "/v1/platform/organizations";
    app.get(&key, list).await.expect(200);
    assert_eq!(app.get(&shop.owner, list).await.refused(401), "auth.invalid_key");
    assert_eq!(app.get("", list).await.refused(401), "auth.missing_key");
    // Their key opens no organisation.
    assert_eq!(app.get(&key, "/v1/inbox").await.refused(401), "auth.invalid_key");
    let nowhere = format!("/v1/platform/organizations/{}/reactivate", Uuid::now_v7());
    assert_eq!(app.post(&key, &nowhere, Value::Null).await.refused(404), "organization.not_found");
    staff::remove(&app.commands, id).await.unwrap();
    assert_eq!(app.get(&key, list).await.refused(401), "auth.invalid_key");
}

#[tokio::test]
async fn a_visitors_every_step_is_in_the_organisations_audit_log() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (id, key) = hire(&app).await;
    let unexplained = app.post(&key, &on(&shop, "enter"), json!({"reason": " "})).await;
    assert_eq!(unexplained.refused(422), "visit.invalid_reason");
    let entered = app.post(&key, &on(&shop, "enter"), json!({"reason": "Ticket 17"})).await;
    let entered = entered.expect(200).data();
    let token = entered["access_token"].as_str().unwrap();
    assert_eq!(entered["expires_in"], 30 * 60);
    app.get(token, "/v1/inbox?q=ana").await.expect(200);
    app.post(token, "/v1/contacts", json!({"name": "New"})).await.expect(201);
    let actor = format!("staff:{id}");
    let told = app.audit(&shop, &format!("actor={actor}")).await;
    let actions: Vec<&str> = told.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["contact.Registered", "visit.Looked", "visit.Began"]);
    assert_eq!(told[1]["payload"]["Looked"]["path"], "/v1/inbox");
    assert_eq!(told[2]["payload"]["Began"]["reason"], "Ticket 17");
    let owners = app.get(&shop.owner, &format!("/v1/audit/events?actor={actor}")).await;
    assert_eq!(owners.expect(200).data().as_array().unwrap().len(), 3);
    // A visitor is nobody's colleague, and signs in nowhere.
    let beat = app.post(token, "/v1/members/me/heartbeat", Value::Null).await;
    assert_eq!(beat.refused(403), "permission.visitor");
    // They get in where nobody else does.
    app.post(&key, &on(&shop, "suspend"), json!({"reason": "Unpaid"})).await.expect(200);
    until(&app, &shop.owner, "/v1/inbox", 403).await;
    app.get(token, "/v1/inbox").await.expect(200);
    staff::remove(&app.commands, id).await.unwrap();
    until(&app, token, "/v1/inbox", 401).await;
    app.assert_verified().await;
}

#[tokio::test]
async fn a_plan_is_agreed_on_and_seen_by_the_organisation() {
    let app = App::start().await;
    let shop = app.organization("Baraka").await;
    let (_, key) = hire(&app).await;
    let plan = json!({"plan": "starter", "limits": {"members": 25}});
    let set = app.send(Method::PUT, &key, &on(&shop, "plan"), Some(plan), &[]).await.expect(200);
    let seen = app.get_since(&set, &shop.agent, "/v1/workspace").await.expect(200).data();
    assert_eq!((&seen["plan"], &seen["limits"]["members"]), (&json!("starter"), &json!(25)));
    let own = app.patch(&shop.owner, "/v1/workspace", json!({"plan": "enterprise"})).await;
    assert_eq!(own.refused(422), "request.invalid");
    let wrong = json!({"plan": "golden"});
    let wrong = app.send(Method::PUT, &key, &on(&shop, "plan"), Some(wrong), &[]).await;
    assert_eq!(wrong.refused(422), "request.invalid");
    let found = app.get(&key, "/v1/platform/organizations?q=bara&plan=starter").await.expect(200);
    assert_eq!(found.data().as_array().unwrap().len(), 1);
}

#[test]
fn staff_are_added_where_the_program_runs() {
    let scratch = Scratch::new();
    let verbatim = |arguments: &[&str]| {
        let mut command = scratch.program("verbatim");
        command.args(arguments);
        ended(command)
    };
    let added = verbatim(&["staff", "add", "Achieng"]);
    let told = String::from_utf8(added.stdout).unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert!(told.contains("vbs_"), "{told}");
    let id = told.split_whitespace().find(|word| word.parse::<Uuid>().is_ok()).unwrap();
    assert!(verbatim(&["staff", "remove", id]).status.success());
    let nobody = verbatim(&["staff", "remove", &Uuid::now_v7().to_string()]);
    assert!(!nobody.status.success());
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no such member of the staff"));
}
