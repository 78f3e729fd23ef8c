//! `verbatim demo`: an organisation with one WhatsApp line, and a day of its customers, played
//! over HTTP into the server's own public endpoint.

mod cast;
mod play;
mod screen;

use std::path::Path;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Days, NaiveTime, Utc};
use event_store::Clock;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::server::{Outcome, Server, asked_to_stop};
use crate::settings::Settings;

/// What a person or a script needs to go on from here: `demo.json` in the data directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Demo {
    base_url: String,
    organization_id: Uuid,
    channel_id: Uuid,
    app_secret: String,
    verify_token: String,
    account_id: String,
    phone_number_id: String,
    display_phone_number: String,
    keys: Members<String>,
    /// The members in whose names the keys call.
    users: Members<Uuid>,
    /// Midnight of the day that is played.
    day: DateTime<Utc>,
    played: bool,
}

/// One of something for each member of the organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Members<T> {
    owner: T,
    agent: T,
    agent2: T,
    auditor: T,
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
    let hand = Hand(Arc::default());
    let server = Server::start(settings, Clock::Told(hand.0.clone())).await?;
    let application = server.bind(settings).await?;
    let base_url = format!("http://{}", application.address());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = actix_web::rt::spawn(application.run(async {
        tokio::select! { () = asked_to_stop() => {}, _ = stopped => {} }
    }));
    let prepared = prepare(&server, &file, &base_url, &hand);
    let outcome = tokio::select! {
        outcome = prepared => outcome,
        // Stopped in the middle of the day: the next start plays the rest.
        () = asked_to_stop() => Err("stopped before the day was over".into()),
    };
    let outcome = match outcome {
        Ok(demo) => screen::show(&demo).await,
        failed => failed.map(drop),
    };
    if outcome.is_err() {
        let _ = stop.send(());
    }
    serving.await??;
    server.stop().await;
    outcome
}

/// Founds the organisation and plays the day, or what an earlier start has left of both to do.
async fn prepare(server: &Server, file: &Path, base_url: &str, hand: &Hand) -> Outcome<Demo> {
    let kept = std::fs::read_to_string(file).ok();
    let kept: Option<Demo> = kept.and_then(|text| serde_json::from_str(&text).ok());
    let mut demo = match kept {
        Some(demo) => Demo { base_url: base_url.to_owned(), ..demo },
        None => {
            let yesterday = Utc::now() - Days::new(1);
            let day = yesterday.date_naive().and_time(NaiveTime::MIN).and_utc();
            hand.set(Some(day));
            cast::found(&server.commands, base_url, day).await?
        }
    };
    keep(file, &demo)?;
    if !demo.played {
        play::day(&demo, hand).await?;
        demo.played = true;
        keep(file, &demo)?;
    }
    hand.set(None);
    Ok(demo)
}

/// Written aside and renamed, so that a crash leaves the old file or the new one.
fn keep(file: &Path, demo: &Demo) -> Outcome<()> {
    let scratch = file.with_extension("new");
    std::fs::write(&scratch, serde_json::to_string_pretty(demo)? + "\n")?;
    std::fs::rename(&scratch, file)?;
    Ok(())
}
