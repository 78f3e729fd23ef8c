//! What happens, told as it happens: to whom it may be told, once, in order, whatever breaks.

mod processes;
mod resumed;
mod revoked;

use commands::{Meta, access};
use domain::Actor;
use domain::aggregate::Role;
use serde_json::{Value, json};

use crate::support::{ANA, App, BEN, Organization};

async fn shop() -> (App, Organization) {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    (app, organization)
}

async fn conversation(app: &App, organization: &Organization) -> String {
    app.say(organization, &ANA, "wamid.1", 0, "Is it open?").await;
    let id = app.conversation(organization, &ANA).await;
    format!("/v1/conversations/{id}")
}

async fn note(app: &App, organization: &Organization, conversation: &str, text: &str) -> String {
    let noted = app
        .post(&organization.agent, &format!("{conversation}/notes"), json!({"body": text}))
        .await
        .expect(201);
    noted.header("log-position").to_owned()
}

#[tokio::test]
async fn a_dashboard_hears_what_happened_and_how_it_stands_in_the_inbox() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let mut desk = app.listen(&organization.agent, "", "").await;
    let strangers = app.organization("Mwezi").await;
    let mut stranger = app.listen(&strangers.owner, "", "").await;
    let read =
        app.post(&organization.agent, &format!("{path}/read"), Value::Null).await.expect(200);
    let told = desk.next().await.unwrap();
    assert_eq!(
        (told.kind.as_str(), told.id.as_str()),
        ("conversation.MarkedRead", read.header("log-position"))
    );
    assert_eq!(told.data["aggregate"]["version"], read.data()["version"]);
    assert_eq!(told.data["correlation_id"], read.header("x-request-id"));
    assert_eq!(told.data["inbox"]["unread_count"], 0);
    assert_eq!(told.data["inbox"]["contact"]["name"], "Ana Lima");
    // The stranger's next is the stranger's own.
    let ticket = json!({"subject": "Ours"});
    app.post(&strangers.agent, "/v1/tickets", ticket).await.expect(201);
    assert_eq!(stranger.next().await.unwrap().data["type"], "ticket.Opened");
}

#[tokio::test]
async fn a_listener_hears_of_its_topics_and_its_conversation_only() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let id = path.rsplit('/').next().unwrap();
    let key = &organization.agent;
    let mut tickets = app.listen(key, "?topics=ticket", "").await;
    let mut one = app.listen(key, &format!("?conversation={id}"), "").await;
    let mut plain = app.listen(key, "?topics=conversation", "").await;
    app.say(&organization, &BEN, "wamid.2", 1, "Me too").await;
    app.post(key, "/v1/tickets", json!({"subject": "Pot"})).await.expect(201);
    note(&app, &organization, &path, "later").await;
    assert_eq!(tickets.next().await.unwrap().kind, "ticket.Opened");
    assert_eq!(one.next().await.unwrap().kind, "conversation.NoteAdded");
    let opened = plain.next().await.unwrap();
    assert_eq!(
        (opened.kind.as_str(), &opened.data["inbox"]),
        ("conversation.Opened", &Value::Null)
    );
    for wrong in ["?topics=weather", "?topics=api_key", "?conversation=ajar"] {
        assert_eq!(app.not_heard(key, wrong).await.refused(422), "parameter.invalid");
    }
    assert_eq!(app.not_heard(key, "?after=7.1").await.refused(409), "log.epoch");
    assert_eq!(app.not_heard(key, "?after=soon").await.refused(400), "min_position.invalid");
    app.not_heard("", "").await.refused(401);
    // Keys and sessions are for those who may read what everybody did.
    app.listen(&organization.auditor, "?topics=api_key", "").await;
}

#[tokio::test]
async fn an_agent_who_sees_only_their_own_hears_of_those_and_of_losing_them() {
    let (app, organization) = shop().await;
    let path = conversation(&app, &organization).await;
    let own_only = json!({"security": {"agents_see_own_only": true}});
    app.patch(&organization.owner, "/v1/workspace", own_only).await.expect(200);
    let meta = Meta::new(organization.id, Actor::System);
    let (agent, role) = (organization.agent_id, Role::Agent);
    let key = access::issue(&app.commands, &meta, agent, role, "fresh").await.unwrap();
    let other = commands::setup::register_user(&app.commands, organization.id, "Otieno", role);
    let other = other.await.unwrap();
    let mut desk = app.listen(&key, "?topics=inbox", "").await;
    let assign = format!("{path}/assign");
    for to in [agent, other, agent] {
        app.post(&organization.owner, &assign, json!({"agent_id": to})).await.expect(200);
    }
    app.post(&organization.owner, &format!("{path}/notes"), json!({"body": "Mine"})).await;
    let mut told = vec![];
    while told.last() != Some(&("conversation.NoteAdded".to_owned(), true)) {
        let next = desk.next().await.unwrap();
        told.push((next.kind, next.data["inbox"].is_object()));
    }
    let assigned = "conversation.Assigned".to_owned();
    // The first two may be told when the third has happened already: rows stand as they stand now.
    assert!(told.iter().all(|(kind, _)| *kind == assigned || kind == "conversation.NoteAdded"));
    assert!((2..=4).contains(&told.len()), "{told:?}");

    app.post(&organization.owner, &assign, json!({"agent_id": other})).await.expect(200);
    let lost = desk.next().await.unwrap();
    assert_eq!((lost.kind.as_str(), &lost.data["inbox"]), ("conversation.Assigned", &Value::Null));
    let notes = format!("{path}/notes");
    app.post(&organization.owner, &notes, json!({"body": "Theirs"})).await.expect(201);
    app.post(&organization.owner, &assign, json!({"agent_id": agent})).await.expect(200);
    let mut back = desk.next().await.unwrap();
    // The note is told only if the conversation was the agent's again when it was looked at.
    if back.kind == "conversation.NoteAdded" {
        back = desk.next().await.unwrap();
    }
    assert_eq!((back.kind, back.data["inbox"].is_object()), (assigned, true));
}
