//! A whole server over a database of its own, and clients of it.

use std::time::Duration;

use api::terms::Terms;
use api::{Application, State};
use commands::access;
use commands::gateways::http;
use commands::gateways::whatsapp::graph::{GraphSettings, Graphs};
use commands::{Commands, Meta, setup};
use domain::Actor;
use domain::aggregate::Role;
use event_store::{Clock, Store, log};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use projections::rebuild;
use projections::{MODELS, Model, generation, verify};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::TestDatabase;
use super::document::Exchange;

pub(crate) struct App {
    pub(crate) db: TestDatabase,
    pub(crate) store: Store,
    pub(crate) commands: Commands,
    pub(crate) base_url: String,
    pub(super) client: reqwest::Client,
    /// Held for what it does when it is dropped.
    _stop: (oneshot::Sender<()>, watch::Sender<bool>),
}

/// One more process over the database of an [`App`]: it answers, and leaves feeding to that one.
pub(crate) struct Twin {
    pub(crate) base_url: String,
    pub(super) client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

/// An organisation with one line, one account at PawaPay, and a key for each role.
pub(crate) struct Organization {
    pub(crate) id: Uuid,
    pub(crate) channel: Uuid,
    pub(crate) pawapay: Uuid,
    pub(crate) owner_id: Uuid,
    pub(crate) agent_id: Uuid,
    pub(crate) owner: String,
    pub(crate) agent: String,
    pub(crate) auditor: String,
}

pub(crate) const APP_SECRET: &str = "a secret between us and Meta";
pub(crate) const VERIFY_TOKEN: &str = "a token that we made up";
pub(crate) const ACCESS_TOKEN: &str = "a token that Meta gave us";
pub(crate) const LINE: &str = "1044";
pub(crate) const API_TOKEN: &str = "token";
/// Where nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        self.json()["data"].clone()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// The stable code of a refusal.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// The version in the `ETag`, which may also tell how the thing looked.
    #[track_caller]
    pub(crate) fn version(&self) -> i64 {
        let tag = self.header("etag").trim_matches('"');
        tag.split('.').next().unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl App {
    pub(crate) async fn start() -> App {
        Self::start_at(Clock::Database).await
    }

    /// Record times come from this clock.
    pub(crate) async fn start_at(clock: Clock) -> App {
        Self::start_facing(NOBODY, clock).await
    }

    /// WhatsApp is there.
    pub(crate) async fn start_facing(whatsapp: &str, clock: Clock) -> App {
        Self::start_with(whatsapp, clock, Terms::default(), None).await
    }

    /// Clients are served on these terms.
    pub(crate) async fn start_on(terms: Terms) -> App {
        Self::start_with(NOBODY, Clock::Database, terms, None).await
    }

    /// A server that counts; WhatsApp is there.
    pub(crate) async fn measured(whatsapp: &str) -> App {
        let counts = PrometheusBuilder::new().build_recorder().handle();
        Self::start_with(whatsapp, Clock::Database, Terms::default(), Some(counts)).await
    }

    async fn start_with(
        whatsapp: &str,
        clock: Clock,
        terms: Terms,
        counts: Option<PrometheusHandle>,
    ) -> App {
        let db = TestDatabase::new().await;
        let store = db.store_at(clock).await;
        projections::live::prepare(&db.database).await.unwrap();
        let commands = Commands::new(store.clone());
        let (base_url, stop) = serve(&commands, &db, whatsapp, terms, counts).await;
        let (stop_feeding, told) = watch::channel(false);
        let feed = projections::live::run(db.database.clone(), store.clone(), told.clone());
        tokio::spawn(feed);
        tokio::spawn(projections::search::run(db.database.clone(), store.clone(), told));
        let client = client();
        let _stop = (stop, stop_feeding);
        App { db, store, commands, base_url, client, _stop }
    }

    pub(crate) async fn twin(&self, terms: Terms) -> Twin {
        let commands = Commands::new(self.db.store().await);
        let (base_url, _stop) = serve(&commands, &self.db, NOBODY, terms, None).await;
        Twin { base_url, client: client(), _stop }
    }

    pub(crate) async fn organization(&self, name: &str) -> Organization {
        let commands = &self.commands;
        let id = setup::found_organization(commands, name).await.unwrap();
        let mut keys = vec![];
        for role in [Role::Owner, Role::Agent, Role::Auditor] {
            let user = setup::register_user(commands, id, role.as_str(), role).await.unwrap();
            let meta = Meta::new(id, Actor::System);
            keys.push((user, access::issue(commands, &meta, user, role, "test").await.unwrap()));
        }
        let [(owner_id, owner), (agent_id, agent), (_, auditor)] = keys.try_into().unwrap();
        let channel = self.connect(&owner, shop_line()).await;
        let pawapay = self.connect(&owner, till_account()).await;
        Organization { id, channel, pawapay, owner_id, agent_id, owner, agent, auditor }
    }

    /// Connects a channel; tells its id.
    pub(crate) async fn connect(&self, owner: &str, channel: Value) -> Uuid {
        let connected = self.post(owner, "/v1/channels", channel).await.expect(201);
        connected.data()["id"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.send(Method::GET, key, path, None, &[]).await
    }

    /// Reads what is true since an answer.
    pub(crate) async fn get_since(&self, since: &Answer, key: &str, path: &str) -> Answer {
        let position = since.header("log-position");
        let sign = if path.contains('?') { '&' } else { '?' };
        self.get(key, &format!("{path}{sign}min_position={position}")).await
    }

    pub(crate) async fn patch(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, key, path, Some(body), &[]).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.send(Method::POST, key, path, Some(body), &[]).await
    }

    /// Sends with headers of one's own. `Value::Null` is no body.
    pub(crate) async fn send(
        &self,
        method: Method,
        key: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base_url));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body.filter(|body| !body.is_null()) {
            request = request.json(&body);
        }
        answer(request).await
    }

