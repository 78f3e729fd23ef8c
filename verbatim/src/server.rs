//! Starts what a server is made of, in order, and stops it in reverse.

use std::error::Error;
use std::time::Duration;

use api::{Application, State};
use commands::gateways::http;
use commands::gateways::smtp::Post;
use commands::gateways::whatsapp::graph::{GraphSettings, Graphs};
use commands::policies::release_work::{ReleaseWork, Releaser};
use commands::policies::send_mails::{Mailer, SendMails};
use commands::policies::send_messages::{SendMessages, Sender};
use commands::policies::submit_payouts::{PawaPaySettings, Payer, SubmitPayouts};
use commands::policies::submit_templates::{SubmitTemplates, Submitter};
use commands::{Commands, effects, policies, presence};
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::settings::Settings;

/// How long all workers together may take to end what they are about.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Everything but the HTTP side.
pub(crate) struct Server {
    pub(crate) commands: Commands,
    graphs: Graphs,
    database: Database,
    embedded: Option<Embedded>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
}

/// `verbatim serve`.
pub(crate) async fn serve(settings: &Settings) -> Outcome<()> {
    let server = Server::start(settings, Clock::Database).await?;
    let application = server.bind(settings, false).await?;
    tracing::info!("Listening on http://{}", application.address());
    application.run(asked_to_stop()).await?;
    server.stop().await;
    Ok(())
}

impl Server {
    pub(crate) async fn start(settings: &Settings, clock: Clock) -> Outcome<Server> {
        let dir = settings.data_dir();
        let post = Post::new(settings.smtp_url(), settings.mail_from())?;
        let told = settings.master_key().map(MasterKey::from_hex).transpose()?;
        let (options, embedded) = match settings.database_url() {
            Some(url) => {
                embedded::make_private_dir(&dir)?;
                (Database::options(url)?, None)
            }
            None => {
                let settings = embedded::Settings { dir: dir.clone(), durable: true };
                let embedded = Embedded::start(&settings).await?;
                (embedded.options(), Some(embedded))
            }
        };
        let database = Database::open(options, Connections::default(), true).await?;
        let master = match told {
            Some(master) => master,
            None => MasterKey::from_file(&dir.join("master.key"))?,
        };
        let store = Store::open(&database, master, clock).await?;
        projections::live::prepare(&database).await?;
        let commands = Commands::new(store.clone());
        let whatsapp = GraphSettings {
            base_url: settings.whatsapp_base_url.clone(),
            version: settings.whatsapp_version.clone(),
        };
        let graphs = Graphs::new(http::client()?, whatsapp.clone());
        let sender = Sender::new(commands.clone(), http::client()?, whatsapp);
        let submitter = Submitter::new(commands.clone(), graphs.clone());
        let payer = Payer::new(
            commands.clone(),
            http::client()?,
            PawaPaySettings {
                base_url: settings.pawapay_base_url.clone(),
                grace: PawaPaySettings::GRACE,
            },
        )?;
        let mailer = Mailer::new(commands.clone(), post);
        let releaser = Releaser::new(commands.clone());
        let (stop, stopped) = watch::channel(false);
        let workers = vec![
            tokio::spawn(projections::live::run(database.clone(), store.clone(), stopped.clone())),
            tokio::spawn(projections::search::run(
                database.clone(),
                store.clone(),
                stopped.clone(),
            )),
            tokio::spawn(policies::run(
                commands.clone(),
                ReleaseWork::new(commands.clone()),
                stopped.clone(),
            )),
            tokio::spawn(policies::run(commands.clone(), SendMails, stopped.clone())),
            tokio::spawn(policies::run(commands.clone(), SendMessages, stopped.clone())),
            tokio::spawn(policies::run(commands.clone(), SubmitPayouts, stopped.clone())),
            tokio::spawn(policies::run(
                commands.clone(),
                SubmitTemplates::new(store.clone()),
                stopped.clone(),
            )),
            // Decisions may borrow across awaits in ways that keep them on one thread.
            actix_web::rt::spawn(effects::run(commands.clone(), mailer, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), payer, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), releaser, stopped.clone())),
            actix_web::rt::spawn(presence::run(commands.clone(), stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), sender, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), submitter, stopped)),
        ];
        Ok(Server { commands, graphs, database, embedded, stop, workers })
    }

    /// The HTTP side, listening but not yet answering.
    pub(crate) async fn bind(&self, settings: &Settings, demo: bool) -> Outcome<Application> {
        let state = State::new(
            self.commands.clone(),
            self.database.clone(),
            self.graphs.clone(),
            metrics(),
        );
        let state = state.on(settings.terms.told(demo));
        let listen = &settings.listen;
        let application = Application::bind(state, listen)
            .await
            .map_err(|error| format!("can't listen on {listen}: {error}; choose with --listen"))?;
        Ok(application)
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        let deadline = Instant::now() + FAREWELL;
        for mut worker in self.workers {
            if timeout_at(deadline, &mut worker).await.is_err() {
                // It waits for a database that is gone. What it does is safe to cut short.
                worker.abort();
            }
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
