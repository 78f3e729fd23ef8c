//! Where it happens: a durable database, the server over it as a process of its own, and both
//! providers in this one.

use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use event_store::embedded::{self, Embedded};
use serde_json::{Value, json};
use simulators::graph::{self, Graph};
use simulators::pawapay::{self, Pawapay};
use simulators::whatsapp::Line;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::{
    ACCESS_TOKEN, APP_SECRET, Founded, Running, Scratch, client, customer, founded, program,
    till_account,
};

/// One number may not send fast enough for all.
const LINES: usize = 4;
/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Stage {
    pub(super) graph: Graph,
    pub(super) pawapay: Pawapay,
    pub(super) agent: String,
    pub(super) owner: String,
    /// What the owner signs in with.
    pub(super) login: Value,
    /// What they got for it, and when.
    pub(super) token: tokio::sync::Mutex<Option<(Instant, String)>>,
    pub(super) channels: Vec<Uuid>,
    pub(super) client: reqwest::Client,
    account: Uuid,
    /// Where the server is at the moment.
    address: watch::Sender<String>,
    server: Mutex<Option<Running>>,
    // These drop in this order: the database ends before its directory.
    database: Embedded,
    scratch: Scratch,
}

/// A customer as we know them.
pub(super) struct Known {
    pub(super) conversation: String,
    pub(super) contact: String,
}

/// The wallet that a payout goes to.
pub(super) fn wallet(payout: usize) -> String {
    format!("250788{payout:06}")
}

fn line(number: usize) -> Line {
    Line {
        account_id: format!("1097{number}"),
        phone_number_id: format!("1044{number}"),
        display_phone_number: format!("1555010020{number}"),
    }
}

fn line_of_ours(number: usize) -> Value {
    let Line { account_id, phone_number_id, display_phone_number } = line(number);
    json!({
        "provider": "whatsapp", "name": format!("Line {number}"), "account_id": account_id,
        "phone_number_id": phone_number_id, "display_phone_number": display_phone_number,
        "app_secret": APP_SECRET, "verify_token": "made up", "access_token": ACCESS_TOKEN,
    })
}

impl Stage {
    pub(super) async fn set() -> Stage {
        let scratch = Scratch::new();
        std::fs::create_dir_all(&scratch.0).unwrap();
        let settings = embedded::Settings { dir: scratch.0.join("pg"), durable: true };
        let database = Embedded::start(&settings).await.unwrap();
        let Founded { owner, agent, login } = founded(&database, &scratch).await;
        let accounts = (0..LINES).map(|number| graph::Account {
            line: line(number),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        });
        let settings = graph::Settings { accounts: accounts.collect(), ..Default::default() };
        let signs = pawapay::Settings { signs: true, ..Default::default() };
        let mut stage = Stage {
            graph: Graph::start(settings).unwrap(),
            pawapay: Pawapay::start(signs).unwrap(),
            agent,
            owner,
            login,
            token: tokio::sync::Mutex::default(),
            channels: vec![],
            client: client(),
            account: Uuid::nil(),
            address: watch::channel(String::new()).0,
            server: Mutex::new(None),
            database,
            scratch,
        };
        stage.start();
        for number in 0..LINES {
            let connected = stage.connect(line_of_ours(number)).await;
            stage.channels.push(connected);
        }
        let mut account = till_account();
        account["callback_public_key"] = json!(stage.pawapay.public_key());
        stage.account = stage.connect(account).await;
        stage.tell_providers();
        stage
    }

    async fn connect(&self, channel: Value) -> Uuid {
        let request = self.client.post(self.url("/v1/channels")).bearer_auth(&self.owner);
        let answer = request.json(&channel).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let connected: Value = answer.json().await.unwrap();
        connected["data"]["id"].as_str().unwrap().parse().unwrap()
    }

    fn start(&self) {
        let mut command = self.program("verbatim");
        // All clients are one address here.
        command.args(["serve", "--listen", "127.0.0.1:0", "--limit-address", "0"]);
        command.args(["--limit-key", "0", "--limit-organization", "0"]);
        command.args(["--whatsapp-base-url", &self.graph.url()]);
        command.args(["--pawapay-base-url", &self.pawapay.url()]);
        command.env("RUST_LOG", "warn,verbatim=info");
        let running = tokio::task::block_in_place(|| Running::start(command, "Listening on"));
        self.address.send_replace(running.base_url.clone());
        *self.server.lock().unwrap() = Some(running);
        self.tell_providers();
    }

