//! Clients who go on asking whatever happens to the server, and write down what they are told.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;
use simulators::whatsapp;
use tokio::time::sleep;

use crate::Outcome;
use crate::ask::{Ask, Kind};
use crate::dice::Dice;
use crate::ledger::{Ledger, Told};
use crate::stage::{Stage, app_secret, line};

/// The longest that a client rests between two things.
const REST: Duration = Duration::from_millis(40);
/// Conversations that all clients work on. Messages go to the others as well: to one of them they keep
/// a pace.
const FEW: usize = 12;
/// How long one who insists goes on.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of one request.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Told),
    /// The server says that it can't, and when to come again.
    Later,
    /// Nobody can tell whether it was done.
    Lost,
    /// What no server of ours may say.
    Wrong(String),
}

/// All clients together.
#[derive(Default)]
pub(crate) struct Tally {
    stop: AtomicBool,
    next: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) asked_again: AtomicU64,
    pub(crate) later: AtomicU64,
    pub(crate) lost: AtomicU64,
    slowest_millis: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn finds(&self, wrong: String) {
        self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(wrong);
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How long the slowest answer took.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest_millis.load(Ordering::Relaxed))
    }

    fn count(&self, answer: &Answer, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.slowest_millis.fetch_max(millis, Ordering::Relaxed);
        match answer {
            Answer::Done(_) => {}
            Answer::Later => drop(self.later.fetch_add(1, Ordering::Relaxed)),
            Answer::Lost => drop(self.lost.fetch_add(1, Ordering::Relaxed)),
            Answer::Wrong(what) => self.finds(what.clone()),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        write!(
            f,
            "{} acknowledged, {} asked again, {} told to come later, {} without an answer, \
             the slowest took {:.1} s",
            of(&self.acknowledged),
            of(&self.asked_again),
            of(&self.later),
            of(&self.lost),
            self.slowest().as_secs_f64()
        )
    }
}

/// One client, with a ledger.
pub(crate) struct Client<'a> {
    stage: &'a Stage,
    tally: &'a Tally,
    ledger: Ledger,
    dice: Dice,
}

impl<'a> Client<'a> {
    pub(crate) fn new(
        stage: &'a Stage,
        tally: &'a Tally,
        whose: &str,
        dice: Dice,
    ) -> Outcome<Client<'a>> {
        let ledger = Ledger::open(&stage.dir.join("ledgers"), whose)?;
        Ok(Client { stage, tally, ledger, dice })
    }

    /// Asks for one thing after the other until it is told to stop.
    pub(crate) async fn go_on(mut self) -> Outcome<()> {
        while !self.tally.stopped() {
            let ask = self.thinks_of();
            if let Some(told) = self.wants(&ask).await?
                && ask.kind == Kind::Payout
            {
                let (number, about) = (self.tally.number(), told.id.unwrap_or_default());
                self.wants(&Ask { kind: Kind::Approval, number, about }).await?;
            }
            sleep(self.dice.up_to(REST)).await;
        }
        Ok(())
    }

    fn thinks_of(&mut self) -> Ask {
        let kind = match self.dice.below(100) {
            0..30 => Kind::Note,
            30..50 => Kind::Message,
            50..65 => Kind::Ticket,
            65..80 => Kind::Payout,
            _ => Kind::Webhook,
        };
        let conversations = &self.stage.conversations;
        let about = match kind {
            Kind::Webhook => self.dice.below(FEW as u64).to_string(),
            Kind::Message => self.dice.pick(conversations).cloned().unwrap_or_default(),
            _ => self.dice.pick(&conversations[..FEW]).cloned().unwrap_or_default(),
        };
        Ask { kind, number: self.tally.number(), about }
    }

    /// Asks once; where there is no answer, some insist and some leave it in doubt.
    async fn wants(&mut self, ask: &Ask) -> Outcome<Option<Told>> {
        match self.asks(ask).await? {
            Some(told) => Ok(Some(told)),
            None if self.dice.happens(50) => self.insists(ask).await,
            None => Ok(None),
        }
    }

    /// Asks once.
    pub(crate) async fn asks(&mut self, ask: &Ask) -> Outcome<Option<Told>> {
        self.ledger.asks(ask)?;
        self.tries(ask).await
    }

    /// Asks again until there is an answer.
    pub(crate) async fn insists(&mut self, ask: &Ask) -> Outcome<Option<Told>> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(50)).await;
            self.tally.asked_again.fetch_add(1, Ordering::Relaxed);
            if let Some(told) = self.tries(ask).await? {
                return Ok(Some(told));
            }
        }
        self.tally.finds(format!("{ask} gets no answer in {PATIENCE:?}"));
        Ok(None)
    }

    async fn tries(&mut self, ask: &Ask) -> Outcome<Option<Told>> {
        let began = Instant::now();
        let answer = send(self.stage, ask).await;
        self.tally.count(&answer, began.elapsed());
        let Answer::Done(told) = answer else { return Ok(None) };
        self.ledger.acknowledged(ask, told.clone()).await?;
        self.tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        Ok(Some(told))
    }
}

/// Asks once.
pub(crate) async fn send(stage: &Stage, ask: &Ask) -> Answer {
    let request = if ask.kind == Kind::Webhook {
        let body = ask.told_by(&line());
        let signature = whatsapp::sign(app_secret(), &body);
        stage.http.post(&stage.webhook).header("x-hub-signature-256", signature).body(body)
    } else {
        let by = match ask.kind {
            Kind::Approval => stage.signed_in().await,
            _ => Some(stage.asks.clone()),
        };
        let Some(by) = by else { return Answer::Later };
        let request = stage.http.post(stage.url(&ask.path())).bearer_auth(by);
        let request = request.header("idempotency-key", ask.key());
        if ask.body().is_null() { request } else { request.json(&ask.body()) }
    };
    let Ok(answer) = request.send().await else { return Answer::Lost };
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let Ok(body) = answer.text().await else { return Answer::Lost };
    if ask.kind == Kind::Approval && matches!(status, 401 | 403) {
        // By the server's clock it was too long ago.
        stage.sign_out().await;
        return Answer::Later;
    }
    judge(ask, status, &headers, body)
}

fn judge(ask: &Ask, status: u16, headers: &HeaderMap, body: String) -> Answer {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if (200..300).contains(&status) {
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        let position = header("log-position").and_then(|it| it.split_once('.')?.1.parse().ok());
        // What Meta told before is somewhere below.
        let position = position.filter(|_| told["data"]["duplicates"].as_u64().unwrap_or(0) == 0);
        let id = ask.id_in(&told["data"]).map(str::to_owned);
        if ask.has_key() && (id.is_none() || position.is_none()) {
            return Answer::Wrong(format!(
                "{ask} was answered without saying what and where: {body}"
            ));
        }
        let replayed = header("idempotent-replayed") == Some("true");
        return Answer::Done(Told { status, id, position, body, replayed });
    }
    let is_problem = header("content-type") == Some("application/problem+json");
    let says_when = header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok());
    let passes = matches!(status, 409 | 429 | 503);
    match is_problem && says_when && passes {
        true => Answer::Later,
        false => Answer::Wrong(format!("{ask} was answered {status}: {body}")),
    }
}
