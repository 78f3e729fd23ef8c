//! What the organisation owes somebody: opened, worked on, solved, rated, and counted.

mod lists;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use event_store::log;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::whatsapp;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{ANA, Answer, App, Organization, line};

/// A running system, an organisation, and what its agent does.
struct Shop {
    app: App,
    organization: Organization,
}

impl Shop {
    async fn open() -> Shop {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        Shop { app, organization }
    }

    async fn ticket(&self, ticket: Value) -> Answer {
        self.app.post(&self.organization.agent, "/v1/tickets", ticket).await
    }

    /// The id of a new ticket.
    async fn opened(&self, subject: &str) -> String {
        id(&self.ticket(json!({"subject": subject})).await.expect(201))
    }

    /// The id of a new ticket of a new contact.
    async fn of_somebody(&self, subject: &str) -> String {
        let contact = self.contact("Amina").await;
        let ticket = json!({"subject": subject, "contact_id": contact});
        id(&self.ticket(ticket).await.expect(201))
    }

    /// Ana writes, so that she may be written to.
    async fn heard_now(&self) {
        let (at, said) = (Utc::now(), json!({"body": "Are you there?"}));
        let told = whatsapp::message(&line(), &ANA, "wamid.now", at, "text", said, Value::Null);
        self.app.tell(&self.organization, told).await.expect(200);
    }

    /// The id of a new ticket of a customer who has just written.
    async fn of_writer(&self, subject: &str) -> String {
        self.heard_now().await;
        let conversation = self.app.conversation(&self.organization, &ANA).await;
        let ticket = json!({"subject": subject, "conversation_id": conversation});
        id(&self.ticket(ticket).await.expect(201))
    }

    async fn contact(&self, name: &str) -> String {
        let contact = json!({"name": name});
        id(&self.app.post(&self.organization.agent, "/v1/contacts", contact).await.expect(201))
    }

    async fn act(&self, ticket: &str, action: &str, body: Value) -> Answer {
        self.act_with(&[], ticket, action, body).await
    }

    async fn act_with(
        &self,
        headers: &[(&str, &str)],
        ticket: &str,
        action: &str,
        body: Value,
    ) -> Answer {
        let path = format!("/v1/tickets/{ticket}/{action}");
        self.app.send(Method::POST, &self.organization.agent, &path, Some(body), headers).await
    }

    async fn change(&self, ticket: &str, change: Value) -> Answer {
        let (key, path) = (&self.organization.agent, format!("/v1/tickets/{ticket}"));
        self.app.send(Method::PATCH, key, &path, Some(change), &[]).await
    }

    async fn seen_since(&self, answer: &Answer, ticket: &str) -> Value {
        let path = format!("/v1/tickets/{ticket}");
        let seen = self.app.get_since(answer, &self.organization.auditor, &path).await.expect(200);
        assert_eq!(seen.version(), answer.version());
        seen.data()
    }
}

const ACTIONS: [&str; 10] = [
    "assign",
    "unassign",
    "prioritise",
    "comments",
    "pend",
    "solve",
    "close",
    "reopen",
    "rate",
    "merge",
];

/// A body that the action takes.
fn body(action: &str, agent: Uuid) -> Value {
    match action {
        "assign" => json!({"agent_id": agent}),
        "prioritise" => json!({"priority": "high"}),
        "comments" => json!({"body": "Called back."}),
        "rate" => json!({"rating": 5}),
        "merge" => json!({"into": Uuid::now_v7()}),
        _ => Value::Null,
    }
}

