//! What a world may ask for: dice make appends that fit what is there, and such that do not.

use event_store::{Append, Claim, IdempotencyRecord, NewEvent, StreamAppend};
use serde_json::{Value, json};
use uuid::Uuid;

use super::mirror::Mirror;
use super::personal::{self, CLASSES};
use super::work::{THING, Work};
use crate::dice::Dice;

const STREAMS: u64 = 16;
const PEOPLE: u64 = 12;
const CLAIMS: u64 = 48;
const SCOPES: [&str; 2] = ["name", "mail"];
const TEXTS: [&str; 4] = ["plain", "quoted \"\\\" and\nbroken", "ünïcödé 😀", ""];

pub(crate) struct Draw<'a> {
    pub(crate) dice: &'a mut Dice,
    pub(crate) mirror: &'a Mirror,
    pub(crate) world: u64,
}

impl Draw<'_> {
    pub(crate) fn work(&mut self) -> Work {
        match self.dice.below(100) {
            0..5 => self.record_alone(),
            5..8 if !self.mirror.streams.is_empty() => self.foreign(),
            _ => self.events(),
        }
    }

    /// One to three streams' events, and what goes with them.
    pub(crate) fn events(&mut self) -> Work {
        let mut append = self.bare();
        append.metadata = self.metadata();
        let many = self.dice.pick(&[1, 1, 1, 2, 2, 3]).copied().unwrap_or(1);
        while append.streams.len() < many {
            let name = self.stream();
            if append.streams.iter().all(|stream| stream.aggregate_id != name) {
                append.streams.push(self.stream_append(name));
            }
        }
        if self.dice.happens(15) {
            append.claims = self.claims(&append.streams[0].aggregate_id);
        }
        let mut work = Work { append, answer: None };
        if self.dice.happens(20) {
            self.give_key(&mut work);
        }
        work
    }

    /// No events, and an answer to keep.
    pub(crate) fn record_alone(&mut self) -> Work {
        let mut work = Work { append: self.bare(), answer: None };
        self.give_key(&mut work);
        work
    }

    /// Another organisation's try to write into a stream of this one.
    fn foreign(&mut self) -> Work {
        let streams: Vec<String> = self.mirror.streams.keys().cloned().collect();
        let name = self.dice.pick(&streams).cloned().unwrap_or_default();
        let mut append = self.bare();
        append.tenant = stranger(self.mirror.tenant);
        let events = vec![self.event(json!({"n": 0}))];
        let expected = self.mirror.version(&name);
        append.streams.push(StreamAppend {
            aggregate_type: THING.to_owned(),
            aggregate_id: name,
            expected,
            events,
        });
        let mut work = Work { append, answer: None };
        if self.dice.happens(30) {
            self.give_key(&mut work);
        }
        work
    }

    fn bare(&mut self) -> Append {
        let actor = format!("user:{}", self.dice.below(9));
        Append {
            tenant: self.mirror.tenant,
            actor,
            command_id: self.dice.happens(50).then(|| self.dice.id()),
            correlation_id: self.dice.id(),
            causation_id: self.dice.happens(30).then(|| self.dice.id()),
            metadata: json!({}),
            streams: vec![],
            claims: vec![],
            idempotency: None,
        }
    }

    pub(crate) fn stream(&mut self) -> String {
        format!("{}-{}", self.world, self.dice.below(STREAMS))
    }

    fn stream_append(&mut self, name: String) -> StreamAppend {
        let actual = self.mirror.version(&name);
        let wrong = self.dice.below(actual.unsigned_abs() + 3).cast_signed();
        let expected = if self.dice.happens(12) { wrong } else { actual };
        let events = self.dice.pick(&[1, 1, 1, 2, 3]).copied().unwrap_or(1);
        let events = (0..events).map(|_| {
            let payload = self.payload();
            self.event(payload)
        });
        let events = events.collect();
        StreamAppend { aggregate_type: THING.to_owned(), aggregate_id: name, expected, events }
    }

    fn event(&mut self, payload: Value) -> NewEvent {
        let event_type = self.dice.pick(&["Happened", "Changed"]).copied().unwrap_or_default();
        NewEvent {
            event_id: self.dice.id(),
            event_type: event_type.to_owned(),
            event_version: "1".to_owned(),
            payload,
        }
    }

    fn payload(&mut self) -> Value {
        let n = self.dice.below(1_000_000);
        let text = self.dice.pick(&TEXTS).copied().unwrap_or_default();
        match self.dice.below(10) {
            0..5 => json!({"Happened": {"n": n, "text": text}}),
            5..8 => json!({"Happened": {"n": n, "by": self.personal()}}),
            _ => json!({"Happened": {"to": [self.personal(), self.personal()], "text": text}}),
        }
    }

    fn metadata(&mut self) -> Value {
        match self.dice.below(10) {
            0 => json!({"ip": self.personal(), "user_agent": "a browser"}),
            1..4 => json!({"user_agent": "a browser"}),
            _ => json!({}),
        }
    }

    fn personal(&mut self) -> Value {
        let class = self.dice.pick(&CLASSES).copied().unwrap_or_default();
        let v = match self.dice.below(4) {
            0 => json!({"first": "Ana", "last": self.dice.below(1000)}),
            1 => json!(self.dice.below(1000)),
            2 => Value::Null,
            _ => json!(self.dice.pick(&TEXTS)),
        };
        personal::value(self.person(), class, v)
    }

    /// One of those that the world knows; for each who is gone two others come. Who is gone is
    /// named seldom.
    pub(crate) fn person(&mut self) -> Uuid {
        let gone = &self.mirror.gone;
        let among = PEOPLE + 2 * u64::try_from(gone.len()).unwrap_or_default();
        let number = |n: u64| Uuid::from_u128(self.mirror.tenant.as_u128() ^ u128::from(n + 1));
        let first = number(self.dice.below(among));
        let named = gone.contains(&first) && !self.dice.happens(20);
        if named { number(self.dice.below(among)) } else { first }
    }

    fn claims(&mut self, owner: &str) -> Vec<Claim> {
        let (tenant, scope, value) = self.claim();
        let mut claims = vec![Claim { tenant, scope, value, owner: owner.to_owned() }];
        if self.dice.happens(20) {
            let (tenant, scope, value) = self.claim();
            if value != claims[0].value {
                claims.push(Claim { tenant, scope, value, owner: owner.to_owned() });
            }
        }
        claims
    }

    /// What is claimed among all begins with the number of the world, whose it is alone.
    pub(crate) fn claim(&mut self) -> (Uuid, String, Vec<u8>) {
        let n = u8::try_from(self.dice.below(CLAIMS)).unwrap_or_default();
        let scope = self.dice.pick(&SCOPES).copied().unwrap_or_default();
        let tenant = if self.dice.happens(30) { Uuid::nil() } else { self.mirror.tenant };
        let value = [self.world.to_be_bytes().as_slice(), &[n / 8, n]].concat();
        (tenant, scope.to_owned(), value)
    }

    pub(crate) fn give_key(&mut self, work: &mut Work) {
        work.answer = self.dice.happens(80).then(|| {
            let id = self.dice.id();
            json!({ "id": id }).to_string().into_bytes()
        });
        work.append.idempotency = Some(IdempotencyRecord {
            tenant: self.mirror.tenant,
            key: self.key(),
            fingerprint: self.dice.id().as_bytes().to_vec(),
            status: self.dice.pick(&[200, 201, 204]).copied().unwrap_or(200),
            response: None,
        });
    }

    /// One time in four one that was used, if there is any.
    pub(crate) fn key(&mut self) -> Vec<u8> {
        let used: Vec<&Vec<u8>> = self.mirror.holds.records.keys().collect();
        let fresh = self.dice.id().as_bytes().to_vec();
        match self.dice.pick(&used) {
            Some(key) if self.dice.happens(25) => (*key).clone(),
            _ => fresh,
        }
    }
}

/// The organisation beside this one, which never has anything.
pub(crate) fn stranger(tenant: Uuid) -> Uuid {
    Uuid::from_u128(!tenant.as_u128())
}
