//! Starts what a server is made of, in order, and stops it in reverse.

use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use api::{Application, Serves, State};
use commands::access::letters;
use commands::gateways::http;
use commands::gateways::smtp::Post;
use commands::gateways::whatsapp::graph::{GraphSettings, Graphs};
use commands::policies::release_work::{ReleaseWork, Releaser};
use commands::policies::send_mails::{Mailer, SendMails};
use commands::policies::send_messages::{Pace, SendMessages, Sender};
use commands::policies::submit_payouts::{PawaPaySettings, Payer, SubmitPayouts};
use commands::policies::submit_templates::{SubmitTemplates, Submitter};
use commands::{Commands, attempts, effects, policies, presence, sweep};
use event_store::database::Connections;
use event_store::embedded::{self, Embedded};
use event_store::{Clock, Database, MasterKey, Store};
use futures_util::FutureExt;
use projections::statistics;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use crate::settings::Settings;
use crate::telemetry;

/// Where the providers are.
const WHATSAPP: &str = "https://graph.facebook.com";
const PAWAPAY: &str = "https://api.pawapay.io";

/// How long all workers together may take to end what they are about.
const FAREWELL: Duration = Duration::from_secs(2);
/// Before what panicked begins anew.
const PAUSE: Duration = Duration::from_secs(1);

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
    let server = Server::start(settings, Clock::Database, settings.post(false)?).await?;
    let application = server.bind(settings, false).await?;
    tracing::info!("Listening on http://{}", application.address());
    application.run(asked_to_stop()).await?;
    server.stop().await;
    Ok(())
}

impl Server {
    pub(crate) async fn start(settings: &Settings, clock: Clock, post: Post) -> Outcome<Server> {
        let dir = settings.data_dir();
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
        let commands = Commands::new(store);
        let whatsapp = GraphSettings {
            base_url: settings.whatsapp_base_url().unwrap_or(WHATSAPP).to_owned(),
            version: settings.whatsapp_version.clone(),
        };
        let graphs = Graphs::new(http::client()?, whatsapp.clone());
        let (stop, stopped) = watch::channel(false);
        let mut workers = vec![];
        if settings.role.answers() {
            workers.extend(answering(&commands, &stopped));
        }
        if settings.role.works() {
            projections::live::prepare(&database).await?;
            let callers = Callers::of(settings, &commands, whatsapp, &graphs, post)?;
            workers.extend(feeding(&database, commands.store(), &stopped));
            workers.extend(following(&commands, &stopped));
            workers.extend(callers.calling(&commands, &stopped));
        }
        Ok(Server { commands, graphs, database, embedded, stop, workers })
    }

    /// The HTTP side, listening but not yet answering.
    pub(crate) async fn bind(&self, settings: &Settings, demo: bool) -> Outcome<Application> {
        let state = State::new(
            self.commands.clone(),
            self.database.clone(),
            self.graphs.clone(),
            telemetry::metrics(),
        );
        let serves = if settings.role.answers() { Serves::Everything } else { Serves::Health };
        let state = state.on(settings.terms.told(demo)).serving(serves);
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
        self.commands.store().leases().leave().await;
        self.database.close().await;
        if let Some(embedded) = self.embedded
            && let Err(error) = embedded.stop().await
        {
            tracing::warn!(%error, "The private database did not stop cleanly; it will recover");
        }
    }
}

type Workers = Vec<JoinHandle<()>>;

/// Runs a job until it ends, and anew whenever it panics: one row that nobody foresaw must not end
/// for good what is done for all others.
async fn again<T: Clone, F: Future<Output = ()>>(
    name: &'static str,
    with: T,
    stopped: watch::Receiver<bool>,
    job: impl Fn(T, watch::Receiver<bool>) -> F,
) {
    while AssertUnwindSafe(job(with.clone(), stopped.clone())).catch_unwind().await.is_err() {
        tracing::error!(name, "Panicked; it begins anew");
        sleep(PAUSE).await;
    }
}

/// What is left to do after answers of this process.
fn answering(commands: &Commands, stopped: &watch::Receiver<bool>) -> Workers {
    let (refused, asked) = (commands.clone(), commands.clone());
    vec![
        actix_web::rt::spawn(again("attempts", refused, stopped.clone(), attempts::run)),
        actix_web::rt::spawn(again("letters", asked, stopped.clone(), letters::run)),
    ]
}

/// What follows the log into read models.
fn feeding(database: &Database, store: &Store, stopped: &watch::Receiver<bool>) -> Workers {
    let (live, search) = (database.clone(), database.clone());
    vec![
        tokio::spawn(projections::live::run(live, store.clone(), stopped.clone())),
        tokio::spawn(projections::search::run(search, store.clone(), stopped.clone())),
        tokio::spawn(again("statistics", database.clone(), stopped.clone(), statistics::run)),
    ]
}

/// What follows the log with commands and effects, and looks after what is beside the log.
fn following(commands: &Commands, stopped: &watch::Receiver<bool>) -> Workers {
    let releases = ReleaseWork::new(commands.clone());
    let submits = SubmitTemplates::new(commands.store().clone());
    vec![
        tokio::spawn(policies::run(commands.clone(), releases, stopped.clone())),
        tokio::spawn(policies::run(commands.clone(), SendMails, stopped.clone())),
        tokio::spawn(policies::run(commands.clone(), SendMessages, stopped.clone())),
        tokio::spawn(policies::run(commands.clone(), SubmitPayouts, stopped.clone())),
        tokio::spawn(policies::run(commands.clone(), submits, stopped.clone())),
        actix_web::rt::spawn(again("presence", commands.clone(), stopped.clone(), presence::run)),
        tokio::spawn(again("sweep", commands.clone(), stopped.clone(), sweep::run)),
    ]
}

/// Who carries out effects.
struct Callers {
    mailer: Mailer,
    payer: Payer,
    releaser: Releaser,
    sender: Sender,
    submitter: Submitter,
}

impl Callers {
    fn of(
        settings: &Settings,
        commands: &Commands,
        whatsapp: GraphSettings,
        graphs: &Graphs,
        post: Post,
    ) -> Outcome<Callers> {
        let pawapay = PawaPaySettings {
            base_url: settings.pawapay_base_url().unwrap_or(PAWAPAY).to_owned(),
            grace: PawaPaySettings::GRACE,
        };
        Ok(Callers {
            mailer: Mailer::new(commands.clone(), post),
            payer: Payer::new(commands.clone(), http::client()?, pawapay)?,
            releaser: Releaser::new(commands.clone()),
            sender: Sender::new(commands.clone(), http::client()?, whatsapp)
                .at(Pace::per_second(settings.whatsapp_line_rate)),
            submitter: Submitter::new(commands.clone(), graphs.clone()),
        })
    }

    fn calling(self, commands: &Commands, stopped: &watch::Receiver<bool>) -> Workers {
        // Decisions may borrow across awaits in ways that keep them on one thread.
        vec![
            actix_web::rt::spawn(effects::run(commands.clone(), self.mailer, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), self.payer, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), self.releaser, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), self.sender, stopped.clone())),
            actix_web::rt::spawn(effects::run(commands.clone(), self.submitter, stopped.clone())),
        ]
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_that_panics_begins_anew_until_it_ends_by_itself() {
        let (_stop, stopped) = watch::channel(false);
        let begun = AtomicUsize::new(0);
        let begin = || assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "it falls");
        let job = |(), _| async { begin() };
        again("job", (), stopped, job).await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }
}
