//! The log against a model in memory, at size: worlds that know exactly what the log should hold of
//! them share the stores of several processes, while sessions end, wires are cut and the database
//! is killed.

mod draw;
mod found;
mod ground;
mod harm;
mod mirror;
mod personal;
mod race;
mod reads;
mod stores;
mod whole;
mod work;
mod world;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use event_store::Database;
use event_store::database::Connections;
use futures_util::future::try_join_all;
use tokio::time::sleep;

use crate::Outcome;
use crate::cluster::Cluster;
use crate::dice::Dice;
use crate::hall::Hall;
use crate::proxy::Proxy;
use crate::trial::Report;
use ground::Ground;
use stores::Stores;
use world::World;

/// So many worlds at once, each of that many operations or somewhat more; then another one begins.
const WORLDS: usize = 48;
const LEAST: u64 = 300;
const MORE: u64 = 400;
/// How often it is told how far it is.
const NEWS: u64 = 50_000;

/// So many operations in all.
pub(crate) async fn run(hall: &Hall, cluster: &Cluster, operations: u64) -> Outcome<Report> {
    let own = Database::options(cluster.url())?;
    Database::open(own.clone(), Connections::default(), true).await?.close().await;
    let proxy = Proxy::start(cluster.socket().ok_or("a database without a socket")?.to_owned());
    let proxy = proxy.await?;
    let stores = Stores::open(Database::options(&proxy.url())?).await?;
    let ground = Ground::new(cluster, stores, own, hall.seed);
    let dice = Dice::of(hall.seed);
    let began = Instant::now();
    let living = async {
        let lived = live(&ground, &dice, operations).await;
        ground.ends();
        lived
    };
    let harming = dice.own(u64::MAX);
    let harming = harm::harm(&ground, &proxy, &harming, hall.short);
    let (lived, harmed, ()) = tokio::join!(living, harming, tells(hall, &ground));
    lived?;
    let lasted = began.elapsed();
    let harms = harmed?;
    ground.stores.close().await;
    ground.own.close().await;
    let mut wrong = ground.wrong();
    // What broke off is not whole.
    if wrong.is_empty() {
        wrong.extend(whole::check(&ground).await?);
    }
    let harms = harms.iter().map(|(what, times)| format!("{what} {times}"));
    let faults = proxy.faults();
    let faults = faults.iter().map(|(fault, times)| format!("{fault} {times}"));
    let harms = harms.chain(faults).collect::<Vec<_>>().join(", ");
    let mut figures = figures(&ground, lasted);
    figures.push(harms);
    Ok(Report { figures, wrong })
}

fn figures(ground: &Ground<'_>, lasted: Duration) -> Vec<String> {
    let count = |what| ground.count(what);
    let rate = ground.done() as f64 / lasted.as_secs_f64();
    vec![
        format!(
            "{} operations of {} worlds in {:.0} s, {rate:.0} a second",
            ground.done(),
            count("worlds"),
            lasted.as_secs_f64()
        ),
        format!(
            "{} appended, {} of them sent again; {} refused; {} races; {} people erased; {} reads",
            count("appended"),
            count("repeated"),
            count("refused"),
            count("races"),
            count("erased"),
            count("read")
        ),
        format!(
            "without an answer {}, {} of them given up: {} had been done, {} not",
            count("found") + count("lost"),
            count("abandoned"),
            count("found"),
            count("lost")
        ),
        format!("{} events at the end", ground.sum().events),
    ]
}

/// One world after the other in each of so many places, until so much is done.
async fn live(ground: &Ground<'_>, dice: &Dice, operations: u64) -> Outcome<()> {
    // Where there is little to do, all places have some of it.
    let fair = operations / WORLDS as u64 + 1;
    let plan = Mutex::new((0, operations));
    let next = || {
        let mut plan = plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (number, left) = *plan;
        let whose = dice.own(number + 1);
        let many = (LEAST + whose.own(0).below(MORE)).min(fair).min(left);
        *plan = (number + 1, left - many);
        (many > 0).then(|| (many, World::new(ground, number, whose)))
    };
    let place = async || {
        while !ground.is_over()
            && let Some((many, mut world)) = next()
        {
            world.live(many).await?;
        }
        Outcome::Ok(())
    };
    try_join_all((0..WORLDS).map(|_| place())).await?;
    Ok(())
}

async fn tells(hall: &Hall, ground: &Ground<'_>) {
    let mut told = 0;
    while !ground.is_over() {
        sleep(Duration::from_millis(100)).await;
        if ground.done() / NEWS > told {
            told = ground.done() / NEWS;
            hall.says(&format!("  {} operations, {} events", ground.done(), ground.sum().events));
        }
    }
}
