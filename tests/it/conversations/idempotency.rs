//! One key, one outcome, however often and by however many it is asked for.

use serde_json::{Value, json};

use super::Desk;

const KEY: [(&str, &str); 1] = [("idempotency-key", "note-17")];

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_answer() {
    let desk = Desk::open().await;
    let note = || json!({"body": "Wants two taps."});
    let first = desk.act_with(&KEY, "notes", note()).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    // What happened since must not show in it.
    desk.take().await.expect(200);
    let again = desk.act_with(&KEY, "notes", note()).await.expect(201);
    assert_eq!(again.text, first.text);
    assert_eq!(again.header("idempotent-replayed"), "true");
    for name in ["etag", "log-position", "content-type", "location"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    assert_eq!(desk.notes().await.len(), 1);
}

#[tokio::test]
async fn a_key_is_for_one_request_alone() {
    let desk = Desk::open().await;
    desk.act_with(&KEY, "notes", json!({"body": "Wants two taps."})).await.expect(201);
    let other = desk.act_with(&KEY, "notes", json!({"body": "Wants three taps."})).await;
    assert_eq!(other.refused(422), "idempotency.key_reused");
    assert_eq!(desk.notes().await.len(), 1);
    // Of another operation, or of somebody else, it is another key.
    desk.act_with(&KEY, "resolve", Value::Null).await.expect(200);
    let (owner, path) = (&desk.organization.owner, desk.path("notes"));
    let note = json!({"body": "Wants two taps."});
    let theirs = desk.app.send(reqwest::Method::POST, owner, &path, Some(note), &KEY).await;
    assert_eq!(theirs.expect(201).header("idempotent-replayed"), "");
    assert_eq!(desk.notes().await.len(), 2);
}

#[tokio::test]
async fn fifty_at_once_under_one_key_write_one_note() {
    let desk = Desk::open().await;
    let note = || json!({"body": "Wants two taps."});
    let mut answers = tokio::task::JoinSet::new();
    let desk = std::sync::Arc::new(desk);
    for _ in 0..50 {
        let desk = desk.clone();
        answers.spawn(async move { desk.act_with(&KEY, "notes", note()).await });
    }
    let answers = answers.join_all().await;
    let replayed = answers.iter().filter(|answer| answer.header("idempotent-replayed") == "true");
    assert_eq!(replayed.count(), 49);
    let first = answers[0].text.clone();
    for answer in answers {
        assert_eq!(answer.expect(201).text, first);
    }
    assert_eq!(desk.notes().await.len(), 1);
}

#[tokio::test]
async fn what_was_refused_may_be_asked_again_under_its_key() {
    let desk = Desk::open().await;
    desk.act("resolve", Value::Null).await.expect(200);
    let take = || json!({"agent_id": desk.organization.agent_id});
    let refused = desk.act_with(&KEY, "assign", take()).await;
    assert_eq!(refused.refused(409), "conversation.not_open");
    desk.act("reopen", Value::Null).await.expect(200);
    let taken = desk.act_with(&KEY, "assign", take()).await.expect(200);
    assert_eq!(taken.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn a_repeat_of_what_changed_nothing_is_still_a_repeat() {
    let desk = Desk::open().await;
    desk.act("read", Value::Null).await.expect(200);
    let first = desk.act_with(&KEY, "read", Value::Null).await.expect(200);
    desk.take().await.expect(200);
    let again = desk.act_with(&KEY, "read", Value::Null).await.expect(200);
    assert_eq!(again.text, first.text, "the first answer, not what is true by now");
}

#[tokio::test]
async fn a_key_is_visible_text() {
    let desk = Desk::open().await;
    for wrong in ["", "two words", &"x".repeat(256)] {
        let refused = desk.act_with(&[("idempotency-key", wrong)], "read", Value::Null).await;
        assert_eq!(refused.refused(400), "idempotency.invalid_key", "{wrong}");
    }
}
