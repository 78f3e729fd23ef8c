//! Effects carried out by workers that run: none waits for another's slow call, and what a worker
//! that is gone was about is known at once.

use std::time::Duration;

use chrono::Utc;
use commands::effects::{Effect, Executor, Outcome};
use commands::gateways::http;
use commands::policies::send_messages::{GraphSettings, SendMessages, Sender};
use commands::{Error, effects, policies};
use serde_json::{Value, json};
use simulators::graph::{Account, Graph, Rule, Settings, Window};
use simulators::script::Act;
use simulators::whatsapp;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{ACCESS_TOKEN, APP_SECRET, App, Organization, customer, line};

/// An organisation with WhatsApp at the other end, and with workers once they are begun.
struct Works {
    app: App,
    organization: Organization,
    graph: Graph,
    stop: watch::Sender<bool>,
}

impl Works {
    async fn open() -> Works {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        let account = Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        };
        let settings =
            Settings { accounts: vec![account], window: Window::Open, ..Settings::default() };
        let (graph, (stop, _)) = (Graph::start(settings).unwrap(), watch::channel(false));
        let policy = policies::run(app.commands.clone(), SendMessages, stop.subscribe());
        tokio::spawn(policy);
        Works { app, organization, graph, stop }
    }

    fn sender(&self) -> Sender {
        let settings = GraphSettings { base_url: self.graph.url(), version: "v23.0".into() };
        Sender::new(self.app.commands.clone(), http::client().unwrap(), settings)
    }

    /// Sends what is due, until it is told to stop.
    async fn send(&self) {
        self.work(self.sender()).await;
    }

    async fn work(&self, executor: impl Executor) {
        effects::run(self.app.commands.clone(), executor, self.stop.subscribe()).await;
    }

    /// Queues a text to a customer who has just written.
    async fn say(&self, to: usize) -> String {
        let (who, id) = (customer(to), format!("wamid.hello.{to}"));
        let hello = json!({"body": "Hello"});
        let hello = whatsapp::message(&line(), &who, &id, Utc::now(), "text", hello, Value::Null);
        self.app.tell(&self.organization, hello).await.expect(200);
        let conversation = self.app.conversation(&self.organization, &who).await;
        let path = format!("/v1/conversations/{conversation}/messages");
        let text = json!({"type": "text", "text": {"body": "Hello to you"}});
        let answer = self.app.post(&self.organization.agent, &path, text).await.expect(202);
        answer.data()["message_id"].as_str().unwrap().to_owned()
    }

    async fn state(&self, id: &str) -> String {
        let query = "select state from effects where id = $1::uuid";
        let state = sqlx::query_scalar(query).bind(id);
        let state = state.fetch_optional(&self.app.db.database.owner).await.unwrap();
        state.unwrap_or_else(|| "not yet asked for".to_owned())
    }

    async fn until(&self, id: &str, state: &str) {
        for _ in 0..1_000 {
            if self.state(id).await == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it is {} and not {state}", self.state(id).await);
    }
}

#[tokio::test]
async fn a_slow_answer_keeps_no_other_message_waiting() {
    let works = Works::open().await;
    works.graph.script(Rule::on(Act::Send).times(1).answer_delay(Duration::from_secs(20)));
    let slow = works.say(0).await;
    let rest = async {
        works.until(&slow, "attempting").await;
        for to in 1..4 {
            works.until(&works.say(to).await, "done").await;
        }
    };
    tokio::select! { () = works.send() => unreachable!("nobody stops it"), () = rest => {} }
    assert_eq!(works.state(&slow).await, "attempting");
}

/// Falls over one message.
struct Clumsy {
    sender: Sender,
    over: Uuid,
}

impl Executor for Clumsy {
    const KIND: &'static str = Sender::KIND;

    async fn attempt(&self, effect: &Effect) -> Result<Outcome, Error> {
        assert_ne!(effect.id, self.over, "it falls");
        self.sender.attempt(effect).await
    }

    async fn reconcile(&self, effect: &Effect) -> Result<Outcome, Error> {
        self.sender.reconcile(effect).await
    }
}

#[tokio::test]
async fn a_worker_that_falls_over_one_message_sends_the_others() {
    let works = Works::open().await;
    let (over, sender) = (works.say(0).await, works.sender());
    let clumsy = Clumsy { sender, over: over.parse().unwrap() };
    let rest = async {
        works.until(&over, "attempting").await;
        for to in 1..4 {
            works.until(&works.say(to).await, "done").await;
        }
    };
    tokio::select! { () = works.work(clumsy) => unreachable!("nobody stops it"), () = rest => {} }
    assert_eq!(works.graph.count(), 3);
}

#[tokio::test]
async fn a_worker_that_is_stopped_ends_what_it_has_begun() {
    let works = Works::open().await;
    works.graph.script(Rule::on(Act::Send).answer_delay(Duration::from_millis(400)));
    let begun = works.say(0).await;
    let stop = async {
        works.until(&begun, "attempting").await;
        works.stop.send_replace(true);
    };
    tokio::join!(works.send(), stop);
    assert_eq!(works.state(&begun).await, "done");
}

#[tokio::test]
async fn what_a_worker_that_died_was_about_is_unclear_at_once() {
    let works = Works::open().await;
    works.graph.script(Rule::on(Act::Send).times(1).answer_delay(Duration::from_secs(20)));
    let cut = works.say(0).await;
    let sent = async {
        while works.graph.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! { () = works.send() => unreachable!("nobody stops it"), () = sent => {} }
    let next = works.until(&cut, "unknown");
    tokio::select! { () = works.send() => unreachable!("nobody stops it"), () = next => {} }
    assert_eq!(works.graph.count(), 1, "what may have been sent is not sent again");
}

#[tokio::test]
async fn a_clock_that_was_ahead_keeps_no_message_waiting() {
    let works = Works::open().await;
    let id = works.say(0).await;
    works.until(&id, "pending").await;
    let owner = &works.app.db.database.owner;
    for put_off in [
        "update effects set due_at = due_at + interval '2 hours',
                updated_at = updated_at + interval '2 hours'",
        "insert into line_rests (line, kind, until, since)
         select line, kind, due_at + interval '3 hours', due_at from effects",
    ] {
        sqlx::query(put_off).execute(owner).await.unwrap();
    }
    let sent = works.until(&id, "done");
    tokio::select! { () = works.send() => unreachable!("nobody stops it"), () = sent => {} }
}
