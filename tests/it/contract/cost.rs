//! What row security costs a read: figures for people, printed by
//! `cargo nextest run -p tests --run-ignored only costs --no-capture`.

use std::time::{Duration, Instant};

use projections::finder::Finder;
use projections::inbox::{self, Inbox};
use sqlx::Executor;

use super::shop;
use crate::support::{App, customer};

const CONVERSATIONS: usize = 1_000;
const ROUNDS: usize = 20;
const READS: usize = 150;
/// Sessions plan anew after the change.
const WARM_UP: usize = 20;

#[tokio::test]
#[ignore = "it measures, which takes a minute on a quiet machine"]
async fn row_security_costs_an_inbox_read_at_most_a_tenth() {
    let (app, ours) = shop().await;
    for number in 0..CONVERSATIONS {
        app.say(&ours, &customer(number), &format!("wamid.{number}"), 0, "Hello").await;
    }
    app.settle().await;
    app.db.database.owner.execute("analyze").await.unwrap();
    let finder = Finder::new(&app.db.database.app, &Inbox, 1, ours.id);
    println!("a page of 50 out of {CONVERSATIONS} conversations");
    compare("GET /v1/inbox", &app, async || {
        app.get(&ours.agent, "/v1/inbox?limit=50").await.expect(200);
    })
    .await;
    compare("its query alone", &app, async || {
        let page = inbox::page(&finder, inbox::Filter::default(), None, 50).await.unwrap();
        assert_eq!(page.len(), 50);
    })
    .await;
}

/// Reads with and without row security in turns, so that what else the machine does hits both.
async fn compare(what: &str, app: &App, read: impl AsyncFn()) {
    let (mut with, mut without) = (vec![], vec![]);
    for round in 0..ROUNDS {
        for guarded in [round % 2 == 0, round % 2 != 0] {
            guard(app, guarded).await;
            for number in 0..WARM_UP + READS {
                let since = Instant::now();
                read().await;
                match (number >= WARM_UP, guarded) {
                    (true, true) => with.push(since.elapsed()),
                    (true, false) => without.push(since.elapsed()),
                    (false, _) => {}
                }
            }
        }
    }
    guard(app, true).await;
    let (with, without) = (Figures::of(with), Figures::of(without));
    let ratio = with.mean.as_secs_f64() / without.mean.as_secs_f64();
    println!(
        "{what}\n  with     {with:?}\n  without  {without:?}\n  mean with / without {ratio:.3}"
    );
    assert!(ratio <= 1.1, "{what}: {ratio}");
}

async fn guard(app: &App, on: bool) {
    let state = if on { "enable" } else { "disable" };
    for table in ["inbox_g1", "contacts_g1"] {
        let change = format!("alter table read_data.{table} {state} row level security");
        app.db.database.owner.execute(change.as_str()).await.unwrap();
    }
}

#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Figures {
    reads: usize,
    mean: Duration,
    median: Duration,
    p90: Duration,
}

impl Figures {
    fn of(mut took: Vec<Duration>) -> Figures {
        took.sort();
        let reads = took.len();
        let mean = took.iter().sum::<Duration>() / u32::try_from(reads).unwrap();
        Figures { reads, mean, median: took[reads / 2], p90: took[reads * 9 / 10] }
    }
}
