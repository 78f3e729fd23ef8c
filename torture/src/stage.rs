//! Where it happens: a durable database, the server over it as a process of its own, and providers
//! at the other end whose ledgers say what really left.

mod found;

pub(crate) use found::app_secret;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use simulators::graph::{self, Graph};
use simulators::pawapay::{self, Pawapay};
use simulators::smtp::Sink;
pub(crate) use simulators::whatsapp::{customer, line};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::cluster::Cluster;
use crate::programs::{Process, Programs, free_port, panics};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
const PAUSE: Duration = Duration::from_millis(20);
const APP_SECRET: &str = "a secret between us and Meta";
const ACCESS_TOKEN: &str = "a token that Meta gave us";

/// What a stage is made of beside the programs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    /// How the server finds the database, where it does not go there straight.
    pub(crate) database_url: Option<String>,
    /// Variables of the server's environment.
    pub(crate) environment: Vec<(String, String)>,
}

pub(crate) struct Stage {
    pub(crate) dir: PathBuf,
    pub(crate) cluster: Cluster,
    pub(crate) graph: Graph,
    pub(crate) pawapay: Pawapay,
    pub(crate) http: reqwest::Client,
    /// Keys of two people: one asks for payouts, the other decides.
    pub(crate) asks: String,
    pub(crate) decides: String,
    /// With what the second approves payouts, which no key may, and since when.
    session: tokio::sync::Mutex<Option<(Instant, String)>>,
    pub(crate) webhook: String,
    /// One with each customer, in their order.
    pub(crate) conversations: Vec<String>,
    programs: Programs,
    setting: Setting,
    mail: Sink,
    port: u16,
    server: Mutex<Option<Process>>,
}

impl Stage {
    /// An organisation with customers, on a running server.
    pub(crate) async fn set(
        dir: PathBuf,
        cluster: Cluster,
        programs: Programs,
        setting: Setting,
    ) -> Outcome<Stage> {
        let account = graph::Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: None,
        };
        // How fast one may write to somebody is not the question here.
        let settings = graph::Settings {
            accounts: vec![account],
            throughput: None,
            pair: None,
            ..graph::Settings::default()
        };
        let signs = pawapay::Settings { signs: true, ..pawapay::Settings::default() };
        let mut stage = Stage {
            dir,
            cluster,
            graph: Graph::start(settings)?,
            pawapay: Pawapay::start(signs)?,
            http: reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?,
            asks: String::new(),
            decides: String::new(),
            session: tokio::sync::Mutex::default(),
            webhook: String::new(),
            conversations: vec![],
            programs,
            setting,
            mail: Sink::start()?,
            port: free_port()?,
            server: Mutex::new(None),
        };
        stage.raise().await?;
        stage.found().await?;
        Ok(stage)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// One of the programs, straight over the database.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = self.programs.command(name);
        command.arg("--data-dir").arg(self.dir.join("keys"));
        command.env("DATABASE_URL", self.cluster.url());
        command
    }

    fn serve(&self) -> Command {
        let mut command = self.program("verbatim");
        command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)]);
        // All clients are one address here.
        command.args(["--limit-key", "0", "--limit-address", "0", "--limit-organization", "0"]);
        command.args(["--whatsapp-base-url", &self.graph.url(), "--whatsapp-line-rate", "1000"]);
        command.args(["--pawapay-base-url", &self.pawapay.url()]);
        command.args(["--smtp-url", &self.mail.url(), "--mail-from", "post@verbatim.example"]);
        command.env("RUST_LOG", "warn,verbatim=info");
        if let Some(url) = &self.setting.database_url {
            command.env("DATABASE_URL", url);
        }
        command.envs(self.setting.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the server where it does not run, without waiting for it.
    pub(crate) async fn raise_server(&self) -> Outcome<()> {
        let mut server = self.server.lock().await;
        if !server.as_mut().is_some_and(Process::runs) {
            *server = Some(Process::start(self.serve(), &self.log())?);
        }
        Ok(())
    }

    /// Starts whatever does not run, again and again as a service manager does, until the server
    /// is ready.
    pub(crate) async fn raise(&self) -> Outcome<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.cluster.raise().await?;
            self.raise_server().await?;
            if timeout(Duration::from_secs(3), self.is_ready()).await.unwrap_or_default() {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err("the server does not become ready".into())
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let answer = self.http.get(self.url("/ready")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    pub(crate) async fn kill_server(&self) {
        if let Some(mut server) = self.server.lock().await.take() {
            server.kill();
        }
    }

    /// Whether the process that was started last is still there.
    pub(crate) async fn server_runs(&self) -> bool {
        self.server.lock().await.as_mut().is_some_and(Process::runs)
    }

    pub(crate) async fn stop_server(&self) -> Outcome<bool> {
        match self.server.lock().await.take() {
            Some(mut server) => tokio::task::block_in_place(|| server.stop()),
            None => Ok(true),
        }
    }

    pub(crate) fn panics(&self) -> Vec<String> {
        panics(&self.log())
    }

    /// Reads, once the read models are there.
    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        let began = Instant::now();
        loop {
            let request = self.http.get(self.url(path)).bearer_auth(&self.decides);
            let told = match request.send().await {
                Ok(answer) if answer.status() == 200 => return Ok(answer.json().await?),
                Ok(answer) => format!("{}: {}", answer.status(), answer.text().await?),
                Err(error) => error.to_string(),
            };
            if began.elapsed() > PATIENCE {
                return Err(format!("{path} can't be read: {told}").into());
            }
            sleep(PAUSE).await;
        }
    }

    /// All pages of a list, as of that position or later.
    pub(crate) async fn all(&self, path: &str, position: i64) -> Outcome<Vec<Value>> {
        let first = format!("{path}?limit=200&min_position=1.{position}");
        let (mut rows, mut next) = (vec![], Some(first.clone()));
        while let Some(path) = next {
            let page = self.get(&path).await?;
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            next = page["meta"]["next_cursor"].as_str().map(|it| format!("{first}&cursor={it}"));
        }
        Ok(rows)
    }

    /// Waits until the providers have told all, and nothing of ours is due or could be asked about.
    pub(crate) async fn comes_to_rest(&self) -> Outcome<()> {
        let began = Instant::now();
        loop {
            let open = "/v1/payouts?status=requested,approved,submitted,unknown&limit=20";
            let payouts = self.get(open).await?["data"].as_array().map_or(0, Vec::len);
            let failed = self.get("/v1/messages/failed").await?;
            let told = failed["meta"]["statistics"].as_array().cloned().unwrap_or_default();
            let under_way =
                |row: &&Value| ["pending", "attempting"].map(Value::from).contains(&row["state"]);
            let messages = told.iter().filter(under_way).count();
            // First those whose end may set off callbacks.
            if payouts + messages + self.graph.pending() + self.pawapay.pending() == 0 {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("no rest: {payouts} payouts open, messages {told:?}").into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
