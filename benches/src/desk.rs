//! Two servers side by side over the same database server, Verbatim's and the peer's, with the same
//! customers writing to both.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::Utc;
use commands::access;
use commands::{Commands, Meta, setup};
use domain::Actor;
use domain::aggregate::Role;
use event_store::log as events;
use projections::search;
use serde_json::{Value, json};
use simulators::whatsapp::{self, Line, customer, line};
use tokio::time::sleep;
use uuid::Uuid;

use crate::Outcome;
use crate::bench::{Bench, Log};
use crate::history::Shop;
use crate::http::{self, Wire};
use crate::load::{Client, Contestant};
use crate::peer::app as peer;
use crate::programs::{self, Running};

const APP_SECRET: &str = "a secret between us and Meta";
/// How many ask at the same time.
pub(crate) const CLIENTS: usize = 64;
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct Desk {
    pub(crate) ours: Side,
    pub(crate) peer: Side,
    log: Log,
    servers: [Running; 2],
}

/// One of the two, as its clients know it.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    webhook: String,
    secret: &'static str,
    /// Conversations with everybody who wrote before the first clock ran.
    pub(crate) conversations: Vec<Uuid>,
}

/// An organisation, as the program's first start finds it, and a key of its owner.
pub(crate) async fn found(log: &Log) -> Outcome<(Shop, String)> {
    let commands = Commands::new(log.store.clone());
    let tenant = setup::found_organization(&commands, "Baraka").await?;
    let owner = setup::register_user(&commands, tenant, "Ada", Role::Owner).await?;
    let meta = Meta::new(tenant, Actor::System);
    let key = access::issue(&commands, &meta, owner, Role::Owner, "bench").await?;
    Ok((Shop { tenant, channel: Uuid::now_v7() }, key))
}

impl Desk {
    pub(crate) async fn open(bench: &Bench) -> Outcome<Desk> {
        let log = bench.log("desk_ours").await?;
        let (_, key) = found(&log).await?;
        let server = programs::verbatim(bench, log.name).await?;
        let channel = connect(server.address, &key).await?;
        let ours = Side {
            address: server.address,
            key,
            webhook: format!("/webhooks/whatsapp/{channel}"),
            secret: APP_SECRET,
            conversations: vec![],
        };
        bench.stock("desk_peer", 1).await?.close().await;
        let other = programs::peer(bench, "desk_peer").await?;
        let peer = Side {
            address: other.address,
            key: peer::KEY.to_owned(),
            webhook: "/webhooks/whatsapp".to_owned(),
            secret: peer::APP_SECRET,
            conversations: vec![],
        };
        let mut desk = Desk { ours, peer, log, servers: [server, other] };
        desk.introduce(bench.scale.customers).await?;
        Ok(desk)
    }

    /// Everybody has written to both before.
    async fn introduce(&mut self, customers: usize) -> Outcome<()> {
        for side in [&self.ours, &self.peer] {
            let mut meeting = tokio::task::JoinSet::new();
            for mut customers in Customers::of(side, customers).await? {
                meeting.spawn(async move { customers.introduce().await });
            }
            while let Some(met) = meeting.join_next().await {
                met??;
            }
        }
        self.caught_up().await?;
        self.ours.conversations = sqlx::query_scalar("select conversation_id from read.inbox")
            .fetch_all(&self.log.database.owner)
            .await?;
        self.peer.conversations =
            (0..customers).map(|number| peer::conversation_with(&phone(number))).collect();
        Ok(())
    }

    /// Waits until all read models have read what the log holds now. Returns how long.
    pub(crate) async fn caught_up(&self) -> Outcome<Duration> {
        caught_up(&self.log).await
    }

    pub(crate) async fn close(self, bench: &Bench) -> Outcome<()> {
        for server in self.servers {
            server.stop()?;
        }
        self.log.close(bench).await?;
        bench.cluster.remove("desk_peer").await
    }
}

/// Waits until all read models, and the search, have read what the log holds now.
pub(crate) async fn caught_up(log: &Log) -> Outcome<Duration> {
    let started = Instant::now();
    let pool = &log.database.owner;
    let head = events::head(pool).await?;
    loop {
        let lowest: Option<i64> =
            sqlx::query_scalar("select min(position) from generations where state = 'live'")
                .fetch_one(pool)
                .await?;
        if lowest.unwrap_or_default() >= head && search::position(pool).await? >= head {
            return Ok(started.elapsed());
        }
        sleep(PAUSE).await;
    }
}

/// Connects the line that customers write to.
async fn connect(address: SocketAddr, key: &str) -> Outcome<Uuid> {
    let Line { account_id, phone_number_id, display_phone_number } = line();
    let channel = json!({
        "provider": "whatsapp", "name": "Shop", "account_id": account_id,
        "phone_number_id": phone_number_id, "display_phone_number": display_phone_number,
        "app_secret": APP_SECRET, "verify_token": "made up", "access_token": "made up",
    });
    let mut wire = Wire::connect(address).await?;
    let bearer = format!("Bearer {key}");
    let body = channel.to_string();
    wire.ask(&http::post("/v1/channels", ("authorization", &bearer), body.as_bytes())).await?;
    Ok(serde_json::from_value(wire.json()?["data"]["id"].take())?)
}

fn phone(number: usize) -> String {
    customer(number).wa_id.unwrap_or_default().into_owned()
}

/// Some of the customers, who share a connection of the provider's and write by turns. Nobody else
/// writes in their conversations at the same time.
pub(crate) struct Customers {
    provider: Provider,
    letters: Vec<Letter>,
    turn: usize,
    /// The next who has never written before.
    stranger: usize,
}

