//! The HTTP server: what its handlers share, and its life from binding to a graceful stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, DefaultHeaders, from_fn};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use commands::Commands;
use commands::access::Access;
use commands::gateways::whatsapp::graph::Graphs;
use commands::intake::Routes;
use event_store::Database;
use event_store::rate_limit::Leases;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::idempotent::InFlight;
use crate::openapi::Api;
use crate::terms::Terms;
use crate::{answers, cors, docs, limits, patience, routes, trace};

const WORKERS: usize = 2;
/// How long requests that run may take to end when the server stops.
const GRACE_SECONDS: u64 = 10;
/// What a JSON body may measure.
const MOST_JSON: usize = 1 << 20;

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
    pub(crate) terms: Terms,
    pub(crate) leases: Leases,
    pub(crate) in_flight: InFlight,
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
            leases: Leases::new(commands.store().clone()),
            in_flight: InFlight::default(),
            commands,
            database,
            graphs,
            metrics,
        }
    }

    pub fn on(self, terms: Terms) -> State {
        State { terms, ..self }
    }
}

/// A server that listens already, and answers once it runs.
pub struct Application {
    server: Server,
    address: SocketAddr,
}

impl Application {
    /// Listens on `listen`; port 0 takes any free one.
    pub async fn bind(state: State, listen: &str) -> io::Result<Application> {
        let state = Data::new(state);
        let app = move || {
            App::new()
                .app_data(state.clone())
                .configure(configure)
                .wrap(from_fn(patience::middleware))
                .wrap(from_fn(limits::middleware))
                .wrap(from_fn(trace::middleware))
                .wrap(Compress::default())
                .wrap(safe_headers())
                .wrap(from_fn(cors::middleware))
        };
        let server = HttpServer::new(app)
            .workers(WORKERS)
            .shutdown_timeout(GRACE_SECONDS)
            .disable_signals()
            .bind(listen)?;
        let address = server.addrs().first().copied();
        let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Application { server: server.run(), address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready; then takes nothing new and ends what runs.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let handle = self.server.handle();
        let stop = async {
            shutdown.await;
            handle.stop(true).await;
        };
        tokio::select! {
            ended = self.server => ended,
            () = stop => Ok(()),
        }
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
        .app_data(web::QueryConfig::default().error_handler(answers::query))
        .app_data(web::PathConfig::default().error_handler(answers::path))
        .configure(|cfg| {
            let mut api = Api::default();
            routes::declare(&mut api);
            api.serve(cfg);
        })
        .configure(docs::routes)
        .default_service(web::to(answers::nowhere));
}
