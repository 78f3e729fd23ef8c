//! Messages to customers: they leave once, and what became of them is known or said to be unknown.

mod failed;
mod news;

use std::time::Duration;

use chrono::Utc;
use commands::effects;
use commands::gateways::http;
use commands::policies::send_messages::{GraphSettings, Pace, SendMessages, Sender};
use commands::policies::{self, Policy};
use event_store::rate_limit::Limit;
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::graph::{Account, Graph, Rule, Settings, Window};
use simulators::script::{Act, Callbacks, Outcome};
use simulators::whatsapp;
use uuid::Uuid;

use crate::support::{ACCESS_TOKEN, ANA, APP_SECRET, App, LINE, Organization, line};

/// An organisation with a customer who has just written, and WhatsApp at the other end.
struct Desk {
    app: App,
    organization: Organization,
    graph: Graph,
    sender: Sender,
    conversation: String,
}

impl Desk {
    async fn open() -> Desk {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        let webhook = format!("{}/webhooks/whatsapp/{}", app.base_url, organization.channel);
        let account = Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: Some(webhook),
        };
        // Its clock can't be moved, as the waiting of effects can.
        let pair = None;
        let settings =
            Settings { accounts: vec![account], window: Window::Open, pair, ..Settings::default() };
        let graph = Graph::start(settings).unwrap();
        let hello = json!({"body": "Is it open today?"});
        let body =
            whatsapp::message(&line(), &ANA, "wamid.hello", Utc::now(), "text", hello, Value::Null);
        app.tell(&organization, body).await.expect(200);
        let conversation = app.conversation(&organization, &ANA).await;
        let settings = GraphSettings { base_url: graph.url(), version: "v23.0".into() };
        let sender = Sender::new(app.commands.clone(), http::client().unwrap(), settings);
        Desk { app, organization, graph, sender, conversation }
    }

    async fn say(&self, body: &str) -> String {
        let text = json!({"type": "text", "text": {"body": body}});
        self.send(text).await
    }

    async fn send(&self, message: Value) -> String {
        let path = format!("/v1/conversations/{}/messages", self.conversation);
        let answer = self.app.post(&self.organization.agent, &path, message).await.expect(202);
        answer.data()["message_id"].as_str().unwrap().to_owned()
    }

    /// Does all that is due, and whatever follows from it, until the provider has no more to tell.
    async fn drive(&self) {
        self.follow().await;
        while effects::attempt_due(&self.app.store, &self.sender).await.unwrap() > 0 {}
        while self.graph.pending() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.follow().await;
        while effects::attempt_due(&self.app.store, &self.sender).await.unwrap() > 0 {}
        self.app.settle().await;
    }

    async fn follow(&self) {
        let App { store, commands, .. } = &self.app;
        let mut policy = Subscription::resume(store, SendMessages::NAME, 0).await.unwrap();
        while policies::follow(commands, &SendMessages, &mut policy).await.unwrap() > 0 {}
    }

    /// What waits for a person's decision.
    async fn failed(&self) -> Vec<Value> {
        let path = "/v1/messages/failed";
        let failed = self.app.get(&self.organization.agent, path).await.expect(200);
        failed.data().as_array().unwrap().clone()
    }

    /// Lets the time pass that effects and lines wait for.
    async fn later(&self) {
        self.app.effects_are_due().await;
        let forget = sqlx::query("delete from rate_limits");
        forget.execute(&self.app.db.database.owner).await.unwrap();
        self.drive().await;
    }

    /// How messages stand, and how often each was tried.
    async fn waiting(&self) -> Vec<(String, i32)> {
        let waiting = "select coalesce(reason, ''), attempts from effects where state = 'pending'";
        sqlx::query_as(waiting).fetch_all(&self.app.db.database.owner).await.unwrap()
    }

    async fn message(&self, id: &str) -> Value {
        let said = self.app.messages(&self.organization, &self.conversation).await;
        said.into_iter().find(|message| message["id"] == json!(id)).unwrap()
    }

    async fn delivery(&self, id: &str) -> String {
        self.message(id).await["delivery"]["status"].as_str().unwrap().to_owned()
    }

    async fn decide(&self, id: &str, decision: &str) -> crate::support::Answer {
        let path = format!("/v1/messages/{id}/{decision}");
        self.app.post(&self.organization.agent, &path, Value::Null).await
    }
}