/// Messages that everybody has sent before the clock runs: not quite a page of the conversation.
pub(crate) const PAST: usize = 40;
/// One message in so many is from somebody new, who is not heard of again.
const STRANGERS: usize = 10;

impl Customers {
    /// Everybody, by their connections.
    pub(crate) async fn of(side: &Side, customers: usize) -> Outcome<Vec<Customers>> {
        let mut all = vec![];
        for first in 0..CLIENTS.min(customers) {
            all.push(Customers {
                provider: Provider::to(side).await?,
                letters: (first..customers).step_by(CLIENTS).map(Letter::from).collect(),
                turn: 0,
                stranger: customers + first * 100_000,
            });
        }
        Ok(all)
    }

    async fn introduce(&mut self) -> Outcome<()> {
        for known in &self.letters {
            self.provider.post(&letter(known.number, PAST)).await?;
        }
        Ok(())
    }
}

/// A connection by which the provider tells what its customers write.
struct Provider {
    wire: Wire,
    webhook: String,
    secret: &'static str,
}

impl Provider {
    async fn to(side: &Side) -> Outcome<Provider> {
        let wire = Wire::connect(side.address).await?;
        Ok(Provider { wire, webhook: side.webhook.clone(), secret: side.secret })
    }

    async fn post(&mut self, body: &[u8]) -> Outcome<()> {
        let signature = whatsapp::sign(self.secret, body);
        let request = http::post(&self.webhook, ("x-hub-signature-256", &signature), body);
        self.wire.ask(&request).await
    }
}

/// The body of a webhook in which somebody says something, made before the clock runs. Only the
/// message's id is written anew each time.
struct Letter {
    number: usize,
    body: Vec<u8>,
    id_at: usize,
}

/// The body of a webhook in which somebody says so many things.
fn letter(number: usize, messages: usize) -> Vec<u8> {
    let person = customer(number);
    let said = |_| {
        let content = json!({"body": "Is the red pot still there?"});
        whatsapp::said(&person, &wamid(), Utc::now(), "text", content, Value::Null)
    };
    let said = whatsapp::messages(&line(), &[&person], (0..messages).map(said).collect());
    whatsapp::bytes(whatsapp::envelope(&line(), "messages", said))
}

impl Letter {
    fn from(number: usize) -> Letter {
        let body = letter(number, 1);
        let id_at = body.windows(WAMID.len()).position(|found| found == WAMID.as_bytes());
        Letter { number, body, id_at: id_at.unwrap_or_default() }
    }

    fn anew(&mut self) -> &[u8] {
        let id = wamid();
        self.body[self.id_at..self.id_at + id.len()].copy_from_slice(id.as_bytes());
        &self.body
    }
}

/// How the ids of messages begin.
const WAMID: &str = "wamid.";

fn wamid() -> String {
    format!("{WAMID}{}", Uuid::now_v7().simple())
}

impl Client for Customers {
    async fn act(&mut self) -> Outcome<()> {
        self.turn += 1;
        if self.turn.is_multiple_of(STRANGERS) {
            self.stranger += 1;
            return self.provider.post(&letter(self.stranger, 1)).await;
        }
        let which = self.turn % self.letters.len();
        self.provider.post(self.letters[which].anew()).await
    }
}

/// A colleague with some of the conversations.
pub(crate) struct Colleague {
    pub(crate) wire: Wire,
    notes: Vec<Vec<u8>>,
    messages: Vec<Vec<u8>>,
    inbox: Vec<u8>,
    turn: usize,
    /// Of so many turns, one is a note and the others read. 1: all are notes.
    one_note_in: usize,
}

impl Colleague {
    /// All of them.
    pub(crate) async fn of(side: &Side, one_note_in: usize) -> Outcome<Contestant<Colleague>> {
        let mut all = vec![];
        for first in 0..CLIENTS.min(side.conversations.len()) {
            let own: Vec<Uuid> =
                side.conversations.iter().skip(first).step_by(CLIENTS).copied().collect();
            all.push(Colleague {
                wire: Wire::connect(side.address).await?,
                notes: own.iter().map(|id| note(*id, &side.key)).collect(),
                messages: own.iter().map(|id| messages(*id, &side.key)).collect(),
                inbox: http::get("/v1/inbox", &side.key),
                // Not all at the same thing at the same time.
                turn: first,
                one_note_in,
            });
        }
        Ok(Contestant::new(all))
    }
}

pub(crate) fn note(conversation: Uuid, key: &str) -> Vec<u8> {
    let body = json!({"body": "Wants the pot before Friday. Call back in the morning."});
    let path = format!("/v1/conversations/{conversation}/notes");
    let bearer = format!("Bearer {key}");
    http::post(&path, ("authorization", &bearer), body.to_string().as_bytes())
}

fn messages(conversation: Uuid, key: &str) -> Vec<u8> {
    http::get(&format!("/v1/conversations/{conversation}/messages"), key)
}

impl Client for Colleague {
    async fn act(&mut self) -> Outcome<()> {
        self.turn += 1;
        let Colleague { wire, notes, messages, inbox, turn, one_note_in } = self;
        let which = *turn / *one_note_in;
        if turn.is_multiple_of(*one_note_in) {
            return wire.ask(&notes[which % notes.len()]).await;
        }
        if turn.is_multiple_of(2) {
            return wire.ask(inbox).await;
        }
        wire.ask(&messages[which % messages.len()]).await
    }
}
