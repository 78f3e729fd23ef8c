//! Clients that ask one thing after the other until the time is up, and what that tells.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Outcome;

/// One of many who ask. Each waits for its answer before it asks again.
pub(crate) trait Client: Send + 'static {
    fn act(&mut self) -> impl Future<Output = Outcome<()>> + Send;
}

/// What came of a time under load.
#[derive(Debug)]
pub(crate) struct Load {
    elapsed: Duration,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Load {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The clock goes on after the last answer, until what was asked for is done.
    pub(crate) fn takes_longer(&mut self, by: Duration) {
        self.elapsed += by;
    }

    /// The latency in milliseconds that all but one in a hundred stay below.
    pub(crate) fn p99(&self) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let rank = (self.latencies.len() * 99).div_ceil(100).saturating_sub(1).min(last);
        self.latencies.get(rank).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

/// Clients that take turns with other contestants' clients, and what came of each turn.
pub(crate) struct Contestant<C> {
    clients: Vec<C>,
    turns: Vec<Load>,
}

impl<C: Client> Contestant<C> {
    pub(crate) fn new(clients: Vec<C>) -> Contestant<C> {
        Contestant { clients, turns: vec![] }
    }

    pub(crate) async fn take_turn(&mut self, window: Duration) -> Outcome<&mut Load> {
        let (load, clients) = run(std::mem::take(&mut self.clients), window).await?;
        self.clients = clients;
        self.turns.push(load);
        Ok(self.turns.last_mut().ok_or("no turn")?)
    }

    /// The median of what its turns came to.
    pub(crate) fn median(&self, of: impl Fn(&Load) -> f64) -> f64 {
        median(self.turns.iter().map(of).collect())
    }
}

/// Lets them all act for so long; they come back for the next turn.
async fn run<C: Client>(clients: Vec<C>, window: Duration) -> Outcome<(Load, Vec<C>)> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(act_until(client, started + window));
    }
    let (mut back, mut latencies) = (vec![], vec![]);
    while let Some(ended) = running.join_next().await {
        let (client, taken) = ended??;
        back.push(client);
        latencies.extend(taken);
    }
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok((Load { elapsed, latencies }, back))
}

async fn act_until<C: Client>(mut client: C, end: Instant) -> Outcome<(C, Vec<Duration>)> {
    let mut taken = vec![];
    loop {
        let began = Instant::now();
        if began >= end && !taken.is_empty() {
            return Ok((client, taken));
        }
        client.act().await?;
        taken.push(began.elapsed());
    }
}

/// The middle one. Of an even number, the lower of the two.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_in_a_hundred_is_no_part_of_p99() {
        let latencies = (1..=200).map(Duration::from_millis).collect();
        let load = Load { elapsed: Duration::from_secs(2), latencies };
        assert!((load.p99() - 198.0).abs() < 1e-9, "{}", load.p99());
        assert!((load.rate() - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_of_several_rounds_is_one_of_them() {
        assert!((median(vec![9.0, 1.0, 3.0]) - 3.0).abs() < 1e-9);
        assert!((median(vec![4.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(vec![]).is_nan());
    }
}