#[tokio::test]
async fn a_recipient_is_not_sent_more_than_whatsapp_allows_and_the_rest_follows() {
    let mut desk = Desk::open().await;
    let hourly = Limit { burst: 4, per: Duration::from_secs(4 * 3600) };
    desk.sender = desk.sender.at(Pace::default().to_one(hourly));
    for number in 1..=6 {
        desk.say(&format!("Answer {number}")).await;
    }
    desk.drive().await;
    assert_eq!(desk.graph.count(), 4);
    // The first that waits is held, and the one behind it keeps its turn.
    let waiting = desk.waiting().await;
    assert_eq!(waiting.len(), 2);
    assert!(waiting.contains(&("the recipient has had many messages of late".into(), 0)));
    assert_eq!(desk.failed().await, Vec::<Value>::new());
    desk.later().await;
    let bodies: Vec<Value> =
        desk.graph.sent().into_iter().map(|sent| sent.body["text"]["body"].clone()).collect();
    let written: Vec<Value> = (1..=6).map(|number| json!(format!("Answer {number}"))).collect();
    assert_eq!(bodies, written);
}

#[tokio::test]
async fn a_line_at_its_pace_rests_as_one_and_costs_nobody_an_attempt() {
    let mut desk = Desk::open().await;
    desk.sender = desk.sender.at(Pace::per_second(2));
    for number in 1..=4 {
        desk.say(&format!("Answer {number}")).await;
    }
    desk.drive().await;
    let rests =
        "select count(*) from line_rests where until > clock_timestamp() - interval '1 min'";
    let rests: i64 =
        sqlx::query_scalar(rests).fetch_one(&desk.app.db.database.owner).await.unwrap();
    assert_eq!(rests, 1);
    assert!(desk.waiting().await.iter().all(|(_, attempts)| *attempts == 0));
    while desk.graph.count() < 4 {
        desk.later().await;
    }
    assert_eq!(desk.failed().await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_answer_reaches_the_customer_and_its_receipts_come_back() {
    let desk = Desk::open().await;
    let id = desk.say("Until six.").await;
    assert_eq!(desk.delivery(&id).await, "queued");
    desk.drive().await;
    let [sent] = desk.graph.sent().try_into().unwrap();
    assert_eq!(sent.body["text"]["body"], "Until six.");
    assert_eq!(sent.callback_data.as_deref(), Some(id.as_str()));
    let message = desk.message(&id).await;
    assert_eq!(
        (&message["delivery"]["status"], &message["author"]),
        (&json!("read"), &json!("human"))
    );
    let row = &desk.app.conversations(&desk.organization).await[0];
    assert_eq!(row["status"], "waiting_for_customer");
    assert_eq!(row["last_message"]["preview"], "Until six.");
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn every_type_of_message_leaves_as_whatsapp_takes_it() {
    let desk = Desk::open().await;
    let hello = desk.app.messages(&desk.organization, &desk.conversation).await[0]["id"].clone();
    let messages = [
        json!({"type": "text", "text": {"body": "See"}, "reply_to": hello, "author": "bot"}),
        json!({"type": "image", "image": {"link": "https://example.org/a.jpg", "caption": "Here"}}),
        json!({"type": "document", "document": {"link": "https://example.org/a.pdf", "filename": "a.pdf"}}),
        json!({"type": "audio", "audio": {"link": "https://example.org/a.ogg"}}),
        json!({"type": "video", "video": {"link": "https://example.org/a.mp4"}}),
        json!({"type": "sticker", "sticker": {"link": "https://example.org/a.webp"}}),
        json!({"type": "location", "location": {"latitude": -1.3, "longitude": 36.8, "name": "Shop"}}),
        json!({"type": "contacts", "contacts": [{"name": {"formatted": "Nomsa", "first": "Nomsa"},
               "phones": [{"phone": "+254190000100"}]}]}),
        json!({"type": "interactive", "interactive": {"type": "button", "body": {"text": "Which?"},
               "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "This"}}]}}}),
        json!({"type": "reaction", "reaction": {"message_id": hello, "emoji": "👍"}}),
    ];
    let count = messages.len();
    for message in messages {
        desk.send(message).await;
    }
    desk.drive().await;
    let sent = desk.graph.sent();
    let kinds: Vec<_> = sent.iter().map(|sent| sent.body["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "text",
            "image",
            "document",
            "audio",
            "video",
            "sticker",
            "location",
            "contacts",
            "interactive",
            "reaction"
        ],
        "{:?}",
        desk.app.get(&desk.organization.agent, "/v1/messages/failed").await.text
    );
    assert_eq!(sent.len(), count);
    assert_eq!(sent[0].body["context"]["message_id"], "wamid.hello");
    assert_eq!(sent[9].body["reaction"]["message_id"], "wamid.hello");
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_next_receipt_and_nothing_is_sent_twice() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Send).ends(Outcome::DoneButHungUp));
    let id = desk.say("Once.").await;
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "read");
    assert_eq!(desk.failed().await, [] as [Value; 0]);
    desk.later().await;
    assert_eq!(desk.graph.sent().len(), 1);
}

#[tokio::test]
async fn without_evidence_a_message_ends_unknown_and_is_a_persons_decision() {
    let desk = Desk::open().await;
    let silence = Callbacks { withheld: true, ..Callbacks::default() };
    desk.graph.script(Rule::on(Act::Send).ends(Outcome::DoneButFailed(500)).callbacks(silence));
    let id = desk.say("Perhaps.").await;
    desk.drive().await;
    desk.later().await;
    assert_eq!(desk.delivery(&id).await, "unknown");
    assert_eq!(desk.graph.sent().len(), 1);
    assert_eq!(desk.failed().await[0]["status"], "unknown");
    assert_eq!(desk.decide(&id, "retry").await.refused(409), "message.uncertain");
    desk.decide(&id, "discard").await.expect(200);
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "discarded");
}

#[tokio::test]
async fn a_server_that_was_killed_in_the_middle_of_sending_does_not_send_again() {
    let desk = Desk::open().await;
    let id = desk.say("Once.").await;
    desk.follow().await;
    let killed = "update effects set state = 'attempting', lease = gen_random_uuid(), attempts = 1";
    sqlx::query(killed).execute(&desk.app.db.database.owner).await.unwrap();
    desk.later().await;
    desk.later().await;
    assert_eq!(desk.delivery(&id).await, "unknown");
    assert_eq!(desk.graph.sent().len(), 0);
}

#[tokio::test]
async fn what_the_provider_refuses_fails_with_its_reason_and_may_be_tried_again() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Send).times(1).refused(131_026));
    let id = desk.say("Hello?").await;
    desk.drive().await;
    let message = desk.message(&id).await;
    assert_eq!(message["delivery"]["status"], "failed");
    assert_eq!(message["delivery"]["errors"][0]["code"], 131_026);
    assert_eq!(desk.failed().await[0]["message_id"], json!(id));
    desk.decide(&id, "retry").await.expect(200);
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "read");
    assert_eq!(desk.graph.sent().len(), 1);
    assert_eq!(desk.decide(&id, "retry").await.refused(404), "message.not_found");
}

