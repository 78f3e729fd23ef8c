//! What people of the organisation do with a conversation, and when it is refused.

mod idempotency;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{ANA, Answer, App, Organization};

/// A conversation in which Ana said hello, and those who work on it.
struct Desk {
    app: App,
    organization: Organization,
    id: String,
}

impl Desk {
    async fn open() -> Desk {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        app.say(&organization, &ANA, "wamid.1", 0, "Hello").await;
        let id = app.conversation(&organization, &ANA).await;
        Desk { app, organization, id }
    }

    fn path(&self, action: &str) -> String {
        format!("/v1/conversations/{}/{action}", self.id)
    }

    /// The agent does something.
    async fn act(&self, action: &str, body: Value) -> Answer {
        self.app.post(&self.organization.agent, &self.path(action), body).await
    }

    async fn act_with(&self, headers: &[(&str, &str)], action: &str, body: Value) -> Answer {
        let (key, path) = (&self.organization.agent, self.path(action));
        self.app.send(Method::POST, key, &path, Some(body), headers).await
    }

    async fn take(&self) -> Answer {
        self.act("assign", json!({"agent_id": self.organization.agent_id})).await
    }

    async fn seen_since(&self, answer: &Answer) -> Value {
        let path = format!("/v1/conversations/{}", self.id);
        let seen = self.app.get_since(answer, &self.organization.agent, &path).await.expect(200);
        assert_eq!(seen.version(), answer.version());
        seen.data()
    }

    async fn notes(&self) -> Vec<Value> {
        let mut said = self.app.messages(&self.organization, &self.id).await;
        said.retain(|message| message["kind"] == "note");
        said
    }
}

const ACTIONS: [&str; 6] = ["read", "assign", "unassign", "resolve", "reopen", "notes"];

