//! What the shop's people do on the day that is played, in the order of time. Its customers are
//! those of the simulators' day, and one who wrote the evening before.

mod answers;
mod chores;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use simulators::whatsapp::people::PEOPLE;
use simulators::whatsapp::{self, Delivery, Line, Person};

/// She wrote so long ago that on the day's evening only a template reaches her.
static ZAWADI: Person = Person::with_phone("Zawadi Kimani", "254190000219");

#[derive(Clone, Copy)]
pub(super) enum Who {
    Owner,
    Tomas,
    Nomsa,
}

/// Names in braces stand for ids: `{lamp}` for what an earlier act has called so, `{Achieng}` for
/// the conversation with the customer of this first name.
pub(super) struct Act {
    /// Since the day's midnight.
    pub(super) at: TimeDelta,
    pub(super) what: What,
}

pub(super) enum What {
    /// A command, and what it makes is called.
    Ask {
        who: Who,
        path: &'static str,
        body: Value,
        called: Option<&'static str>,
    },
    Say {
        who: Who,
        to: To,
        message: Value,
        fate: Fate,
    },
    /// Meta's reviewers look at a template.
    Review {
        template: &'static str,
        verdict: Verdict,
    },
    /// The owner signs in, and approves.
    Approve {
        payout: &'static str,
    },
    /// PawaPay pays.
    Pay {
        payout: &'static str,
    },
}

#[derive(Clone, Copy)]
pub(super) enum To {
    /// By first name.
    Customer(&'static str),
    Number(&'static str),
}

/// What becomes of a message that WhatsApp took.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Read,
    /// Arrives and is never opened.
    Delivered,
    /// By Meta's list of error codes.
    Failed {
        code: u32,
        title: &'static str,
        details: &'static str,
    },
}

#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Approved,
    Rejected { reason: &'static str, why: &'static str, instead: &'static str },
}

impl Fate {
    /// The statuses that come, and how many seconds after the message.
    pub(super) fn steps(self) -> &'static [(&'static str, i64)] {
        match self {
            Fate::Read => &[("sent", 1), ("delivered", 2), ("read", 38)],
            Fate::Delivered => &[("sent", 1), ("delivered", 4)],
            Fate::Failed { .. } => &[("sent", 1), ("failed", 5)],
        }
    }
}

/// Everything, in the order of time.
pub(super) fn acts() -> Vec<Act> {
    let mut acts: Vec<Act> = answers::acts().into_iter().chain(chores::acts()).collect();
    acts.sort_by_key(|act| act.at);
    acts
}

/// The number of the customer of this first name.
pub(super) fn phone(first_name: &str) -> Option<&'static str> {
    let called = |person: &&Person| person.name.split(' ').next() == Some(first_name);
    let people = PEOPLE.iter().copied().chain([&ZAWADI]);
    people.filter(called).find_map(|person| person.wa_id.as_deref())
}

/// What came in on the evening before.
pub(super) fn yesterdays(line: &Line, day: DateTime<Utc>) -> Delivery {
    let at = day - TimeDelta::minutes(390);
    let words = json!({"body": "Hello! Please tell me when the water filter is back in stock."});
    let id = format!("wamid.evening-{}", day.timestamp());
    let said = whatsapp::message(line, &ZAWADI, &id, at, "text", words, Value::Null);
    let body = whatsapp::bytes(whatsapp::envelope(line, "messages", said));
    Delivery { at: at + TimeDelta::seconds(2), body }
}

fn at((hour, minute): (i64, i64), what: What) -> Act {
    Act { at: TimeDelta::minutes(hour * 60 + minute), what }
}

fn does(time: (i64, i64), who: Who, path: &'static str, body: Value) -> Act {
    at(time, What::Ask { who, path, body, called: None })
}

/// Makes something that later acts refer to.
fn makes(time: (i64, i64), who: Who, called: &'static str, path: &'static str, body: Value) -> Act {
    at(time, What::Ask { who, path, body, called: Some(called) })
}