    /// Sends a body that need not be JSON.
    pub(crate) async fn post_bytes(&self, key: &str, path: &str, body: Vec<u8>) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base_url)).bearer_auth(key);
        answer(request.header("content-type", "application/json").body(body)).await
    }

    /// Sends a file under an idempotency key.
    pub(crate) async fn post_file(
        &self,
        key: &str,
        path: &str,
        (mime_type, bytes): (&str, Vec<u8>),
        idempotency_key: &str,
    ) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base_url)).bearer_auth(key);
        let request = request.header("idempotency-key", idempotency_key);
        answer(request.header("content-type", mime_type).body(bytes)).await
    }

    /// Sends a form, by somebody who shows who they are as HTTP has it, or not.
    pub(crate) async fn post_form(
        &self,
        basic: Option<(&str, &str)>,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let url = format!("{}{path}", self.base_url);
        let body = reqwest::Url::parse_with_params(&url, form).unwrap();
        let mut request = self.client.post(url);
        if let Some((name, password)) = basic {
            request = request.basic_auth(name, Some(password));
        }
        let content = ("content-type", "application/x-www-form-urlencoded");
        answer(request.header(content.0, content.1).body(body.query().unwrap_or("").to_owned()))
            .await
    }

    /// Delivers a webhook as Meta would.
    pub(crate) async fn deliver(&self, channel: Uuid, body: &[u8]) -> Answer {
        let signature = simulators::whatsapp::sign(APP_SECRET, body);
        self.deliver_signed(channel, body, &signature).await
    }

    pub(crate) async fn deliver_signed(
        &self,
        channel: Uuid,
        body: &[u8],
        signature: &str,
    ) -> Answer {
        let url = format!("{}/webhooks/whatsapp/{channel}", self.base_url);
        let request = self.client.post(url).header("x-hub-signature-256", signature);
        answer(request.header("content-type", "application/json").body(body.to_vec())).await
    }

    /// Waits until every read model has taken in everything that the log holds now.
    pub(crate) async fn settle(&self) {
        let pool = &self.db.database.app;
        let head = log::head(pool).await.unwrap();
        for _ in 0..2_000 {
            let mut lowest = projections::search::position(pool).await.unwrap();
            let live = generation::all_live(pool).await.unwrap();
            for model in MODELS.iter() {
                let position = live.get(model.name()).map(|live| live.generation.position);
                lowest = lowest.min(position.unwrap_or(-1));
            }
            if lowest >= head {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the read models do not come to rest at {head}");
    }

    /// Rebuilds read models in one pass.
    pub(crate) async fn rebuild(&self, models: &[&'static dyn Model]) {
        self.rebuild_under(&rebuild::Terms::default(), models).await;
    }

    pub(crate) async fn rebuild_under(
        &self,
        terms: &rebuild::Terms,
        models: &[&'static dyn Model],
    ) -> Vec<rebuild::Rebuilt> {
        let outcomes = rebuild::rebuild(&self.db.database, models, terms, &|_| {}).await.unwrap();
        let rebuilt = outcomes.into_iter().map(|(model, outcome)| {
            outcome.unwrap_or_else(|error| panic!("{}: {error}", model.name()))
        });
        rebuilt.collect()
    }

    /// Lets the time pass that effects, and lines that rest, wait for.
    pub(crate) async fn effects_are_due(&self) {
        let passed = [
            "update effects set due_at = clock_timestamp(), lease_until = clock_timestamp()
              where state in ('pending', 'attempting', 'unknown')",
            "delete from line_rests",
        ];
        for passed in passed {
            sqlx::query(passed).execute(&self.db.database.owner).await.unwrap();
        }
    }

    /// Live rows equal a fresh replay, for every read model.
    pub(crate) async fn assert_verified(&self) {
        self.settle().await;
        for model in MODELS.iter().copied() {
            let verdict = verify::verify(&self.db.database.owner, model).await.unwrap();
            assert_eq!(verdict.difference, None, "{}", model.name());
        }
    }
}

impl Twin {
    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base_url)).bearer_auth(key);
        answer(if body.is_null() { request } else { request.json(&body) }).await
    }

    pub(crate) async fn delete(&self, key: &str, path: &str) -> Answer {
        answer(self.client.delete(format!("{}{path}", self.base_url)).bearer_auth(key)).await
    }
}

