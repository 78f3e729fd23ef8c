//! `verbatim demo`: an organisation with a WhatsApp line and a till at PawaPay, simulators at the
//! other end of both, and a day of its people and customers, played over HTTP into the server's own
//! public endpoint.

mod cast;
mod client;
mod play;
mod provider;
mod screen;
mod stage;
mod story;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use event_store::Clock;
use serde::{Deserialize, Serialize};
use simulators::whatsapp::Line;
use uuid::Uuid;

use client::Client;
use play::Play;
use stage::Stage;

use crate::server::{Outcome, Server, asked_to_stop};
use crate::settings::Settings;

/// What a person or a script needs to go on from here: `demo.json` in the data directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Demo {
    base_url: String,
    organization_id: Uuid,
    /// Nil until the line is connected.
    channel_id: Uuid,
    app_secret: String,
    verify_token: String,
    /// What the simulators take. Nothing real is opened by it.
    access_token: String,
    /// Nil until the account at PawaPay is connected.
    till_id: Uuid,
    api_token: String,
    account_id: String,
    phone_number_id: String,
    display_phone_number: String,
    /// Each is empty until it is issued.
    keys: Members<String>,
    /// The members in whose names the keys call.
    users: Members<Uuid>,
    /// The owner signs in for what no key may: to approve payouts.
    #[serde(default)]
    login: Login,
    /// Midnight of the day that is played.
    day: DateTime<Utc>,
    played: bool,
}

/// What somebody signs in with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    email: String,
    password: String,
}

impl Default for Login {
    fn default() -> Login {
        Login { email: "wanjiru@baraka.example".into(), password: random_hex() }
    }
}

/// One of something for each member of the organisation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Members<T> {
    owner: T,
    agent: T,
    agent2: T,
    auditor: T,
}

impl Demo {
    /// All that can be known before anything is founded.
    fn of_yesterday() -> Demo {
        let yesterday = Utc::now() - Days::new(1);
        Demo {
            base_url: String::new(),
            organization_id: Uuid::now_v7(),
            channel_id: Uuid::nil(),
            app_secret: random_hex(),
            verify_token: random_hex(),
            access_token: random_hex(),
            till_id: Uuid::nil(),
            api_token: random_hex(),
            account_id: "109785432100001".into(),
            phone_number_id: "104455667788990".into(),
            display_phone_number: "15550100200".into(),
            keys: Members::default(),
            users: Members {
                owner: Uuid::now_v7(),
                agent: Uuid::now_v7(),
                agent2: Uuid::now_v7(),
                auditor: Uuid::now_v7(),
            },
            login: Login::default(),
            day: yesterday.date_naive().and_time(NaiveTime::MIN).and_utc(),
            played: false,
        }
    }

    /// Before the first customer wrote.
    fn founded_at(&self) -> DateTime<Utc> {
        self.day - TimeDelta::hours(7)
    }

    fn line(&self) -> Line {
        Line {
            account_id: self.account_id.clone(),
            phone_number_id: self.phone_number_id.clone(),
            display_phone_number: self.display_phone_number.clone(),
        }
    }

    fn line_webhook(&self) -> String {
        format!("{}/webhooks/whatsapp/{}", self.base_url, self.channel_id)
    }

    fn till_webhook(&self) -> String {
        format!("{}/webhooks/pawapay/{}", self.base_url, self.till_id)
    }
}