fn id(answer: &Answer) -> String {
    answer.data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_lives_from_a_conversation_to_a_rating() {
    let shop = Shop::open().await;
    let (app, agent) = (&shop.app, json!(shop.organization.agent_id));
    app.say(&shop.organization, &ANA, "wamid.1", 0, "My tap drips").await;
    let conversation = app.conversation(&shop.organization, &ANA).await;
    let told = json!({"subject": "A tap drips", "conversation_id": conversation});
    let opened = shop.ticket(told).await.expect(201);
    let ticket = id(&opened);
    assert_eq!(opened.header("location"), format!("/v1/tickets/{ticket}"));
    let seen = shop.seen_since(&opened, &ticket).await;
    let inbox = app.conversations(&shop.organization).await;
    assert_eq!(seen["contact_id"], inbox[0]["contact"]["id"]);
    assert_eq!(
        (&seen["subject"], &seen["contact_name"]),
        (&json!("A tap drips"), &json!("Ana Lima"))
    );
    assert_eq!((&seen["number"], &seen["status"]), (&json!(1), &json!("open")));
    for (field, value) in opened.data().as_object().unwrap() {
        assert_eq!(value, &seen[field], "{field} is told as it is shown");
    }

    shop.act(&ticket, "assign", json!({"agent_id": agent})).await.expect(200);
    shop.act(&ticket, "prioritise", json!({"priority": "urgent"})).await.expect(200);
    shop.change(&ticket, json!({"subject": "Two taps drip"})).await.expect(200);
    shop.act(&ticket, "comments", json!({"body": "She sounds upset."})).await.expect(201);
    let answered = json!({"body": "We come today.", "public": true});
    let too_late = shop.act(&ticket, "comments", answered.clone()).await;
    assert_eq!(too_late.refused(409), "conversation.window_closed");
    shop.heard_now().await;
    let answered = shop.act(&ticket, "comments", answered).await.expect(201);
    let pending = shop.act(&ticket, "pend", Value::Null).await.expect(200);
    assert_eq!(pending.data()["status"], "pending");
    let solved = shop.act(&ticket, "solve", Value::Null).await.expect(200);
    assert_eq!(solved.data()["assignee_id"], agent);
    let rating = json!({"rating": 2, "comment": "It drips again."});
    shop.act(&ticket, "rate", rating).await.expect(200);
    let seen = shop.seen_since(&shop.act(&ticket, "reopen", Value::Null).await, &ticket).await;
    assert_eq!((&seen["cycle"], &seen["reopened_count"]), (&json!(2), &json!(1)));
    assert_eq!((&seen["status"], &seen["solved_at"]), (&json!("open"), &Value::Null));
    assert_eq!((&seen["rating"], &seen["rating_comment"]), (&json!(2), &json!("It drips again.")));
    shop.act(&ticket, "unassign", Value::Null).await.expect(200);
    shop.act(&ticket, "solve", Value::Null).await.expect(200);
    let closed = shop.act(&ticket, "close", Value::Null).await.expect(200);
    let rated = shop.act(&ticket, "rate", json!({"rating": 5})).await.expect(200);
    let seen = shop.seen_since(&rated, &ticket).await;
    assert_eq!((&seen["status"], &closed.data()["status"]), (&json!("closed"), &json!("closed")));
    assert_eq!((&seen["number"], &seen["comment_count"]), (&json!(1), &json!(2)));
    assert_eq!((&seen["subject"], &seen["priority"]), (&json!("Two taps drip"), &json!("urgent")));
    assert_eq!((&seen["rating"], &seen["rating_comment"]), (&json!(5), &Value::Null));
    let time = |field: &str| seen[field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!(time("opened_at") < time("first_response_at"));
    assert!(time("first_response_at") < time("solved_at"));
    assert!(time("solved_at") < time("closed_at"));
    assert_eq!(answered.header("etag"), "\"6\"");
    app.assert_verified().await;
}

#[tokio::test]
async fn each_step_is_an_event_that_the_audit_opens_and_the_log_keeps_encrypted() {
    let shop = Shop::open().await;
    let ticket = shop.of_somebody("The secret tap").await;
    shop.act(&ticket, "comments", json!({"body": "A secret word"})).await.expect(201);
    shop.act(&ticket, "solve", Value::Null).await.expect(200);
    let rating = json!({"rating": 4, "comment": "A secret praise"});
    shop.act(&ticket, "rate", rating).await.expect(200);
    let events = shop.app.audit(&shop.organization, &format!("aggregate=ticket/{ticket}")).await;
    let actions: Vec<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["ticket.Rated", "ticket.Solved", "ticket.Commented", "ticket.Opened"]);
    assert_eq!(events[0]["payload"]["Rated"]["was"]["state"], "solved");
    assert_eq!(events[3]["payload"]["Opened"]["subject"], "The secret tap");
    let pool = &shop.app.db.database.owner;
    let stored = log::stream(pool, "ticket", &ticket, 0, i64::MAX).await.unwrap();
    assert_eq!(stored.len(), 4);
    assert!(stored.iter().all(|event| !event.payload.contains("secret")));
}

#[tokio::test]
async fn a_hundred_who_open_at_once_get_the_numbers_from_one_to_a_hundred() {
    let shop = Arc::new(Shop::open().await);
    let other = shop.app.organization("Elsewhere").await;
    let mut opened = JoinSet::new();
    for number in 0..100 {
        let shop = shop.clone();
        opened.spawn(async move {
            // One in ten can't be opened, and takes no number.
            if number % 10 == 0 {
                let refused = shop.ticket(json!({"subject": " "})).await;
                assert_eq!(refused.refused(422), "ticket.invalid_subject");
            }
            shop.ticket(json!({"subject": format!("Ticket {number}")})).await.expect(201)
        });
    }
    let opened = opened.join_all().await;
    let mut numbers: Vec<u64> =
        opened.iter().map(|answer| answer.data()["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    let theirs = shop.app.post(&other.agent, "/v1/tickets", json!({"subject": "First"})).await;
    assert_eq!(theirs.expect(201).data()["number"], 1, "each organisation counts its own");
    shop.app.assert_verified().await;
}

#[tokio::test]
async fn a_repeated_opening_opens_one_ticket() {
    let shop = Shop::open().await;
    let key = [("idempotency-key", "order-17")];
    let open = async || {
        let ticket = json!({"subject": "A tap drips"});
        let agent = &shop.organization.agent;
        shop.app.send(Method::POST, agent, "/v1/tickets", Some(ticket), &key).await.expect(201)
    };
    let (first, again) = (open().await, open().await);
    assert_eq!(first.text, again.text);
    assert_eq!(again.header("idempotent-replayed"), "true");
    for name in ["etag", "location", "log-position"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    let next = shop.ticket(json!({"subject": "Another"})).await.expect(201);
    assert_eq!(next.data()["number"], 2);
}

#[tokio::test]
async fn what_was_said_stands_under_the_ticket_newest_first() {
    let shop = Shop::open().await;
    let ticket = shop.of_writer("A tap drips").await;
    for word in ["One", "Two", "Three"] {
        let comment = json!({"body": word, "public": word == "Two"});
        shop.act(&ticket, "comments", comment).await.expect(201);
    }
    shop.app.settle().await;
    let path = format!("/v1/tickets/{ticket}/comments?limit=2");
    let page = shop.app.get(&shop.organization.auditor, &path).await.expect(200).json();
    let path = format!("{path}&cursor={}", page["meta"]["next_cursor"].as_str().unwrap());
    let last = shop.app.get(&shop.organization.auditor, &path).await.expect(200).json();
    assert_eq!(last["meta"]["has_more"], false);
    let pages = [page["data"].as_array().unwrap(), last["data"].as_array().unwrap()];
    let said: Vec<Value> = pages.into_iter().flatten().cloned().collect();
    let words: Vec<&Value> = said.iter().map(|comment| &comment["body"]).collect();
    assert_eq!(words, ["Three", "Two", "One"]);
    assert_eq!((&said[1]["public"], &said[2]["public"]), (&json!(true), &json!(false)));
    assert_eq!(said[0]["actor"], json!(format!("user:{}", shop.organization.agent_id)));
    assert_eq!(said[0]["author"], "human");
}

#[tokio::test]
async fn what_a_customer_said_elsewhere_stands_as_theirs() {
    let shop = Shop::open().await;
    let ticket = shop.of_somebody("A tap drips").await;
    for author in ["customer", "bot"] {
        let comment = json!({"body": "It drips again", "author": author});
        shop.act(&ticket, "comments", comment).await.expect(201);
    }
    shop.app.settle().await;
    let path = format!("/v1/tickets/{ticket}/comments");
    let said = shop.app.get(&shop.organization.agent, &path).await.expect(200).data();
    let told = |comment: &Value| (comment["author"].clone(), comment["public"].clone());
    assert_eq!(told(&said[0]), (json!("bot"), json!(false)));
    assert_eq!(told(&said[1]), (json!("customer"), json!(true)));
    let seen = shop.app.get(&shop.organization.agent, &format!("/v1/tickets/{ticket}")).await;
    assert_eq!(seen.data()["first_response_at"], Value::Null, "nobody answered yet");
    let comment = json!({"body": "It drips", "author": "campaign"});
    assert_eq!(shop.act(&ticket, "comments", comment).await.refused(422), "request.invalid");
}

#[tokio::test]
async fn what_a_ticket_does_not_allow_is_refused_with_a_code() {
    let shop = Shop::open().await;
    let ticket = shop.of_somebody("A tap drips").await;
    let refused = shop.act(&ticket, "rate", json!({"rating": 5})).await;
    assert_eq!(refused.refused(409), "ticket.not_solved");
    shop.act(&ticket, "solve", Value::Null).await.expect(200);
    assert_eq!(shop.act(&ticket, "pend", Value::Null).await.refused(409), "ticket.not_open");
    let closed = shop.act(&ticket, "close", Value::Null).await.expect(200);
    assert_eq!(shop.act(&ticket, "close", Value::Null).await.expect(200).text, closed.text);
    for action in ["assign", "unassign", "prioritise", "pend", "solve"] {
        let body = body(action, shop.organization.agent_id);
        let refused = shop.act(&ticket, action, body).await;
        assert_eq!(refused.refused(409), "ticket.not_open", "{action}");
    }
    let public = json!({"body": "Hello?", "public": true});
    assert_eq!(shop.act(&ticket, "comments", public.clone()).await.refused(409), "ticket.not_open");
    shop.act(&ticket, "comments", json!({"body": "For the files"})).await.expect(201);
    let nobodys = shop.opened("Buy paper").await;
    let refused = shop.act(&nobodys, "comments", public).await;
    assert_eq!(refused.refused(409), "ticket.no_recipient");
    let nothing = Uuid::now_v7().to_string();
    for action in ACTIONS {
        let body = body(action, shop.organization.agent_id);
        let refused = shop.act(&nothing, action, body).await;
        assert_eq!(refused.refused(404), "ticket.not_found", "{action}");
    }
}

#[tokio::test]
async fn what_cannot_be_true_of_a_ticket_is_refused_with_its_field() {
    let shop = Shop::open().await;
    let ticket = shop.of_somebody("A tap drips").await;
    shop.act(&ticket, "solve", Value::Null).await.expect(200);
    let head = shop.app.store.head();
    let long = |length| "é".repeat(length);
    let wrong = [
        ("comments", json!({"body": " "}), "ticket.invalid_comment", "body"),
        ("comments", json!({"body": long(4097)}), "ticket.invalid_comment", "body"),
        ("rate", json!({"rating": 0}), "ticket.invalid_rating", "rating"),
        ("rate", json!({"rating": 6}), "ticket.invalid_rating", "rating"),
        ("rate", json!({"rating": -1}), "request.invalid", "rating"),
        (
            "rate",
            json!({"rating": 1, "comment": long(1001)}),
            "ticket.invalid_rating_comment",
            "comment",
        ),
        ("prioritise", json!({"priority": "huge"}), "request.invalid", "priority"),
        ("merge", json!({"into": ticket}), "ticket.merged_into_itself", "into"),
        ("merge", json!({"into": Uuid::now_v7()}), "ticket.unknown_target", "into"),
    ];
    for (action, body, code, field) in wrong {
        let refused = shop.act(&ticket, action, body).await;
        assert_eq!(refused.refused(422), code);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    for subject in [String::new(), "  ".into(), long(201)] {
        let refused = shop.change(&ticket, json!({"subject": subject})).await;
        assert_eq!(refused.refused(422), "ticket.invalid_subject");
        let refused = shop.ticket(json!({"subject": subject})).await;
        assert_eq!(refused.json()["errors"][0]["field"], "subject");
    }
    for wrong in [json!({}), json!({"subject": null}), json!({"subject": "A", "number": 9})] {
        assert_eq!(shop.ticket(wrong).await.refused(422), "request.invalid");
    }
    assert_eq!(shop.app.store.head(), head);
    let rating = json!({"rating": 5, "comment": long(1000)});
    shop.act(&ticket, "rate", rating).await.expect(200);
}

#[tokio::test]
async fn who_is_named_must_be_of_the_same_organisation() {
    let shop = Shop::open().await;
    let (app, ours) = (&shop.app, &shop.organization);
    let theirs = app.organization("Elsewhere").await;
    app.say(ours, &ANA, "wamid.1", 0, "Hello").await;
    app.say(&theirs, &ANA, "wamid.2", 0, "Hello").await;
    let their_row = app.conversations(&theirs).await.remove(0);
    let (their_talk, their_contact) = (&their_row["conversation_id"], &their_row["contact"]["id"]);
    let ticket = shop.of_somebody("A tap drips").await;
    let head = app.store.head();
    let made_up = json!(Uuid::now_v7());
    let our_talk = json!(app.conversation(ours, &ANA).await);
    for (field, code, ids) in [
        ("contact_id", "ticket.unknown_contact", [their_contact, &made_up, &our_talk]),
        ("conversation_id", "ticket.unknown_conversation", [their_talk, &made_up, their_contact]),
    ] {
        for id in ids {
            let refused = shop.ticket(json!({"subject": "A", field: id})).await;
            assert_eq!(refused.refused(422), code);
            assert_eq!(refused.json()["errors"][0]["field"], field);
        }
    }
    let auditor = app.audit(ours, "action=user.Registered").await;
    let auditor = auditor.iter().find(|event| event["payload"]["Registered"]["role"] == "auditor");
    let auditor = &auditor.unwrap()["aggregate"]["id"];
    for agent in [&json!(theirs.agent_id), &made_up, their_contact, auditor] {
        let refused = shop.act(&ticket, "assign", json!({"agent_id": agent})).await;
        assert_eq!(refused.refused(422), "ticket.unknown_agent");
        assert_eq!(refused.json()["errors"][0]["field"], "agent_id");
    }
    let foreign = app.post(&theirs.agent, "/v1/tickets", json!({"subject": "Theirs"})).await;
    let merged = shop.act(&ticket, "merge", json!({"into": id(&foreign)})).await;
    assert_eq!(merged.refused(422), "ticket.unknown_target");
    let other = shop.contact("Bisi").await;
    let mixed = json!({"subject": "A", "contact_id": other, "conversation_id": our_talk});
    assert_eq!(shop.ticket(mixed).await.refused(422), "ticket.contact_mismatch");
    assert_eq!(app.store.head(), head + 3, "their ticket with its number, and the other contact");
}

#[tokio::test]
async fn a_ticket_that_is_the_same_matter_is_merged_into_the_other() {
    let shop = Shop::open().await;
    let (one, other) = (shop.of_somebody("A tap drips").await, shop.opened("It drips").await);
    let merged = shop.act(&other, "merge", json!({"into": one})).await.expect(200);
    let seen = shop.seen_since(&merged, &other).await;
    assert_eq!((&seen["status"], &seen["merged_into"]), (&json!("closed"), &json!(one)));
    let refused = shop.act(&other, "reopen", Value::Null).await;
    assert_eq!(refused.refused(409), "ticket.merged");
    let back = shop.act(&one, "merge", json!({"into": other})).await;
    assert_eq!(back.refused(409), "ticket.merged");
    let events = shop.app.audit(&shop.organization, &format!("aggregate=ticket/{one}")).await;
    assert_eq!(events[0]["payload"]["Absorbed"]["number"], 2);
    shop.act(&one, "solve", Value::Null).await.expect(200);
    shop.app.assert_verified().await;
}

#[tokio::test]
async fn of_two_tickets_that_are_merged_into_each_other_at_once_one_remains() {
    let shop = Shop::open().await;
    let (one, other) = (shop.opened("A tap drips").await, shop.opened("It drips").await);
    let (there, back) = tokio::join!(
        shop.act(&one, "merge", json!({"into": other})),
        shop.act(&other, "merge", json!({"into": one})),
    );
    let mut statuses = [there.status.as_u16(), back.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn an_old_decision_is_refused_and_an_auditor_changes_nothing() {
    let shop = Shop::open().await;
    let opened = shop.ticket(json!({"subject": "A tap drips"})).await.expect(201);
    let ticket = id(&opened);
    shop.act(&ticket, "pend", Value::Null).await.expect(200);
    let head = shop.app.store.head();
    let (old, auditor) = ([("if-match", opened.header("etag"))], &shop.organization.auditor);
    for action in ACTIONS {
        let body = body(action, shop.organization.agent_id);
        let refused = shop.act_with(&old, &ticket, action, body.clone()).await;
        assert_eq!(refused.refused(412), "precondition.version", "{action}");
        let path = format!("/v1/tickets/{ticket}/{action}");
        let refused = shop.app.post(auditor, &path, body).await;
        assert_eq!(refused.refused(403), "permission.denied", "{action}");
    }
    let refused = shop.app.post(auditor, "/v1/tickets", json!({"subject": "A"})).await;
    assert_eq!(refused.refused(403), "permission.denied");
    let (path, change) = (format!("/v1/tickets/{ticket}"), json!({"subject": "B"}));
    let refused = shop.app.send(Method::PATCH, auditor, &path, Some(change), &[]).await;
    assert_eq!(refused.refused(403), "permission.denied");
    assert_eq!(shop.app.store.head(), head);
}

#[tokio::test]
async fn what_is_said_to_the_customer_goes_out_on_the_conversation_and_the_rest_does_not() {
    let shop = Shop::open().await;
    let ticket = shop.of_writer("A tap drips").await;
    let to_all = json!({"body": "We come today.", "public": true});
    let among_us = json!({"body": "She sounds upset."});
    let hers = json!({"body": "It drips more.", "author": "customer"});
    for comment in [to_all, among_us, hers] {
        shop.act(&ticket, "comments", comment).await.expect(201);
    }
    let conversation = shop.app.conversation(&shop.organization, &ANA).await;
    let said = shop.app.messages(&shop.organization, &conversation).await;
    let ours: Vec<&Value> = said.iter().filter(|said| said["author"] == "human").collect();
    let [only] = ours[..] else { panic!("{ours:?}") };
    assert_eq!(only["content"]["body"], "We come today.");
    assert_eq!(only["delivery"]["status"], "queued");
    // Without a conversation there is nobody to say it to.
    let nobodys = shop.of_somebody("A tap drips").await;
    let to_nobody = shop.act(&nobodys, "comments", json!({"body": "Hello", "public": true})).await;
    assert_eq!(to_nobody.refused(409), "ticket.no_recipient");
}