/// The line of every organisation, each in its own.
pub(crate) fn shop_line() -> Value {
    json!({
        "provider": "whatsapp", "name": "Shop", "account_id": "1097", "phone_number_id": LINE,
        "display_phone_number": "15550100200", "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN, "access_token": ACCESS_TOKEN,
    })
}

async fn serve(
    commands: &Commands,
    db: &TestDatabase,
    whatsapp: &str,
    terms: Terms,
    counts: Option<PrometheusHandle>,
) -> (String, oneshot::Sender<()>) {
    let state = State::new(commands.clone(), db.database.clone(), graphs(whatsapp), counts);
    let state = state.on(terms);
    let application = Application::bind(state, "127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", application.address());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(application.run(async {
        let _ = stopped.await;
    }));
    (base_url, stop)
}

/// The way to a server that acts as WhatsApp.
pub(crate) fn graphs(base_url: &str) -> Graphs {
    let settings = GraphSettings { base_url: base_url.into(), version: "v23.0".into() };
    Graphs::new(http::client().unwrap(), settings)
}

/// The account of every organisation, as its simulator knows it.
pub(crate) fn till_account() -> Value {
    json!({"provider": "pawapay", "name": "Till", "api_token": API_TOKEN})
}

pub(crate) fn client() -> reqwest::Client {
    // Another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Asks, and holds the answer against the API's document.
async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().to_string(), request.url().path().to_owned());
    let sent = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec);
    let response = client.execute(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    // A stream of events has no end to wait for.
    let is_stream = |told: &HeaderValue| told.as_bytes().starts_with(b"text/event-stream");
    let is_stream = headers.get("content-type").is_some_and(is_stream);
    let text = if is_stream { String::new() } else { response.text().await.unwrap() };
    let exchange = Exchange {
        method: &method,
        path: &path,
        sent: sent.as_deref(),
        status: status.as_u16(),
        headers: &headers,
        text: &text,
    };
    exchange.check();
    Answer { status, headers, text }
}
