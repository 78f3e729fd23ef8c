//! The HTTP server: what its handlers share, and its life from binding to a graceful stop.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use commands::Commands;
use commands::access::Access;
use commands::gateways::whatsapp::graph::Graphs;
use commands::intake::Routes;
use event_store::Database;
use event_store::rate_limit::Leases;
use event_store::tail::Tail;
use metrics_exporter_prometheus::PrometheusHandle;
use projections::conversation_messages::Shown;
use projections::generation::Live;
use projections::inbox;
use projections::letters::Stale;
use socket2::SockRef;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::idempotent::InFlight;
use crate::lately::Lately;
use crate::openapi::{Api, MOST_JSON};
use crate::problem::Problem;
use crate::shared::{Each, Shared};
use crate::terms::Terms;
use crate::together::Together;
use crate::{answers, cors, docs, dry_run, head, limits, patience, refused, routes, trace};

const WORKERS: usize = 2;
/// How long requests that run may take to end when the server stops.
const GRACE_SECONDS: u64 = 10;

/// What a process answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    #[default]
    Everything,
    /// How it is doing, and nothing else.
    Health,
}

/// Live generations by the names of their read models.
pub(crate) type Generations = Arc<HashMap<String, Live>>;

/// All that a page of the inbox depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct InboxPage {
    pub(crate) tenant: Uuid,
    /// Of the inbox and of its contacts. One that was replaced is not fed any more.
    pub(crate) generations: [i32; 2],
    /// How far both have read at least.
    pub(crate) position: i64,
    /// What was opened before an erasure is told to nobody after it.
    pub(crate) erasures: u64,
    pub(crate) stale: Vec<Stale>,
    pub(crate) filter: inbox::Filter,
    pub(crate) after: Option<inbox::Cursor>,
    pub(crate) limit: i64,
}

/// All that first pages of messages depend on, but for the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct MessagesPage {
    pub(crate) tenant: Uuid,
    /// Of the messages and of the inbox.
    pub(crate) generations: [i32; 2],
    pub(crate) seen_by: Option<Uuid>,
    pub(crate) limit: i64,
}

/// Those who wait for them, each for those of one conversation.
type NewestMessages = Together<Uuid, Vec<Shown>, Arc<projections::Error>>;

/// Those who wait for where the last event of a conversation stands that its page may have.
type LastPositions = Together<Uuid, Option<i64>, Arc<projections::Error>>;

/// Rows of such a page, up to where they have all that happened in their conversation, and since when
/// they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) upto: i64,
    pub(crate) since: Instant,
    pub(crate) rows: Arc<[Shown]>,
}

/// What the handlers share.
#[derive(Clone)]
pub struct State {
    pub commands: Commands,
    pub access: Access,
    /// Reads go through its `app` role.
    pub database: Database,
    /// Which line and secrets a channel has.
    pub routes: Routes,
    /// The way to WhatsApp, for handlers that ask it something.
    pub graphs: Graphs,
    pub metrics: Option<PrometheusHandle>,
    /// The log's end, for who listens.
    pub(crate) tail: Tail,
    /// Whether the server stops: answers that go on for long end then.
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) terms: Terms,
    serves: Serves,
    pub(crate) leases: Leases,
    pub(crate) in_flight: InFlight,
    /// Which generations of read models answer.
    pub(crate) live: Arc<Shared<Generations, event_store::Error>>,
    /// Pages of the inbox that are being read, or were a moment ago.
    pub(crate) inbox: Arc<Each<InboxPage, Shared<Bytes, Problem>>>,
    /// Conversations whose newest messages are being read, by what their pages have in common.
    pub(crate) messages: Arc<Each<MessagesPage, NewestMessages>>,
    /// What was read of them lately.
    pub(crate) newest: Arc<Lately<(MessagesPage, Uuid), Newest>>,
    /// Conversations of which it is asked whether that holds.
    pub(crate) last: Arc<Each<MessagesPage, LastPositions>>,
}

impl State {
    pub fn new(
        commands: Commands,
        database: Database,
        graphs: Graphs,
        metrics: Option<PrometheusHandle>,
    ) -> State {
        State {
            access: Access::new(commands.clone()),
            routes: Routes::new(commands.clone()),
            terms: Terms::default(),
            serves: Serves::default(),
            leases: Leases::new(commands.store().clone()),
            in_flight: InFlight::default(),
            live: Arc::default(),
            inbox: Arc::default(),
            messages: Arc::default(),
            newest: Arc::default(),
            last: Arc::default(),
            tail: Tail::of(commands.store().clone()),
            closing: watch::Sender::new(false),
            commands,
            database,
            graphs,
            metrics,
        }
    }

    pub fn on(self, terms: Terms) -> State {
        State { terms, ..self }
    }

    pub fn serving(self, serves: Serves) -> State {
        State { serves, ..self }
    }
}

/// A server that listens already, and answers once it runs.
pub struct Application {
    server: Server,
    address: SocketAddr,
    tail: Tail,
    closing: watch::Sender<bool>,
}

impl Application {
    /// Listens on `listen`; port 0 takes any free one.
    pub async fn bind(state: State, listen: &str) -> io::Result<Application> {
        let (tail, closing) = (state.tail.clone(), state.closing.clone());
        let patience = state.terms.patience;
        let configure = match state.serves {
            Serves::Everything => configure,
            Serves::Health => configure_health,
        };
        let state = Data::new(state);
        let app = move || {
            App::new()
                .app_data(state.clone())
                .configure(configure)
                .wrap(from_fn(head::middleware))
                .wrap(from_fn(patience::middleware))
                .wrap(from_fn(dry_run::middleware))
                .wrap(from_fn(limits::middleware))
                .wrap(from_fn(refused::middleware))
                .wrap(from_fn(trace::middleware))
                .wrap(Compress::default())
                .wrap(safe_headers())
                .wrap(from_fn(cors::middleware))
        };
        let server = HttpServer::new(app)
            .workers(WORKERS)
            .on_connect(move |connection, _| cut_when_stuck(connection, patience))
            .shutdown_timeout(GRACE_SECONDS)
            .disable_signals()
            .bind(listen)?;
        let address = server.addrs().first().copied();
        let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Application { server: server.run(), address, tail, closing })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready; then takes nothing new and ends what runs.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let stop = async {
            shutdown.await;
            self.closing.send_replace(true);
            handle.stop(true).await;
        };
        tokio::select! {
            ended = self.server => ended,
            () = stop => Ok(()),
            () = self.tail.run() => Ok(()),
        }
    }
}

/// A peer that takes in nothing for so long is gone, or may as well be: its connection ends, and
/// with it what is kept for it.
fn cut_when_stuck(connection: &dyn Any, patience: Duration) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>()
        && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(patience))
    {
        tracing::debug!(%error, "A connection goes on without a limit to its patience");
    }
}

/// What keeps a browser from doing with an answer what nobody meant, unless a handler says other.
fn safe_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Cache-Control", "no-store"))
        .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Strict-Transport-Security", "max-age=31536000"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
}

/// Limits, answers to what no handler sees, and the routes.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(web::PayloadConfig::new(MOST_JSON))
        .app_data(web::PathConfig::default().error_handler(answers::path))
        .configure(|cfg| {
            let mut api = Api::default();
            routes::declare(&mut api);
            api.serve(cfg);
        })
        .configure(docs::routes)
        .default_service(web::to(answers::nowhere));
}

/// How the process is doing.
fn configure_health(cfg: &mut ServiceConfig) {
    let mut api = Api::default();
    routes::declare_health(&mut api);
    api.serve(cfg);
    cfg.default_service(web::to(answers::elsewhere));
}