    /// Where the server is now.
    fn tell_providers(&self) {
        for (number, channel) in self.channels.iter().enumerate() {
            let webhook = self.url(&format!("/webhooks/whatsapp/{channel}"));
            self.graph.webhook(&line(number).phone_number_id, &webhook);
        }
        self.pawapay.callback(&self.url(&format!("/webhooks/pawapay/{}", self.account)));
    }

    pub(super) fn kill_and_start_again(&self) {
        if let Some(mut server) = self.server.lock().unwrap().take() {
            server.kill();
        }
        self.start();
    }

    /// Ends the server as a service manager does.
    pub(super) fn stop(&self) {
        let server = self.server.lock().unwrap().take();
        assert!(tokio::task::block_in_place(|| server.unwrap().stop()).success());
    }

    /// One of the programs, over this database.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg("--data-dir").arg(self.scratch.0.join("keys"));
        command.env("DATABASE_URL", self.database.url());
        command
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", *self.address.borrow())
    }

    /// Each customer writes to one of the lines; returns who they are to us.
    pub(super) async fn customers_write(&self, customers: usize) -> Vec<Known> {
        for number in 0..customers {
            let line = line(number % LINES).phone_number_id;
            let hello = json!({"body": format!("Hello from {number}")});
            self.graph.customer_writes(&line, &customer(number), "text", hello).unwrap();
        }
        until(|| self.graph.pending() == 0).await;
        let rows = self.all("/v1/inbox?status=all", &self.position().await).await;
        let of = |number: usize| {
            let phone = json!(customer(number).wa_id);
            let row = rows.iter().find(|row| row["contact"]["phone"] == phone).unwrap();
            let id = |value: &Value| value.as_str().unwrap().to_owned();
            Known { conversation: id(&row["conversation_id"]), contact: id(&row["contact"]["id"]) }
        };
        (0..customers).map(of).collect()
    }

    /// Waits until the providers have told all, and nothing of ours is due or could be asked about.
    pub(super) async fn comes_to_rest(&self) {
        let began = Instant::now();
        loop {
            let on_their_way = self.graph.pending() + self.pawapay.pending();
            let open = "/v1/payouts?status=requested,approved,submitted,unknown&limit=20";
            let payouts = self.get(open).await["data"].as_array().unwrap().len();
            let failed = self.get("/v1/messages/failed").await;
            let statistics = failed["meta"]["statistics"].as_array().unwrap();
            let under_way =
                |row: &&Value| row["state"] == "pending" || row["state"] == "attempting";
            let messages = statistics.iter().filter(under_way).count();
            // First those whose end may set off callbacks.
            if payouts + messages == 0 && on_their_way == 0 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no rest: {payouts} payouts, {statistics:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Reads, once the read models are there.
    async fn get(&self, path: &str) -> Value {
        let began = Instant::now();
        loop {
            let request = self.client.get(self.url(path)).bearer_auth(&self.owner);
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            if status == 200 {
                return serde_json::from_str(&text).unwrap();
            }
            assert!(status == 503 && began.elapsed() < PATIENCE, "{path}: {status} {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where the log stands now: a command that changes nothing of interest tells it.
    pub(super) async fn position(&self) -> String {
        let request = self.client.post(self.url("/v1/contacts")).bearer_auth(&self.agent);
        let answer = request.json(&json!({"name": "Somebody"})).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["log-position"].to_str().unwrap().to_owned()
    }

    /// All pages of a list, as of that position or later.
    pub(super) async fn all(&self, path: &str, min_position: &str) -> Vec<Value> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{sign}limit=200&min_position={min_position}");
        let (mut rows, mut next) = (vec![], Some(first.clone()));
        while let Some(path) = next {
            let page = self.get(&path).await;
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["meta"]["next_cursor"].as_str().map(|it| format!("{first}&cursor={it}"));
        }
        rows
    }
}

async fn until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "it does not come to an end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
