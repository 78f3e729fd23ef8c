//! One event at a time into the log, by few clients and by many, with all that Verbatim checks and
//! keeps; beside what stock postgres-es does for it.

use std::sync::Arc;

use cqrs_es::persist::{PersistedEventRepository, SerializedEvent};
use event_store::{Append, IdempotencyRecord, NewEvent, Store, StreamAppend};
use postgres_es::PostgresEventRepository;
use serde_json::{Value, json};
use uuid::Uuid;

use super::bare::Bare;
use crate::Outcome;
use crate::bench::Bench;
use crate::load::{Client, Contestant, Load};
use crate::peer::conversation::Conversation;
use crate::report::{Line, Target};

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
/// What each has to reach beside postgres-es: plain, and with an idempotency record.
const TARGETS: [(f64, f64); 4] = [(1.0, 0.9), (2.0, 1.8), (5.0, 4.0), (8.0, 6.0)];
/// Sessions that postgres-es may use at once.
const SESSIONS: u32 = 64;
/// Turns are so much shorter than others', and as many more: what the machine does besides meets all
/// alike, and one client is a few hundredths from its target.
const SHORTER: u32 = 3;
/// Events of one stream before a client goes on to the next.
const STREAM: i64 = 20;

const AGAINST: &str = "postgres-es 0.5 `persist`";

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let log = bench.log("append_ours").await?;
    let stock = bench.stock("append_peer", SESSIONS).await?;
    let repository = Arc::new(PostgresEventRepository::new(stock.clone()));
    let bare = Arc::new(Bare::new(&stock).await?);
    let mut lines = vec![];
    for (clients, (least, least_recorded)) in CLIENTS.into_iter().zip(TARGETS) {
        let appending = |records| {
            let client = |_| Appending::new(log.store.clone(), records);
            Contestant::new((0..clients).map(client).collect())
        };
        let (mut plain, mut recorded) = (appending(false), appending(true));
        let persisting = |_| Persisting { repository: repository.clone(), place: Place::new() };
        let mut peer = Contestant::new((0..clients).map(persisting).collect());
        let inserting = |records| Contestant::new(vec![Inserting::new(&bare, clients, records)]);
        let (mut rows, mut records) = (inserting(false), inserting(true));
        let window = bench.scale.window / SHORTER;
        for _ in 0..bench.scale.rounds * SHORTER as usize {
            plain.take_turn(window).await?;
            recorded.take_turn(window).await?;
            peer.take_turn(window).await?;
            rows.take_turn(window).await?;
            records.take_turn(window).await?;
        }
        let peer = peer.median(Load::rate);
        let name = format!("append, {clients} client{}", if clients == 1 { "" } else { "s" });
        lines.push(line(&name, plain.median(Load::rate), peer, least));
        let name = format!("append with idempotency record, {clients}");
        lines.push(line(&name, recorded.median(Load::rate), peer, least_recorded));
        let of_both = [("", &plain, &rows), (", with records", &recorded, &records)];
        lines.extend(of_both.map(|(what, ours, bare)| limit(clients, what, ours, bare)));
    }
    stock.close().await;
    bench.cluster.remove("append_peer").await?;
    log.close(bench).await?;
    Ok(lines)
}

fn line(name: &str, ours: f64, peer: f64, least: f64) -> Line {
    let fair = format!(
        "The same payload and metadata, one event at a time at the end of streams of {STREAM}, \
         committed durably on the same server. Ours through one appender, postgres-es with a \
         session for each client, up to {SESSIONS}."
    );
    Line::beside(name, "events/s", (ours, peer), AGAINST, Target::RatioAtLeast(least), fair)
}

/// Events in one statement, where so many clients append: while the database is at some of them, the
/// others come.
fn batch(clients: usize) -> usize {
    (clients / 2).max(1)
}

fn limit(
    clients: usize,
    what: &str,
    ours: &Contestant<Appending>,
    bare: &Contestant<Inserting>,
) -> Line {
    let rows = batch(clients);
    let fair = format!(
        "What one session can do at most: {rows} of the same rows in each `INSERT … unnest` into \
         tables with the same columns and indexes, without any check or answer."
    );
    let rates = (ours.median(Load::rate), bare.median(Load::rate) * rows as f64);
    let name = format!("append, {clients}{what}, of what bare rows take");
    Line::shown(name, "events/s", rates, "multi-row `INSERT … unnest`", fair)
}

