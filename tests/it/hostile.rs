//! The worst day: providers that delay, fail after they have done what was asked, lose answers, and
//! repeat, reorder and invent callbacks, while the server is killed at random moments. In the end
//! the providers' own ledgers tell what happened, and ours must tell the same.
//!
//! `VERBATIM_HOSTILE=full` makes it five times as long, and `VERBATIM_HOSTILE_SEED` repeats a day as
//! far as chance goes.

mod clients;
mod reckoning;
mod stage;

use std::time::{Duration, Instant};

use simulators::pawapay;
use simulators::script::{Act, Callbacks, Chaos, Lie, Probabilities};

use clients::Issued;
use stage::{Stage, wallet};

/// How much of everything.
#[derive(Clone, Copy)]
struct Form {
    messages: usize,
    payouts: usize,
    customers: usize,
    kills: usize,
}

impl Form {
    const CI: Form = Form { messages: 2_000, payouts: 500, customers: 160, kills: 8 };
    const FULL: Form = Form { messages: 10_000, payouts: 2_500, customers: 800, kills: 40 };

    fn asked() -> Form {
        let full = std::env::var("VERBATIM_HOSTILE").is_ok_and(|form| form == "full");
        if full { Form::FULL } else { Form::CI }
    }
}

/// Chance that falls the same way for the same seed: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }
}

/// Every twentieth recipient is one whom the money doesn't reach, and PawaPay says that it did.
fn is_unknown_to_the_operator(payout: usize) -> bool {
    payout.is_multiple_of(20)
}

fn make_hostile(stage: &Stage, form: Form, seed: u64) {
    let chaos = |longest| Chaos { seed, probabilities: Probabilities::HOSTILE, longest };
    stage.graph.chaos(chaos(Duration::from_millis(800)));
    stage.pawapay.chaos(chaos(Duration::from_millis(800)));
    let lies =
        Callbacks { lie: Some(Lie::Verdict), copies: 1, reversed: true, ..Callbacks::default() };
    for payout in (0..form.payouts).filter(|payout| is_unknown_to_the_operator(*payout)) {
        let rule = pawapay::Rule::on(Act::Pay).to(&wallet(payout)).callbacks(lies.clone());
        stage.pawapay.script(rule.fails("RECIPIENT_NOT_FOUND"));
    }
}

/// Kills the server when so much has happened, at moments that nobody chose.
async fn kill_at_random(stage: &Stage, form: Form, issued: &Issued, mut dice: Dice) {
    // What happens at the least: all is acknowledged, all is paid, most messages leave.
    let all = 2 * form.payouts + form.messages + form.messages * 3 / 4;
    let mut moments: Vec<usize> = (0..form.kills).map(|_| dice.below(all)).collect();
    moments.sort_unstable();
    for moment in moments {
        while issued.count() + stage.graph.count() + stage.pawapay.count() < moment {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_micros(dice.below(50_000) as u64)).await;
        stage.kill_and_start_again();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_worst_day_nothing_is_lost_and_nothing_happens_twice() {
    let form = Form::asked();
    let told = std::env::var("VERBATIM_HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = told.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    let began = Instant::now();
    let said = |what: &str| println!("{:6.1} s  {what}", began.elapsed().as_secs_f64());
    said(&format!("seed {seed}"));
    let stage = Stage::set().await;
    let customers = stage.customers_write(form.customers).await;
    said("every customer has written");
    make_hostile(&stage, form, seed);
    let issued = Issued::default();
    tokio::join!(
        clients::issue(&stage, form, &customers, &issued),
        kill_at_random(&stage, form, &issued, Dice(seed)),
    );
    said("all is acknowledged");
    stage.comes_to_rest().await;
    said("all has come to rest");
    reckoning::messages(&stage, &issued, &customers).await;
    reckoning::payouts(&stage, &issued).await;
    said("the ledgers agree");
    reckoning::log(&stage);
    said("the log is as it should be");
}