#[tokio::test]
async fn what_the_provider_took_and_could_not_deliver_waits_for_a_decision_too() {
    let desk = Desk::open().await;
    let reversed = Callbacks { reversed: true, ..Callbacks::default() };
    for how in [Callbacks::default(), reversed] {
        desk.graph.script(Rule::on(Act::Send).times(1).fails(131_026).callbacks(how));
        let id = desk.say("Hello?").await;
        desk.drive().await;
        assert_eq!(desk.delivery(&id).await, "failed");
        assert_eq!(desk.failed().await[0]["message_id"], json!(id));
        desk.decide(&id, "retry").await.expect(200);
        desk.drive().await;
        assert_eq!(desk.delivery(&id).await, "read");
        assert_eq!(desk.failed().await, [] as [Value; 0]);
    }
    assert_eq!(desk.graph.sent().len(), 4);
}

#[tokio::test]
async fn receipts_find_a_message_that_the_customer_quoted_before_them() {
    let desk = Desk::open().await;
    let late = Callbacks { late: Duration::from_millis(400), ..Callbacks::default() };
    desk.graph.script(Rule::on(Act::Send).ends(Outcome::DoneButHungUp).callbacks(late));
    let id = desk.say("At six?").await;
    desk.follow().await;
    effects::attempt_due(&desk.app.store, &desk.sender).await.unwrap();
    let context = json!({"context": {"from": "15550100200", "id": desk.graph.sent()[0].wamid}});
    let (now, yes) = (Utc::now(), json!({"body": "Yes"}));
    let quoting = whatsapp::message(&line(), &ANA, "wamid.yes", now, "text", yes, context);
    desk.app.tell(&desk.organization, quoting).await.expect(200);
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "read");
    assert_eq!(desk.app.messages(&desk.organization, &desk.conversation).await.len(), 3);
}

