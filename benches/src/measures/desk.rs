//! Over HTTP, by many clients: commands, webhooks, and reading with some writing; beside the same
//! on stock cqrs-es.

use crate::Outcome;
use crate::bench::Bench;
use crate::desk::{CLIENTS, Colleague, Customers, PAST};
use crate::load::{Client, Contestant, Load};
use crate::report::{Line, Target};

const AGAINST: &str = "an actix-web app on stock cqrs-es + postgres-es";
/// What both have in common.
fn same(bench: &Bench) -> String {
    let customers = bench.scale.customers;
    format!(
        "The same load over {CLIENTS} kept connections; two HTTP workers, the same number of \
         database sessions and the same durability on both sides; no limits and no log of answers. \
         {customers} conversations had {PAST} messages before the first of these measures, and \
         have gone on since. Only ours encrypts what is personal, checks a revocable key, and \
         feeds twenty read models; the peer's two views hold the same content, and are written \
         before it answers, as cqrs-es does."
    )
}

pub(crate) async fn command(bench: &Bench) -> Outcome<Vec<Line>> {
    let desk = bench.desk().await?;
    let mut ours = Colleague::of(&desk.ours, 1).await?;
    let mut peer = Colleague::of(&desk.peer, 1).await?;
    for _ in 0..bench.scale.rounds {
        let load = ours.take_turn(bench.scale.window).await?;
        load.takes_longer(desk.caught_up().await?);
        peer.take_turn(bench.scale.window).await?;
    }
    let name = format!("full HTTP command (`POST …/notes`), {CLIENTS} clients");
    let fair = format!("{} Our clock stops when all read models have caught up.", same(bench));
    Ok(vec![line(name, rates(&ours, &peer), 4.0, fair)])
}

pub(crate) async fn webhook(bench: &Bench) -> Outcome<Vec<Line>> {
    let desk = bench.desk().await?;
    let customers = bench.scale.customers;
    let mut ours = Contestant::new(Customers::of(&desk.ours, customers).await?);
    let mut peer = Contestant::new(Customers::of(&desk.peer, customers).await?);
    for _ in 0..bench.scale.rounds {
        ours.take_turn(bench.scale.window).await?;
        desk.caught_up().await?;
        peer.take_turn(bench.scale.window).await?;
    }
    let fair = format!(
        "{} Signed bodies of one message, one in ten from somebody new. Both answer when it is \
         durable; both check the signature, and that the message did not come before.",
        same(bench)
    );
    Ok(vec![line("webhook in to durable".to_owned(), rates(&ours, &peer), 4.0, fair)])
}

pub(crate) async fn mix(bench: &Bench) -> Outcome<Vec<Line>> {
    let desk = bench.desk().await?;
    let mut ours = Colleague::of(&desk.ours, 5).await?;
    let mut peer = Colleague::of(&desk.peer, 5).await?;
    for _ in 0..bench.scale.rounds {
        let load = ours.take_turn(bench.scale.window).await?;
        load.takes_longer(desk.caught_up().await?);
        peer.take_turn(bench.scale.window).await?;
    }
    let name = format!("read/write mix, {CLIENTS} clients, 80 % reads");
    let fair = format!(
        "{} One request in five is a note, two are the first page of the inbox, the same for all, \
         two are the messages of the conversation that the last note was in, one of one's own. \
         Ours reads the page of the inbox anew when its read models have read on, which is some \
         twenty times a second, and the messages of several conversations by one statement. Where \
         its read models have taken in nothing of a conversation since it was read a moment ago, it \
         asks only whether that is so: mostly the second time after a note. Our clock stops when \
         all read models have caught up.",
        same(bench)
    );
    Ok(vec![line(name, rates(&ours, &peer), 3.0, fair)])
}

fn rates<A: Client, B: Client>(ours: &Contestant<A>, peer: &Contestant<B>) -> (f64, f64) {
    (ours.median(Load::rate), peer.median(Load::rate))
}

fn line(name: String, rates: (f64, f64), least: f64, fair: String) -> Line {
    Line::beside(name, "requests/s", rates, AGAINST, Target::RatioAtLeast(least), fair)
}
