//! A day of customers: what arrives at the webhook of a small shop between seven in the morning and
//! half past nine at night. The same line and the same date give the same bytes.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use crate::chance::Chance;

use super::people::{NEEMA, Person};
use super::{Delivery, Line, bytes, echoed, echoes, entry, envelope_of, messages, said};
use super::{status, statuses};
use beat::{About, Beat, By, Fate, Thread, What};
use fate::Price;
use wire::Scene;

mod afternoon;
mod beat;
mod fate;
mod morning;
mod notices;
mod wire;

/// Everything that arrives on the day that begins at `start`, the shop's midnight, in the order of
/// arrival.
pub fn day(line: &Line, start: DateTime<Utc>) -> Vec<Delivery> {
    let mut desk = Desk {
        line,
        start,
        delays: Chance::new(20),
        ids: Chance::of(&line.phone_number_id, start.timestamp()),
        arrivals: Vec::new(),
    };
    for thread in morning::THREADS.iter().chain(afternoon::THREADS) {
        desk.play(thread);
    }
    desk.tell_notices();
    desk.tell_of_another_line();
    let mut deliveries = desk.deliver();
    redeliver(&mut deliveries);
    deliveries.sort_by_key(|delivery| delivery.at);
    deliveries
}

/// Where the day is put together.
struct Desk<'a> {
    line: &'a Line,
    start: DateTime<Utc>,
    /// The same for every line and date, so that every day has the same shape.
    delays: Chance,
    /// Different for every line and date, so that no id comes twice.
    ids: Chance,
    arrivals: Vec<Arrival>,
}

struct Arrival {
    at: DateTime<Utc>,
    entries: Vec<Value>,
}

/// A thread as far as it has come.
struct Talk {
    who: &'static Person,
    now: DateTime<Utc>,
    /// One id for each beat so far.
    ids: Vec<String>,
    /// What answers to this person cost.
    price: Price,
}