/// A body that the action takes.
fn body(action: &str, agent: Uuid) -> Value {
    match action {
        "assign" => json!({"agent_id": agent}),
        "notes" => json!({"body": "Called back."}),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn reading_a_conversation_leaves_nothing_unread() {
    let desk = Desk::open().await;
    let read = desk.act("read", Value::Null).await.expect(200);
    assert_eq!(read.data()["unread_count"], 0);
    assert_eq!(read.data()["id"], json!(desk.id));
    assert_eq!(desk.seen_since(&read).await["unread_count"], 0);
    let again = desk.act("read", json!({})).await.expect(200);
    assert_eq!(again.text, read.text, "there was nothing left to read");
    let since = desk.app.say(&desk.organization, &ANA, "wamid.2", 1, "Hello?").await;
    let path = format!("/v1/conversations/{}", desk.id);
    let seen = desk.app.get_since(&since, &desk.organization.agent, &path).await.expect(200);
    assert_eq!(seen.data()["unread_count"], 1);
}

#[tokio::test]
async fn a_conversation_is_given_to_an_agent_and_taken_back() {
    let desk = Desk::open().await;
    let taken = desk.take().await.expect(200);
    let agent = json!(desk.organization.agent_id);
    assert_eq!(
        (&taken.data()["assignee_id"], &taken.data()["status"]),
        (&agent, &json!("human_handling"))
    );
    assert_eq!(desk.seen_since(&taken).await["assignee_id"], agent);
    assert_eq!(desk.take().await.expect(200).text, taken.text, "it was the agent's already");
    let left = desk.act("unassign", Value::Null).await.expect(200);
    assert_eq!(
        (&left.data()["assignee_id"], &left.data()["status"]),
        (&Value::Null, &json!("open"))
    );
    assert_eq!(desk.seen_since(&left).await["assignee_id"], Value::Null);
}

#[tokio::test]
async fn a_resolved_conversation_takes_nobody_until_it_is_reopened() {
    let desk = Desk::open().await;
    desk.take().await.expect(200);
    let resolved = desk.act("resolve", Value::Null).await.expect(200);
    assert_eq!(resolved.data()["status"], "closed");
    let seen = desk.seen_since(&resolved).await;
    assert_eq!(seen["status"], "closed");
    assert_ne!(seen["closed_at"], Value::Null);
    assert_eq!(desk.act("resolve", Value::Null).await.expect(200).text, resolved.text);
    assert_eq!(desk.take().await.refused(409), "conversation.not_open");
    assert_eq!(desk.act("unassign", Value::Null).await.refused(409), "conversation.not_open");
    let note = json!({"body": "They called to say thank you."});
    desk.act("notes", note).await.expect(201);
    let reopened = desk.act("reopen", Value::Null).await.expect(200);
    assert_eq!(reopened.data()["cycle"], 2);
    assert_eq!(reopened.data()["assignee_id"], json!(desk.organization.agent_id));
    assert_eq!(desk.act("reopen", Value::Null).await.expect(200).text, reopened.text);
    assert_eq!(desk.seen_since(&reopened).await["closed_at"], Value::Null);
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_note_stands_between_the_messages_and_must_say_something() {
    let desk = Desk::open().await;
    let noted = desk.act("notes", json!({"body": "Wants two taps.\nCall her."})).await.expect(201);
    let notes = desk.notes().await;
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0]["id"], noted.data()["note_id"]);
    assert_eq!(
        (&notes[0]["body"], &notes[0]["author"]),
        (&json!("Wants two taps.\nCall her."), &json!("human"))
    );
    for empty in ["", "  \n"] {
        let refused = desk.act("notes", json!({"body": empty})).await;
        assert_eq!(refused.refused(422), "conversation.invalid_note");
        assert_eq!(refused.json()["errors"][0]["field"], "body");
    }
    let long = json!({"body": "é".repeat(4097)});
    assert_eq!(desk.act("notes", long).await.refused(422), "conversation.invalid_note");
    desk.act("notes", json!({"body": "é".repeat(4096)})).await.expect(201);
    for wrong in [Value::Null, json!({}), json!({"body": 5}), json!({"body": null})] {
        assert_eq!(desk.act("notes", wrong).await.refused(422), "request.invalid");
    }
    assert_eq!(desk.notes().await.len(), 2);
    let inbox = desk.app.conversations(&desk.organization).await;
    assert_eq!(inbox[0]["last_message"]["kind"], "text", "the customer never wrote the note");
}

#[tokio::test]
async fn a_conversation_that_does_not_exist_is_not_found() {
    let desk = Desk::open().await;
    let agent = desk.organization.agent_id;
    // Of other nouns there are ids, too.
    for id in [Uuid::now_v7(), agent, desk.organization.channel] {
        for action in ACTIONS {
            let path = format!("/v1/conversations/{id}/{action}");
            let refused = desk.app.post(&desk.organization.agent, &path, body(action, agent)).await;
            assert_eq!(refused.refused(404), "conversation.not_found", "{action}");
        }
        for path in ["", "/messages"] {
            let path = format!("/v1/conversations/{id}{path}");
            desk.app.get(&desk.organization.agent, &path).await.refused(404);
        }
    }
    let nonsense = "/v1/conversations/the-one-with-ana/read";
    desk.app.post(&desk.organization.agent, nonsense, Value::Null).await.refused(404);
}

#[tokio::test]
async fn an_old_decision_is_refused_and_a_fresh_one_is_not() {
    let desk = Desk::open().await;
    let first = desk.take().await.expect(200);
    let old = first.header("etag").to_owned();
    let new = desk.act("read", Value::Null).await.expect(200).header("etag").to_owned();
    assert_ne!(old, new);
    let head = desk.app.store.head();
    for action in ACTIONS {
        let body = body(action, desk.organization.agent_id);
        let refused = desk.act_with(&[("if-match", &old)], action, body).await;
        assert_eq!(refused.refused(412), "precondition.version", "{action}");
        assert_eq!(format!("\"{}\"", refused.json()["version"]), new);
    }
    for wrong in ["3", "W/\"3\"", "\"three\"", ""] {
        let refused = desk.act_with(&[("if-match", wrong)], "resolve", Value::Null).await;
        assert_eq!(refused.refused(400), "precondition.invalid", "{wrong}");
    }
    assert_eq!(desk.app.store.head(), head);
    let resolved = desk.act_with(&[("if-match", &new)], "resolve", Value::Null).await.expect(200);
    assert_eq!(resolved.data()["status"], "closed");
    desk.act_with(&[("if-match", "*")], "reopen", Value::Null).await.expect(200);
}

#[tokio::test]
async fn of_two_decisions_on_the_same_version_one_is_taken() {
    let desk = Desk::open().await;
    let path = format!("/v1/conversations/{}", desk.id);
    let seen = desk.app.get(&desk.organization.agent, &path).await.expect(200);
    let tag = [("if-match", seen.header("etag"))];
    let note = |text: &str| json!({"body": text});
    let (one, other) = tokio::join!(
        desk.act_with(&tag, "notes", note("Mine")),
        desk.act_with(&tag, "notes", note("No, mine")),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412]);
    assert_eq!(desk.notes().await.len(), 1);
}

#[tokio::test]
async fn an_auditor_looks_and_touches_nothing() {
    let desk = Desk::open().await;
    let auditor = &desk.organization.auditor;
    let head = desk.app.store.head();
    for action in ACTIONS {
        let body = body(action, desk.organization.agent_id);
        let refused = desk.app.post(auditor, &desk.path(action), body).await;
        assert_eq!(refused.refused(403), "permission.denied", "{action}");
    }
    assert_eq!(desk.app.store.head(), head);
    for path in ["", "/messages"] {
        let path = format!("/v1/conversations/{}{path}", desk.id);
        desk.app.get(auditor, &path).await.expect(200);
    }
}

#[tokio::test]
async fn only_somebody_who_works_here_is_given_a_conversation() {
    let desk = Desk::open().await;
    let other = desk.app.organization("Elsewhere").await;
    let auditor = desk.app.audit(&desk.organization, "action=user.Registered").await;
    let auditor = auditor.iter().find(|event| event["payload"]["Registered"]["role"] == "auditor");
    let auditor = auditor.unwrap()["aggregate"]["id"].clone();
    let strangers = [json!(other.agent_id), json!(Uuid::now_v7()), json!(desk.id), auditor];
    for stranger in strangers {
        let refused = desk.act("assign", json!({"agent_id": stranger})).await;
        assert_eq!(refused.refused(422), "conversation.unknown_agent");
        assert_eq!(refused.json()["errors"][0]["field"], "agent_id");
    }
    let seen = &desk.app.conversations(&desk.organization).await[0];
    assert_eq!(seen["assignee_id"], Value::Null);
}
