//! How long after it was asked for a change is seen by who reads, while the server has half as much
//! to do as its read models can follow.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::Outcome;
use crate::bench::Bench;
use crate::desk::{Colleague, Desk, Side, note};
use crate::http::{self, Wire};
use crate::load::{Client, Contestant, Load};
use crate::report::{Line, Target};

/// Milliseconds.
const MOST: f64 = 100.0;
/// Those who write at a pace, and those who write and look for it.
const PACED: usize = 32;
const LOOKING: usize = 4;

pub(crate) async fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let desk = bench.desk().await?;
    let highest = highest_rate(bench, desk).await?;
    let pace = Duration::from_secs_f64(PACED as f64 / (highest / 2.0));
    let (pacing, looking) = desk.ours.conversations.split_at(desk.ours.conversations.len() / 2);
    let mut paced = vec![];
    for number in 0..PACED {
        paced.push(Paced::new(&desk.ours, pacing, number, pace).await?);
    }
    let mut lookers = vec![];
    for number in 0..LOOKING {
        lookers.push(Looking::new(&desk.ours, looking, number).await?);
    }
    let window = bench.scale.window * 3;
    let (mut paced, mut looking) = (Contestant::new(paced), Contestant::new(lookers));
    let (paced, looked) = tokio::join!(paced.take_turn(window), looking.take_turn(window));
    let fair = format!(
        "From when a note is sent to when a page of the conversation's messages, asked for with \
         its position, shows it; while {:.0} other notes a second come in. All read models keep \
         up with {highest:.0}: the rate of the full HTTP command.",
        paced?.rate()
    );
    let lag = looked?.p99();
    Ok(vec![Line::alone("live lag, p99", "ms", lag, Target::AtMost(MOST), fair)])
}

/// Commands a second, if the clock stops when all read models have caught up.
async fn highest_rate(bench: &Bench, desk: &Desk) -> Outcome<f64> {
    let mut colleagues = Colleague::of(&desk.ours, 1).await?;
    for _ in 0..bench.scale.rounds {
        let load = colleagues.take_turn(bench.scale.window).await?;
        load.takes_longer(desk.caught_up().await?);
    }
    Ok(colleagues.median(Load::rate))
}

/// Writes a note at each tick.
struct Paced {
    wire: Wire,
    notes: Vec<Vec<u8>>,
    ticks: Interval,
    turn: usize,
}

impl Paced {
    async fn new(side: &Side, among: &[Uuid], number: usize, pace: Duration) -> Outcome<Paced> {
        let own = among.iter().skip(number).step_by(PACED);
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let notes = own.map(|id| note(*id, &side.key)).collect();
        Ok(Paced { wire: Wire::connect(side.address).await?, notes, ticks, turn: number })
    }
}

impl Client for Paced {
    async fn act(&mut self) -> Outcome<()> {
        self.ticks.tick().await;
        self.turn += 1;
        self.wire.ask(&self.notes[self.turn % self.notes.len()]).await
    }
}

/// Writes a note, and reads until it is there.
struct Looking {
    wire: Wire,
    key: String,
    own: Vec<Uuid>,
    turn: usize,
}

impl Looking {
    async fn new(side: &Side, among: &[Uuid], number: usize) -> Outcome<Looking> {
        let own = among.iter().skip(number).step_by(LOOKING).copied().collect();
        let wire = Wire::connect(side.address).await?;
        Ok(Looking { wire, key: side.key.clone(), own, turn: 0 })
    }
}

impl Client for Looking {
    async fn act(&mut self) -> Outcome<()> {
        self.turn += 1;
        let conversation = self.own[self.turn % self.own.len()];
        self.wire.ask(&note(conversation, &self.key)).await?;
        let position = self.wire.header("log-position").ok_or("a note without a position")?;
        let path = format!("/v1/conversations/{conversation}/messages?min_position={position}");
        self.wire.ask(&http::get(&path, &self.key)).await
    }
}
