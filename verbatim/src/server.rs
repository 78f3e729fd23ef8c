//! Starts what a server is made of, in order, and stops it in reverse.

use std::error::Error;

use api::{Application, State};
use commands::gateways::http;
use commands::policies::send_messages::{GraphSettings, SendMessages, Sender};
use commands::{Commands, effects, policies};
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::settings::Settings;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Everything but the HTTP side.
pub(crate) struct Server {
    pub(crate) commands: Commands,
    database: Database,
    embedded: Option<Embedded>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
}

/// `verbatim serve`.
pub(crate) async fn serve(settings: &Settings) -> Outcome<()> {
    let server = Server::start(settings, Clock::Database).await?;
    let application = server.bind(settings).await?;
    tracing::info!("Listening on http://{}", application.address());
    application.run(asked_to_stop()).await?;
    server.stop().await;
    Ok(())
}

impl Server {
    pub(crate) async fn start(settings: &Settings, clock: Clock) -> Outcome<Server> {
        let dir = settings.data_dir();
        std::fs::create_dir_all(&dir).map_err(|error| {
            format!("the data directory {} can't be made: {error}", dir.display())
        })?;
        let master = match &settings.master_key {
            Some(hex) => MasterKey::from_hex(hex)?,
            None => MasterKey::from_file(&dir.join("master.key"))?,
        };
        let (options, embedded) = match &settings.database_url {
            Some(url) => (Database::options(url)?, None),
            None => {
                let settings = embedded::Settings { dir, durable: true };
                let embedded = Embedded::start(&settings).await?;
                (embedded.options(), Some(embedded))
            }
        };
        let database = Database::open(options, Connections::default(), true).await?;
        let store = Store::open(database.app.clone(), master, clock).await?;
        projections::live::prepare(&database, &store).await?;
        let commands = Commands::new(store.clone());
        let sender = Sender::new(
            commands.clone(),
            http::client()?,
            GraphSettings {
                base_url: settings.whatsapp_base_url.clone(),
                version: settings.whatsapp_version.clone(),
            },
        );
        let (stop, stopped) = watch::channel(false);
        let workers = vec![
            tokio::spawn(projections::live::run(database.clone(), store.clone(), stopped.clone())),
            tokio::spawn(projections::search::run(
                database.clone(),
                store.clone(),
                stopped.clone(),
            )),
            tokio::spawn(policies::run(store.clone(), SendMessages, stopped.clone())),
            // Decisions may borrow across awaits in ways that keep them on one thread.
            actix_web::rt::spawn(effects::run(store.clone(), sender, stopped)),
        ];
        Ok(Server { commands, database, embedded, stop, workers })
    }

    /// The HTTP side, listening but not yet answering.
    pub(crate) async fn bind(&self, settings: &Settings) -> Outcome<Application> {
        let state = State::new(self.commands.clone(), self.database.clone(), metrics());
        let listen = &settings.listen;
        let application = Application::bind(state, listen)
            .await
            .map_err(|error| format!("can't listen on {listen}: {error}; choose with --listen"))?;
        Ok(application)
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for worker in self.workers {
            let _ = worker.await;
        }
        self.database.close().await;
        if let Some(embedded) = self.embedded
            && let Err(error) = embedded.stop().await
        {
            tracing::warn!(%error, "The private database did not stop cleanly; it will recover");
        }
    }
}

/// What `/metrics` shows. Without it the server serves all the same.
fn metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new()
        .install_recorder()
        .inspect_err(|error| tracing::warn!(%error, "There will be no metrics"))
        .ok()
}

/// Ctrl-C, or the signal that service managers send.
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
