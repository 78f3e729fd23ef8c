//! Who did what, when, and because of what: for owners and auditors.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, App, Organization};

const REQUEST: &str = "5f0c1c36-9d0e-4b52-8a0f-6f3b9a1f2c11";

/// Ana wrote, the agent took her conversation in one request and noted in another.
async fn morning(app: &App) -> (Organization, String) {
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
    let id = app.conversation(&organization, &ANA).await;
    let path = |action: &str| format!("/v1/conversations/{id}/{action}");
    let agent = Some(json!({"agent_id": organization.agent_id}));
    let request = [("x-request-id", REQUEST)];
    let taken = app.send(Method::POST, &organization.agent, &path("assign"), agent, &request).await;
    assert_eq!(taken.expect(200).header("x-request-id"), REQUEST);
    let note = json!({"body": "Wants two taps."});
    app.post(&organization.owner, &path("notes"), note).await.expect(201);
    (organization, id)
}

fn actions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everything_that_happened_is_told_newest_first() {
    let app = App::start().await;
    let (organization, id) = morning(&app).await;
    let events = app.audit(&organization, "").await;
    let told = actions(&events);
    assert_eq!(
        told[..5],
        [
            "conversation.NoteAdded",
            "conversation.Assigned",
            "conversation.MessageReceived",
            "conversation.Opened",
            "contact.Registered",
        ]
    );
    assert_eq!(*told.last().unwrap(), "organization.Founded");
    let positions: Vec<_> =
        events.iter().map(|event| event["position"].as_i64().unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a > b));
    let note = &events[0];
    assert_eq!(note["aggregate"], json!({"type": "conversation", "id": id}));
    assert_eq!(note["payload"]["NoteAdded"]["body"], "Wants two taps.", "opened for the auditor");
    assert_eq!(events[2]["payload"]["MessageReceived"]["body"]["content"]["body"], "Hello");
    let distinct: BTreeSet<_> = events.iter().map(|event| event["event_id"].as_str()).collect();
    assert_eq!(distinct.len(), events.len());
}

#[tokio::test]
async fn the_audit_is_narrowed_by_who_what_and_on_what() {
    let app = App::start().await;
    let (organization, id) = morning(&app).await;
    let agent = format!("actor=user:{}", organization.agent_id);
    assert_eq!(actions(&app.audit(&organization, &agent).await), ["conversation.Assigned"]);
    let channel = format!("actor=channel:{}", organization.channel);
    assert_eq!(app.audit(&organization, &channel).await.len(), 3);
    let notes = app.audit(&organization, "action=conversation.NoteAdded").await;
    assert_eq!(notes.len(), 1);
    let conversation = app.audit(&organization, &format!("aggregate=conversation/{id}")).await;
    assert_eq!(
        actions(&conversation),
        [
            "conversation.NoteAdded",
            "conversation.Assigned",
            "conversation.MessageReceived",
            "conversation.Opened",
        ]
    );
    let versions: Vec<_> =
        conversation.iter().map(|event| event["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [4, 3, 2, 1]);
    assert_eq!(app.audit(&organization, "aggregate=contact").await.len(), 1);
    assert_eq!(app.audit(&organization, &format!("aggregate=contact/{id}")).await.len(), 0);
    let both = format!("{channel}&action=conversation.Opened");
    assert_eq!(app.audit(&organization, &both).await.len(), 1, "all of it must hold");
    assert!(app.audit(&organization, "actor=user:nobody").await.is_empty());
}

#[tokio::test]
async fn the_events_of_a_request_carry_its_id() {
    let app = App::start().await;
    let (organization, _) = morning(&app).await;
    let of_request = app.audit(&organization, &format!("correlation={REQUEST}")).await;
    assert_eq!(actions(&of_request), ["conversation.Assigned"]);
    assert_eq!(of_request[0]["correlation_id"], REQUEST);
    assert_ne!(of_request[0]["command_id"], Value::Null);
    // One webhook is one request, whatever it causes.
    let received = app.audit(&organization, "action=conversation.MessageReceived").await;
    let webhook = received[0]["correlation_id"].as_str().unwrap();
    let caused = app.audit(&organization, &format!("correlation={webhook}")).await;
    assert_eq!(
        actions(&caused),
        ["conversation.MessageReceived", "conversation.Opened", "contact.Registered"]
    );
    // An id that is none is replaced, and told.
    let key = &organization.owner;
    let answer = app.send(Method::GET, key, "/v1/inbox", None, &[("x-request-id", "7")]).await;
    assert!(Uuid::try_parse(answer.header("x-request-id")).is_ok());
}

#[tokio::test]
async fn the_audit_is_narrowed_by_time() {
    let app = App::start().await;
    let (organization, _) = morning(&app).await;
    let all = app.audit(&organization, "").await;
    let at = all[1]["recorded_at"].as_str().unwrap();
    let since = app.audit(&organization, &format!("from={at}")).await;
    let until = app.audit(&organization, &format!("to={at}")).await;
    assert_eq!(since[..], all[..2]);
    assert_eq!(until[..], all[2..]);
    let empty = app.audit(&organization, &format!("from={at}&to={at}")).await;
    assert!(empty.is_empty());
    for wrong in ["from=yesterday", "to=2026-03-02", "correlation=7"] {
        let refused = app.get(&organization.auditor, &format!("/v1/audit/events?{wrong}")).await;
        assert_eq!(refused.refused(422), "parameter.invalid", "{wrong}");
    }
}

#[tokio::test]
async fn the_audit_is_read_page_by_page() {
    let app = App::start().await;
    let (organization, _) = morning(&app).await;
    let all = app.audit(&organization, "").await;
    let (mut read, mut path) = (vec![], "/v1/audit/events?limit=4".to_owned());
    loop {
        let page = app.get(&organization.auditor, &path).await.expect(200).json();
        read.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("/v1/audit/events?limit=4&cursor={next}");
        // What is added meanwhile comes before what is read.
        app.post(&organization.agent, "/v1/contacts", json!({"name": "New"})).await.expect(201);
        app.settle().await;
    }
    assert_eq!(read, all);
}

#[tokio::test]
async fn auditors_and_owners_read_the_audit_and_agents_do_not() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    let events = "/v1/audit/events";
    app.get(&organization.auditor, events).await.expect(200);
    app.get(&organization.owner, events).await.expect(200);
    let refused = app.get(&organization.agent, events).await;
    assert_eq!(refused.refused(403), "permission.denied");
}