fn random_hex() -> String {
    // Two version 4 UUIDs carry 244 random bits.
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// A hand on the clock that record times come from. Only the demo has one.
#[derive(Clone)]
pub(crate) struct Hand(Arc<RwLock<Option<DateTime<Utc>>>>);

impl Hand {
    fn set(&self, time: Option<DateTime<Utc>>) {
        if let Ok(mut hand) = self.0.write() {
            *hand = time;
        }
    }
}

pub(crate) async fn run(settings: &Settings) -> Outcome<()> {
    let file = settings.data_dir().join("demo.json");
    let mut demo = kept(&file)?.unwrap_or_else(Demo::of_yesterday);
    let hand = Hand(Arc::default());
    let mut stage = Stage::set(settings, &demo)?;
    let settings = stage.faced(settings);
    let server =
        Server::start(&settings, Clock::Told(hand.0.clone()), settings.post(true)?).await?;
    let application = server.bind(&settings, true).await?;
    demo.base_url = format!("http://{}", application.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = actix_web::rt::spawn(application.run(async {
        tokio::select! { () = asked_to_stop() => {}, _ = stopped => {} }
    }));
    let outcome = tokio::select! {
        outcome = prepare(&server, &file, &mut demo, &mut stage, &hand) => outcome,
        // Stopped in the middle of the day: the next start plays the rest.
        () = asked_to_stop() => Err("stopped before the day was over".into()),
    };
    if outcome.is_err() {
        let _ = stop.send(());
    }
    serving.await??;
    server.stop().await;
    outcome
}

/// Founds the organisation and plays the day, or what an earlier start has left of both to do.
async fn prepare(
    server: &Server,
    file: &Path,
    demo: &mut Demo,
    stage: &mut Stage,
    hand: &Hand,
) -> Outcome<()> {
    keep(file, demo)?;
    let client = Client::new(&demo.base_url, server.commands.store().clone());
    if !demo.played {
        hand.set(Some(demo.founded_at()));
        cast::found(&server.commands, &client, demo, |demo| keep(file, demo)).await?;
    }
    stage.open(&client, demo).await?;
    if !demo.played {
        Play::new(demo, &client, hand, stage).day().await?;
        demo.played = true;
        keep(file, demo)?;
    }
    hand.set(None);
    stage.come_alive(demo);
    screen::show(demo, &client).await
}

/// What an earlier start has kept. A file that can't be read is not passed over: the keys to what
/// was founded may be in it.
fn kept(file: &Path) -> Outcome<Option<Demo>> {
    let refusal = |error: &dyn std::error::Error| {
        let file = file.display();
        format!("{file} can't be read ({error}): mend it, or start with another --data-dir").into()
    };
    match std::fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| refusal(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refusal(&error)),
    }
}

/// Written aside and renamed, so that a crash leaves the old file or the new one. It holds keys:
/// only its owner may read it.
fn keep(file: &Path, demo: &Demo) -> Outcome<()> {
    let scratch = file.with_extension("new");
    match std::fs::remove_file(&scratch) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut opened = File::options().create_new(true).write(true).mode(0o600).open(&scratch)?;
    opened.write_all((serde_json::to_string_pretty(demo)? + "\n").as_bytes())?;
    opened.sync_all()?;
    std::fs::rename(&scratch, file)?;
    if let Some(dir) = file.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("demo-{}-{name}.json", Uuid::now_v7()))
    }

    #[test]
    fn the_demos_keys_are_for_their_owner_only() {
        let file = file("rights");
        std::fs::write(&file, "{}").unwrap();
        std::fs::write(file.with_extension("new"), "left behind").unwrap();
        let demo = Demo::of_yesterday();
        keep(&file, &demo).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = kept(&file).unwrap().unwrap();
        assert_eq!(again.organization_id, demo.organization_id);
        assert_eq!((again.users, again.keys), (demo.users, demo.keys));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_broken_file_is_refused_in_one_line_and_a_missing_one_is_the_first_start() {
        let file = file("broken");
        assert!(kept(&file).unwrap().is_none());
        std::fs::write(&file, "{\"organization_id\": \n").unwrap();
        let refusal = kept(&file).unwrap_err().to_string();
        assert!(refusal.contains(&file.display().to_string()), "{refusal}");
        assert_eq!(refusal.lines().count(), 1);
        std::fs::remove_file(file).unwrap();
    }
}
