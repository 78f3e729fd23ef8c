//! Several servers over one durable database, WhatsApp at the other end, and people who write.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use event_store::embedded::{self, Embedded};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use simulators::graph::{self, Graph};
use uuid::Uuid;

use crate::support::{
    ACCESS_TOKEN, APP_SECRET, Founded, Running, Scratch, assert_whole, client, customer, founded,
    line, program, shop_line,
};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Ground {
    pub(super) graph: Graph,
    pub(super) owner: String,
    pub(super) agent: String,
    client: reqwest::Client,
    // The database ends before its directory.
    pub(super) database: Embedded,
    scratch: Scratch,
}

impl Ground {
    pub(super) async fn lay() -> Ground {
        let scratch = Scratch::new();
        std::fs::create_dir_all(&scratch.0).unwrap();
        let settings = embedded::Settings { dir: scratch.0.join("pg"), durable: true };
        let database = Embedded::start(&settings).await.unwrap();
        let Founded { owner, agent, .. } = founded(&database, &scratch).await;
        let account = graph::Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        };
        let settings = graph::Settings { accounts: vec![account], ..Default::default() };
        let graph = Graph::start(settings).unwrap();
        client();
        // A connection that is kept may be given up by a server that slept.
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Ground { graph, owner, agent, client, database, scratch }
    }

    /// One of the programs, over this database.
    pub(super) fn program(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg("--data-dir").arg(self.scratch.0.join("keys"));
        command.env("DATABASE_URL", self.database.url());
        command
    }

    pub(super) fn serve(&self, role: &str) -> Running {
        let mut command = self.program("verbatim");
        command.args(["serve", "--listen", "127.0.0.1:0", "--role", role]);
        command.args(["--limit-address", "0", "--limit-key", "0", "--limit-organization", "0"]);
        command.args(["--whatsapp-base-url", &self.graph.url()]);
        command.env("RUST_LOG", "warn,verbatim=info,event_store=info");
        tokio::task::block_in_place(|| Running::start(command, "Listening on"))
    }

    /// Ends servers as soon as each read model is built; what they leave is whole.
    pub(super) async fn ends_whole<const N: usize>(&self, servers: [Running; N]) {
        for server in &servers {
            self.get(server, "/ready").await;
        }
        assert!(servers.into_iter().all(|server| server.stop().success()));
        assert_whole(|tool| self.program(tool));
    }

    /// The shop's line, of which WhatsApp tells this server.
    pub(super) async fn connect(&self, server: &Running) -> Uuid {
        let connected = self.post(server, &self.owner, "/v1/channels", shop_line()).await;
        assert_eq!(connected.status(), 201);
        let connected: Value = connected.json().await.unwrap();
        let id = connected["data"]["id"].as_str().unwrap().parse().unwrap();
        self.tell(server, id);
        id
    }

    pub(super) fn tell(&self, server: &Running, channel: Uuid) {
        let webhook = format!("{}/webhooks/whatsapp/{channel}", server.base_url);
        self.graph.webhook(&line().phone_number_id, &webhook);
    }

    pub(super) async fn post(
        &self,
        server: &Running,
        key: &str,
        path: &str,
        body: Value,
    ) -> Response {
        let url = format!("{}{path}", server.base_url);
        self.client.post(url).bearer_auth(key).json(&body).send().await.unwrap()
    }

    pub(super) async fn ask(&self, server: &Running, path: &str) -> (StatusCode, String) {
        let url = format!("{}{path}", server.base_url);
        let answer = self.client.get(url).bearer_auth(&self.owner).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Reads, however long that takes.
    pub(super) async fn get(&self, server: &Running, path: &str) -> Value {
        let since = Instant::now();
        loop {
            let (status, text) = self.ask(server, path).await;
            if status == 200 {
                return serde_json::from_str(&text).unwrap();
            }
            assert!(status == 503 && since.elapsed() < PATIENCE, "{path}: {status} {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new contact; tells the `Log-Position` of its answer.
    pub(super) async fn register(&self, server: &Running, name: &str) -> String {
        let answer = self.post(server, &self.agent, "/v1/contacts", json!({"name": name})).await;
        assert_eq!(answer.status(), 201);
        answer.headers()["log-position"].to_str().unwrap().to_owned()
    }

    /// How long it takes until what is written to a server now can be read there.
    pub(super) async fn read_after(&self, server: &Running) -> Duration {
        let position = self.register(server, "Somebody").await;
        let since = Instant::now();
        self.get(server, &format!("/v1/contacts?limit=1&min_position={position}")).await;
        since.elapsed()
    }

    /// A customer writes; tells their conversation.
    pub(super) async fn customer_writes(&self, server: &Running, number: usize) -> String {
        let (who, line) = (customer(number), line().phone_number_id);
        let hello = json!({"body": "Hello"});
        self.graph.customer_writes(&line, &who, "text", hello).unwrap();
        until("the customer is heard", || self.graph.pending() == 0).await;
        let position = self.register(server, "Somebody").await;
        let path = format!("/v1/inbox?status=all&limit=200&min_position={position}");
        let inbox = self.get(server, &path).await;
        let rows = inbox["data"].as_array().unwrap().iter();
        let row = rows.clone().find(|row| row["contact"]["phone"] == json!(who.wa_id)).unwrap();
        row["conversation_id"].as_str().unwrap().to_owned()
    }

    /// Writes back; tells the message's id.
    pub(super) async fn say(&self, server: &Running, conversation: &str, text: &str) -> String {
        let path = format!("/v1/conversations/{conversation}/messages");
        let body = json!({"type": "text", "text": {"body": text}});
        let answer = self.post(server, &self.agent, &path, body).await;
        assert_eq!(answer.status(), 202);
        let said: Value = answer.json().await.unwrap();
        said["data"]["message_id"].as_str().unwrap().to_owned()
    }

    /// How often WhatsApp has sent each message of ours.
    pub(super) fn sent(&self) -> BTreeMap<String, usize> {
        let mut sent = BTreeMap::new();
        for message in self.graph.sent() {
            *sent.entry(message.callback_data.unwrap()).or_default() += 1;
        }
        sent
    }

    /// A number that a server counts, all labels together; none, where it doesn't tell it.
    pub(super) async fn counted(&self, server: &Running, metric: &str) -> Option<f64> {
        let (status, text) = self.ask(server, "/metrics").await;
        assert_eq!(status, 200);
        let samples = text.lines().filter(|line| line.starts_with(metric));
        let values = samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
        values.reduce(|sum, value| sum + value)
    }

    /// Who holds what: the names of leases by the process that holds them.
    pub(super) async fn held(&self) -> BTreeMap<String, BTreeSet<String>> {
        let pool = sqlx::PgPool::connect_with(self.database.options()).await.unwrap();
        let rows: Vec<(String, String)> = sqlx::query_as(
            "select split_part(a.application_name, ' ', 3), l.name from leases l
               join holders h on h.number = l.holder join pg_stat_activity a on a.pid = h.pid
              where is_held(l.name)",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        pool.close().await;
        let mut held = BTreeMap::<_, BTreeSet<_>>::new();
        for (process, lease) in rows {
            held.entry(process).or_default().insert(lease);
        }
        held
    }
}

pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < PATIENCE, "it never was so that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