impl Desk<'_> {
    fn at(&self, (hour, minute): (u32, u32)) -> DateTime<Utc> {
        self.start + Duration::minutes(i64::from(hour * 60 + minute))
    }

    fn arrive(&mut self, at: DateTime<Utc>, entries: Vec<Value>) {
        self.arrivals.push(Arrival { at, entries });
    }

    fn play(&mut self, thread: &'static Thread) {
        let now = self.at(thread.at) + Duration::seconds(self.delays.between(0, 50));
        let mut talk = Talk { who: thread.who, now, ids: Vec::new(), price: Price::SERVICE };
        for beats in thread.beats.chunk_by(|_, next| next.along) {
            match beats {
                [beat @ Beat { by: By::Staff(what, fate), .. }] => {
                    self.answer(&mut talk, beat, *what, *fate);
                }
                [Beat { by: By::System { name, category, fate }, after, .. }] => {
                    self.next(&mut talk, *after);
                    self.follow(&talk, *fate, Price::of(category), Some(name));
                }
                [Beat { by: By::Customer(What::StopMarketing), after, .. }] => {
                    self.stop_marketing(&mut talk, *after);
                }
                beats => self.receive(&mut talk, beats),
            }
        }
    }

    /// Moves on to the next beat and gives it its id.
    fn next(&mut self, talk: &mut Talk, after: i64) -> String {
        talk.now += Duration::seconds(after);
        let id = self.ids.wamid(talk.who.address());
        talk.ids.push(id.clone());
        id
    }

    fn receive(&mut self, talk: &mut Talk, beats: &[Beat]) {
        let (mut items, mut late, mut contacts) = (Vec::new(), 0, vec![talk.who]);
        for beat in beats {
            let By::Customer(what) = beat.by else { continue };
            let id = self.next(talk, beat.after);
            let scene = Scene { line: self.line, who: talk.who, ids: &talk.ids };
            let (kind, content) = scene.content(what, &mut self.ids);
            let extras = scene.extras(what, beat.about);
            items.push(said(talk.who, &id, talk.now, kind, content, extras));
            late = late.max(beat.late);
            match (what, beat.about) {
                (What::NewNumber(_), _) => contacts.clear(),
                (_, About::Advertisement) => talk.price = Price::FROM_AD,
                _ => {}
            }
        }
        let at = talk.now + Duration::seconds(late + self.delays.between(1, 4));
        let value = messages(self.line, &contacts, items);
        self.arrive(at, vec![entry(self.line, "messages", value)]);
    }

    fn answer(&mut self, talk: &mut Talk, beat: &Beat, what: What, fate: Fate) {
        let id = self.next(talk, beat.after);
        let scene = Scene { line: self.line, who: talk.who, ids: &talk.ids };
        let (kind, content) = scene.content(what, &mut self.ids);
        let value =
            echoes(self.line, vec![echoed(self.line, talk.who, &id, talk.now, kind, content)]);
        let delay = if fate == Fate::BeforeEcho { 9 } else { self.delays.between(1, 2) };
        let at = talk.now + Duration::seconds(delay);
        self.arrive(at, vec![entry(self.line, "smb_message_echoes", value)]);
        self.follow(talk, fate, talk.price, None);
    }

    /// The statuses of the talk's last message.
    fn follow(&mut self, talk: &Talk, fate: Fate, price: Price, system: Option<&str>) {
        let Some(id) = talk.ids.last() else { return };
        let mut arrival = talk.now;
        // Reading takes as long as it takes, but everything of this message moves with it.
        let patience = self.delays.between(0, 15);
        for steps in fate::webhooks(fate) {
            let mut items = Vec::new();
            for &(happened, after) in *steps {
                let wait = if after > 5 { patience } else { 0 };
                let at = talk.now + Duration::seconds(after + wait);
                let extras = fate::extras(happened, fate, price, system);
                items.push(status(talk.who, id, at, happened, extras));
                arrival = arrival.max(at);
            }
            arrival += Duration::seconds(self.delays.between(1, 2));
            // Only where WhatsApp shows people by their id does it say again who they are.
            let contacts: &[&Person] = if talk.who.user_id.is_some() { &[talk.who] } else { &[] };
            let value = statuses(self.line, contacts, items);
            self.arrive(arrival, vec![entry(self.line, "messages", value)]);
        }
    }

    fn stop_marketing(&mut self, talk: &mut Talk, after: i64) {
        self.next(talk, after);
        let scene = Scene { line: self.line, who: talk.who, ids: &talk.ids };
        let (field, mut wish) = scene.content(What::StopMarketing, &mut self.ids);
        wish["timestamp"] = json!(talk.now.timestamp());
        let mut value = messages(self.line, &[talk.who], Vec::new());
        if let Some(fields) = value.as_object_mut() {
            fields.remove("messages");
        }
        value[field] = json!([wish]);
        self.arrive(talk.now + Duration::seconds(3), vec![entry(self.line, field, value)]);
    }

    fn tell_notices(&mut self) {
        for notice in notices::notices(self.line) {
            let at = self.at(notice.at);
            let mut told = entry(self.line, notice.field, notice.value);
            told["time"] = json!(at.timestamp());
            self.arrive(at + Duration::seconds(2), vec![told]);
        }
    }

    /// The business has a second number in the same account, which nobody has connected here.
    fn tell_of_another_line(&mut self) {
        let other = Line {
            account_id: self.line.account_id.clone(),
            phone_number_id: "100000000000777".into(),
            display_phone_number: "254190000999".into(),
        };
        let at = self.at((16, 20));
        let id = self.ids.wamid(NEEMA.address());
        let body = json!({"body": "Is this the wholesale desk?"});
        let value = super::message(&other, &NEEMA, &id, at, "text", body, Value::Null);
        self.arrive(at + Duration::seconds(2), vec![entry(&other, "messages", value)]);
    }

    /// Turns arrivals into bodies. Meta puts some of those together that fall into the same moment.
    fn deliver(mut self) -> Vec<Delivery> {
        self.arrivals.sort_by_key(|arrival| arrival.at);
        let mut bodies: Vec<Arrival> = Vec::new();
        for arrival in self.arrivals {
            match bodies.last_mut() {
                Some(last)
                    if arrival.at - last.at <= Duration::seconds(2)
                        && last.entries.len() < 3
                        && self.delays.between(1, 3) == 1 =>
                {
                    last.at = arrival.at;
                    last.entries.extend(arrival.entries);
                }
                _ => bodies.push(arrival),
            }
        }
        let deliver = |Arrival { at, entries }| Delivery { at, body: bytes(envelope_of(entries)) };
        bodies.into_iter().map(deliver).collect()
    }
}

/// Meta repeats what it thinks was not answered, byte by byte.
fn redeliver(deliveries: &mut Vec<Delivery>) {
    let again: Vec<Delivery> = deliveries
        .iter()
        .zip(0i64..)
        .filter(|(_, place)| place % 23 == 11)
        .map(|(delivery, place)| Delivery {
            at: delivery.at + Duration::seconds(20 + place),
            body: delivery.body.clone(),
        })
        .collect();
    deliveries.extend(again);
}

#[cfg(test)]
mod tests;