#[tokio::test]
async fn what_becomes_of_a_message_belongs_to_the_request_that_wanted_it() {
    let desk = Desk::open().await;
    let ask = async |path: String, body: Value| {
        let request = Uuid::now_v7().to_string();
        let headers = [("x-request-id", request.as_str())];
        let (app, agent) = (&desk.app, &desk.organization.agent);
        let answer = app.send(Method::POST, agent, &path, Some(body), &headers).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        desk.drive().await;
        let caused = app.audit(&desk.organization, &format!("correlation={request}")).await;
        (answer, caused)
    };
    desk.graph.script(Rule::on(Act::Send).times(1).refused(131_026));
    let text = json!({"type": "text", "text": {"body": "It is ready."}});
    let path = format!("/v1/conversations/{}/messages", desk.conversation);
    let (sent, caused) = ask(path, text).await;
    let actions = |caused: &[Value]| caused.iter().map(|event| event["action"].clone()).collect();
    let told: Vec<Value> = actions(&caused);
    assert_eq!(told, ["conversation.Failed", "conversation.MessageQueued"]);
    assert_eq!(caused[0]["causation_id"], caused[1]["event_id"]);
    let message = sent.data()["message_id"].as_str().unwrap().to_owned();
    let (_, caused) = ask(format!("/v1/messages/{message}/retry"), Value::Null).await;
    let told: Vec<Value> = actions(&caused);
    assert_eq!(told, ["conversation.Dispatched", "conversation.MessageRetried"]);
    assert_eq!(caused[0]["causation_id"], caused[1]["event_id"]);
}

#[tokio::test]
async fn a_line_at_its_limit_rests_and_then_goes_on_in_order() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Send).times(1).refused(130_429));
    for n in 0..4 {
        desk.say(&format!("{n}")).await;
    }
    desk.drive().await;
    assert_eq!(desk.graph.sent().len(), 0);
    desk.later().await;
    let said: Vec<_> =
        desk.graph.sent().iter().map(|sent| sent.body["text"]["body"].clone()).collect();
    assert_eq!(said, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn a_day_after_the_customers_last_message_the_window_is_closed() {
    let app = App::start().await;
    let organization = app.organization("Baraka").await;
    app.say(&organization, &ANA, "wamid.1", 0, "In March").await;
    let conversation = app.conversation(&organization, &ANA).await;
    let path = format!("/v1/conversations/{conversation}/messages");
    let text = json!({"type": "text", "text": {"body": "Still there?"}});
    let refused = app.post(&organization.agent, &path, text).await;
    assert_eq!(refused.refused(409), "conversation.window_closed");
    assert!(refused.json()["detail"].as_str().unwrap().contains("template"));
    let template =
        json!({"type": "template", "template": {"name": "order_ready", "language": "en"}});
    app.post(&organization.agent, &path, template).await.expect(202);
}

#[tokio::test]
async fn a_message_to_a_number_opens_the_conversation_or_finds_it() {
    let desk = Desk::open().await;
    let template =
        json!({"type": "template", "template": {"name": "order_ready", "language": "en"}});
    let to =
        |to: Value| json!({"channel_id": desk.organization.channel, "to": to, "message": template});
    let path = "/v1/messages";
    let ana = ANA.wa_id.clone().unwrap().into_owned();
    let known = desk
        .app
        .post(&desk.organization.agent, path, to(json!({"phone": format!("+{ana}")})))
        .await;
    if known.status.as_u16() == 202 {
        assert_eq!(known.data()["id"], json!(desk.conversation));
    }
    let new =
        desk.app.post(&desk.organization.agent, path, to(json!({"phone": "+14155552671"}))).await;
    let new = new.expect(202).data()["id"].clone();
    let again =
        desk.app.post(&desk.organization.agent, path, to(json!({"phone": "+14155552671"}))).await;
    assert_eq!(again.expect(202).data()["id"], new);
    let nobody = json!({"contact_id": uuid::Uuid::now_v7()});
    let refused = desk.app.post(&desk.organization.agent, path, to(nobody)).await;
    assert_eq!(refused.refused(422), "contact.not_found");
    let _ = LINE;
}

#[tokio::test]
async fn a_message_that_whatsapp_would_not_take_is_refused_with_what_to_change() {
    let desk = Desk::open().await;
    let path = format!("/v1/conversations/{}/messages", desk.conversation);
    for (message, code) in [
        (json!({"type": "text"}), "message.incomplete"),
        (json!({"type": "text", "text": {"body": " "}}), "message.length"),
        (json!({"type": "image", "image": {}}), "message.file"),
        (json!({"type": "image", "image": {"link": "ftp://x"}}), "message.link"),
        (json!({"type": "audio", "audio": {"id": "1", "caption": "x"}}), "message.caption"),
        (
            json!({"type": "location", "location": {"latitude": 91.0, "longitude": 0.0}}),
            "message.location",
        ),
        (
            json!({"type": "interactive", "interactive": {"type": "button", "action": {"buttons": []}}}),
            "message.interactive",
        ),
    ] {
        let refused = desk.app.post(&desk.organization.agent, &path, message).await;
        assert_eq!(refused.refused(422), code);
    }
}