/// Where the next event goes.
struct Place {
    stream: Uuid,
    version: i64,
}

impl Place {
    fn new() -> Place {
        Place { stream: Uuid::now_v7(), version: 0 }
    }

    fn next(&mut self) -> (String, i64) {
        if self.version == STREAM {
            *self = Place::new();
        }
        self.version += 1;
        (self.stream.to_string(), self.version - 1)
    }
}

/// A note, encrypted already: both sides write the same bytes.
fn payload() -> Value {
    json!({"NoteAdded": {
        "note": Uuid::now_v7(), "cycle": 1, "at": "2026-03-01T09:00:40Z",
        "body": {"$personal": "V2FudHMgdGhlIHJlZCBwb3QgYmVmb3JlIEZyaWRheSwgYW5kIGFza3Mgd2hldGhlciB0                               aGUgbGlkIGNvbWVzIHdpdGggaXQuIENhbGwgYmFjayBpbiB0aGUgbW9ybmluZy4"},
    }})
}

fn metadata() -> Value {
    json!({"user_agent": "bench/1"})
}

struct Appending {
    store: Store,
    tenant: Uuid,
    records: bool,
    place: Place,
}

impl Appending {
    fn new(store: Store, records: bool) -> Appending {
        Appending { store, tenant: Uuid::from_u128(7), records, place: Place::new() }
    }
}

impl Client for Appending {
    async fn act(&mut self) -> Outcome<()> {
        let append = unit(self.tenant, &mut self.place, self.records);
        self.store.append(append).await?;
        Ok(())
    }
}

fn unit(tenant: Uuid, place: &mut Place, records: bool) -> Append {
    let (aggregate_id, expected) = place.next();
    // A keyed hash, which falls anywhere among the others.
    let record = || IdempotencyRecord {
        tenant,
        key: [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat(),
        fingerprint: vec![7; 32],
        status: 201,
        response: Some(vec![7; 120]),
    };
    Append { idempotency: records.then(record), ..one_event(tenant, aggregate_id, expected) }
}

/// One session that writes bare rows, for as many as append.
struct Inserting {
    bare: Arc<Bare>,
    records: bool,
    places: Vec<Place>,
}

impl Inserting {
    fn new(bare: &Arc<Bare>, clients: usize, records: bool) -> Inserting {
        let places = (0..batch(clients)).map(|_| Place::new()).collect();
        Inserting { bare: bare.clone(), records, places }
    }
}

impl Client for Inserting {
    async fn act(&mut self) -> Outcome<()> {
        let tenant = Uuid::from_u128(7);
        let units = self.places.iter_mut().map(|place| unit(tenant, place, self.records));
        self.bare.insert(&units.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

/// A unit of work of one event, with every column told.
pub(super) fn one_event(tenant: Uuid, aggregate_id: String, expected: i64) -> Append {
    let id = Uuid::now_v7();
    Append {
        tenant,
        actor: "user:00000000-0000-7000-8000-000000000007".to_owned(),
        command_id: Some(id),
        correlation_id: id,
        causation_id: Some(id),
        metadata: metadata(),
        streams: vec![StreamAppend {
            aggregate_type: "conversation".to_owned(),
            aggregate_id,
            expected,
            events: vec![NewEvent {
                event_id: Uuid::now_v7(),
                event_type: "NoteAdded".to_owned(),
                event_version: "1".to_owned(),
                payload: payload(),
            }],
        }],
        claims: vec![],
        idempotency: None,
    }
}

struct Persisting {
    repository: Arc<PostgresEventRepository>,
    place: Place,
}

impl Client for Persisting {
    async fn act(&mut self) -> Outcome<()> {
        let (aggregate_id, version) = self.place.next();
        let event = SerializedEvent {
            aggregate_id,
            sequence: usize::try_from(version + 1)?,
            aggregate_type: "conversation".to_owned(),
            event_type: "NoteAdded".to_owned(),
            event_version: "1".to_owned(),
            payload: payload(),
            metadata: metadata(),
        };
        Ok(self.repository.persist::<Conversation>(&[event], None).await?)
    }
}
