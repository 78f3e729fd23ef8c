//! Asking what a command would do, and what it then does.

use reqwest::Method;
use serde_json::{Value, json};

use super::shop;
use crate::support::{ANA, App, Organization};

/// What changes something and can't be rehearsed, and why.
const DONE_ONLY: &[(&str, &str)] = &[
    ("auth.code_login", "It would tell whether a code is right and let nobody in by it."),
    ("auth.forgot_password", "What follows depends on whether anybody has the address."),
    ("auth.login", "It would tell whether a password is right and let nobody in by it."),
    ("auth.refresh", "A token is good once: trying it without using it would be another use."),
    ("auth.register", "It would tell, without a trace, whether anybody has the address."),
    ("auth.request_code", "What follows depends on whether anybody has the address."),
    ("auth.second_factor", "It would tell whether a code is right and let nobody in by it."),
    ("media.upload", "WhatsApp gets the file at once, and no event tells of it."),
    ("template.try_out", "It changes nothing: it is a rehearsal already."),
    ("template.upload_sample", "WhatsApp gets the file at once, and no event tells of it."),
    ("template.validate", "It changes nothing: it is a rehearsal already."),
    ("webhook.pawapay", "PawaPay tells what has happened."),
    ("webhook.whatsapp", "WhatsApp tells what has happened."),
];

#[test]
fn every_command_can_be_rehearsed_or_has_a_reason_why_not() {
    let changes = |method: &str| !matches!(method, "get" | "head");
    let paths = api::document()["paths"].as_object().unwrap();
    let methods = paths.values().flat_map(|methods| methods.as_object().unwrap());
    let commands = methods.filter(|(method, _)| changes(method)).map(|(_, operation)| operation);
    let named = json!({"$ref": "#/components/parameters/dry_run"});
    let rehearsed = |operation: &&Value| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.contains(&named))
    };
    let id = |operation: &Value| operation["operationId"].as_str().unwrap().to_owned();
    let mut without: Vec<String> =
        commands.filter(|operation| !rehearsed(operation)).map(id).collect();
    without.sort();
    let told: Vec<&str> = DONE_ONLY.iter().map(|(id, _)| *id).collect();
    assert_eq!(without, told);
}

async fn dry(app: &App, key: &str, path: &str, body: Value) -> crate::support::Answer {
    app.post(key, &format!("{path}?dry_run=true"), body).await
}

async fn count(app: &App, table: &str) -> i64 {
    let count = format!("select count(*) from {table}");
    sqlx::query_scalar(&count).fetch_one(&app.db.database.owner).await.unwrap()
}

async fn ticket(app: &App, organization: &Organization) -> String {
    let made = app.post(&organization.agent, "/v1/tickets", json!({"subject": "Broken pot"})).await;
    made.expect(201).header("location").to_owned()
}

#[tokio::test]
async fn a_dry_run_tells_the_events_in_the_clear_and_records_none() {
    let (app, organization) = shop().await;
    let head = app.store.head();
    let body = json!({"name": "Ada Obi", "phone": "+254 712 345 678"});
    let told = dry(&app, &organization.agent, "/v1/contacts", body.clone()).await.expect(200);
    assert_eq!(told.header("content-type"), "application/vnd.verbatim.dry-run+json");
    let events = told.data()["events"].clone();
    assert_eq!(events[0]["type"], "contact.Registered");
    assert_eq!(events[0]["aggregate"]["version"], 1);
    assert!(events.to_string().contains("Ada Obi") && !events.to_string().contains("$personal"));
    assert_eq!(app.store.head(), head);
    app.post(&organization.agent, "/v1/contacts", body.clone()).await.expect(201);
    // The number is taken now, and the dry run knows.
    let taken = dry(&app, &organization.agent, "/v1/contacts", body.clone()).await;
    let really = app.post(&organization.agent, "/v1/contacts", body).await;
    assert_eq!(taken.refused(409), really.refused(409));
}

#[tokio::test]
async fn what_was_rehearsed_happens_just_so_or_not_at_all() {
    let (app, organization) = shop().await;
    let solve = format!("{}/solve", ticket(&app, &organization).await);
    let told = dry(&app, &organization.agent, &solve, Value::Null).await.expect(200);
    assert_eq!(told.data()["events"][0]["type"], "ticket.Solved");
    let as_seen = [("if-match", told.header("etag"))];
    let key = &organization.agent;
    app.send(Method::POST, key, &solve, None, &as_seen).await.expect(200);
    app.send(Method::POST, key, &solve, None, &as_seen).await.refused(412);
}

#[tokio::test]
async fn a_dry_run_uses_up_no_key_and_is_told_by_none() {
    let (app, organization) = shop().await;
    let (key, once) = (&organization.agent, [("idempotency-key", "order-17")]);
    let body = Some(json!({"subject": "Broken pot"}));
    let path = "/v1/tickets?dry_run=true";
    app.send(Method::POST, key, path, body.clone(), &once).await.expect(200);
    app.send(Method::POST, key, "/v1/tickets", body.clone(), &once).await.expect(201);
    let again = app.send(Method::POST, key, path, body, &once).await.expect(200);
    assert_eq!(again.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn a_message_that_is_rehearsed_is_not_sent_and_a_secret_not_kept() {
    let (app, organization) = shop().await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let secrets = count(&app, "secrets").await;
    let channel = json!({"provider": "whatsapp", "name": "Second", "account_id": "1",
        "phone_number_id": "2", "app_secret": "s", "access_token": "a", "verify_token": "v"});
    dry(&app, &organization.owner, "/v1/channels", channel).await.expect(200);
    let guest = json!({"email": "ben@baraka.example", "role": "agent"});
    dry(&app, &organization.owner, "/v1/invitations", guest).await.expect(200);
    assert_eq!(count(&app, "secrets").await, secrets);
    let message = json!({"channel_id": organization.channel, "to": {"phone": "+1 415 555 2671"},
        "message": {"type": "template", "template": {"name": "hello", "language": "en"}}});
    let told = dry(&app, &organization.agent, "/v1/messages", message).await.expect(200);
    assert!(told.text.contains("conversation.MessageQueued"));
    assert_eq!(count(&app, "effects").await, 0);
}

#[tokio::test]
async fn what_offers_no_dry_run_is_not_done_instead() {
    let (app, organization) = shop().await;
    let login = json!({"email": "a@b.example", "password": "correct horse"});
    let refused = dry(&app, "", "/v1/auth/login", login).await.refused(400);
    assert_eq!(refused, "dry_run.not_offered");
    let maybe = "/v1/tickets?dry_run=perhaps";
    let unclear = app.post(&organization.agent, maybe, json!({"subject": "A"})).await;
    assert_eq!(unclear.refused(400), "query.invalid");
    // What was meant to be one is none that happens.
    for meant in ["Dry_Run=true", "dry_run=false&dry_run=true", "dryrun=true", "dry_run"] {
        let path = format!("/v1/tickets?{meant}");
        let refused = app.post(&organization.agent, &path, json!({"subject": "A"})).await;
        assert_eq!(refused.refused(400), "query.invalid", "{meant}");
    }
    let strangers = app.organization("Mwezi").await;
    let solve = format!("{}/solve", ticket(&app, &organization).await);
    dry(&app, &strangers.owner, &solve, Value::Null).await.refused(404);
    dry(&app, &organization.auditor, &solve, Value::Null).await.refused(403);
}
