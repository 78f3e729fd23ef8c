//! Several servers on one database: each thing is done by one of them, and by another as soon as that
//! one is killed or sleeps.

mod ground;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Listening, Running};
use ground::{Ground, until};

/// What one process at a time does in a server that does everything.
const ALONE: [&str; 7] = [
    "read_models",
    "release_work",
    "search",
    "send_mails",
    "send_messages",
    "submit_payouts",
    "submit_templates",
];
const FED: &str = "verbatim_read_model_position";
/// Who write in each round.
const CUSTOMERS: usize = 8;

/// Waits until one process does all that one does alone; tells which.
async fn one_does_all(ground: &Ground) -> String {
    let since = Instant::now();
    loop {
        let held = ground.held().await;
        let all: BTreeSet<String> = ALONE.iter().map(|name| (*name).to_owned()).collect();
        if let [(process, does)] = Vec::from_iter(&held)[..]
            && *does == all
        {
            return process.clone();
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{held:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_process_that_feeds_is_killed_another_feeds_within_seconds() {
    let ground = Ground::lay().await;
    let mut first = ground.serve("all");
    let held_first = one_does_all(&ground).await;
    let second = ground.serve("all");
    let channel = ground.connect(&first).await;
    ground.tell(&second, channel);
    let conversation = ground.customer_writes(&second, 0).await;
    ground.say(&second, &conversation, "before").await;
    until("the first message is sent", || ground.graph.count() == 1).await;
    assert!(ground.counted(&first, FED).await.is_some());
    assert_eq!(ground.counted(&second, FED).await, None, "only one feeds");

    first.kill();
    let since = Instant::now();
    ground.say(&second, &conversation, "after").await;
    let read = ground.read_after(&second).await;
    until("the second message is sent", || ground.graph.count() == 2).await;
    let sent = since.elapsed();
    println!("killed: read after {read:.1?}, sent after {sent:.1?}");
    assert!(read < Duration::from_secs(5) && sent < Duration::from_secs(5), "{read:?} {sent:?}");
    assert_ne!(one_does_all(&ground).await, held_first);
    assert!(ground.counted(&second, FED).await.is_some());
    ground.ends_whole([second]).await;
}

/// Registers contacts and writes to customers as fast as a server answers, until it is enough; tells
/// how many messages it has written.
async fn load(
    ground: &Ground,
    server: &Running,
    conversations: &[String],
    enough: &AtomicBool,
) -> usize {
    let mut said = 0;
    while !enough.load(Ordering::Relaxed) {
        ground.register(server, "Somebody").await;
        // WhatsApp takes only so many for one person.
        if said < 20 * conversations.len() {
            let conversation = &conversations[said % conversations.len()];
            ground.say(server, conversation, &format!("message {said}")).await;
            said += 1;
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_sleeps_is_followed_and_does_nothing_more_when_it_wakes() {
    let ground = Ground::lay().await;
    let mut holder = ground.serve("all");
    let mut process = one_does_all(&ground).await;
    let mut other = ground.serve("all");
    let channel = ground.connect(&holder).await;
    let mut said = 0;
    for round in 0..3 {
        ground.tell(&other, channel);
        let mut conversations = vec![];
        for number in 0..CUSTOMERS {
            conversations.push(ground.customer_writes(&other, round * CUSTOMERS + number).await);
        }
        let enough = AtomicBool::new(false);
        let sleeps = async {
            // In the middle of whatever it is about.
            let fed = ground.counted(&holder, FED).await;
            while ground.counted(&holder, FED).await == fed {}
            holder.pause();
            let read = ground.read_after(&other).await;
            let next = one_does_all(&ground).await;
            assert_ne!(next, process);
            process = next;
            println!("asleep: read after {read:.1?}");
            assert!(read < Duration::from_secs(10), "{read:?}");
            holder.go_on();
            // What it had committed before counts as well.
            ground.read_after(&other).await;
            let fed = ground.counted(&holder, "verbatim_projected_events_total").await;
            for _ in 0..20 {
                ground.read_after(&other).await;
            }
            let now = ground.counted(&holder, "verbatim_projected_events_total").await;
            assert_eq!(now, fed, "one that was followed feeds nothing more");
            assert_eq!(one_does_all(&ground).await, process);
            enough.store(true, Ordering::Relaxed);
        };
        let (spoken, ()) = tokio::join!(load(&ground, &other, &conversations, &enough), sleeps);
        said += spoken;
        std::mem::swap(&mut holder, &mut other);
    }
    comes_to_rest(&ground, &holder).await;
    let sent = ground.sent();
    let twice: Vec<_> = sent.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    // What the sleeper was in the middle of may not have left, and is not sent blindly.
    println!("sent {} of {said}", sent.len());
    assert!(sent.len() <= said && sent.len() + 3 * CUSTOMERS >= said);
    ground.ends_whole([holder, other]).await;
}

/// Waits until nothing more is to be sent.
async fn comes_to_rest(ground: &Ground, server: &Running) {
    let since = Instant::now();
    loop {
        let position = ground.register(server, "Somebody").await;
        let path = format!("/v1/messages/failed?min_position={position}");
        let failed = ground.get(server, &path).await;
        let statistics = failed["meta"]["statistics"].as_array().unwrap();
        let moves = |row: &Value| row["state"] == "pending" || row["state"] == "attempting";
        if !statistics.iter().any(moves) && ground.graph.pending() == 0 {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(150), "no rest: {statistics:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_answers_and_one_that_works_are_a_whole_system() {
    let ground = Ground::lay().await;
    let (api, worker) = (ground.serve("api"), ground.serve("worker"));
    ground.connect(&api).await;
    let path = "/v1/inbox?status=all";
    ground.get(&api, "/ready").await;
    let begin = ground.register(&api, "Somebody").await;
    let mut heard = Listening::to(&api.base_url, &ground.owner, &begin).await;
    for number in 0..10 {
        let conversation = ground.customer_writes(&api, number).await;
        let said = ground.say(&api, &conversation, "Hello to you").await;
        until("it is sent", || ground.sent().contains_key(&said)).await;
        until("its receipts are told", || ground.graph.pending() == 0).await;
        let position = ground.register(&api, "Somebody").await;
        let messages = format!("/v1/conversations/{conversation}/messages?min_position={position}");
        let messages = ground.get(&api, &messages).await;
        let delivery = messages["data"].as_array().unwrap().iter();
        let delivery = delivery.map(|row| &row["delivery"]["status"]).collect::<Vec<_>>();
        assert!(delivery.contains(&&json!("read")), "{delivery:?}");
    }
    while heard.next().await.unwrap().kind != "conversation.Read" {}

    assert_eq!(ground.counted(&api, FED).await, None);
    assert!(ground.counted(&worker, FED).await.is_some());
    for health in ["/health", "/ready", "/metrics"] {
        assert_eq!(ground.ask(&worker, health).await.0, 200, "{health}");
    }
    for elsewhere in [path, "/v1/projections", "/openapi.json", "/docs", "/"] {
        let (status, text) = ground.ask(&worker, elsewhere).await;
        assert!(status == 404 && text.contains("--role api"), "{elsewhere}: {status} {text}");
    }
    assert!(worker.stop().success());
    assert_eq!(ground.get(&api, path).await["data"].as_array().unwrap().len(), 10);
    let written = ground.register(&api, "Somebody").await;
    let (status, text) = ground.ask(&api, &format!("{path}&min_position={written}")).await;
    assert!(status == 503 && text.contains("read_model.lagging"), "{status} {text}");
    assert!(api.stop().success());
    let worker = ground.serve("worker");
    one_does_all(&ground).await;
    ground.ends_whole([worker]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_processes_append_at_once_takes_its_turns_without_a_gap() {
    let ground = Ground::lay().await;
    // Both begin at once, and build what people see while they write.
    let (one, other) = (ground.serve("all"), ground.serve("all"));
    let write = async |server: &Running| {
        let mut positions = vec![];
        for number in 0..200 {
            let told = ground.register(server, &format!("Person {number}")).await;
            positions.push(told.split_once('.').unwrap().1.parse::<i64>().unwrap());
        }
        positions
    };
    let (mine, theirs) = tokio::join!(write(&one), write(&other));
    assert!(mine.is_sorted() && theirs.is_sorted());
    let changes = |mine: &[i64], theirs: &[i64]| {
        let mut all: Vec<_> =
            mine.iter().map(|it| (it, 0)).chain(theirs.iter().map(|it| (it, 1))).collect();
        all.sort_unstable();
        all.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
    };
    assert!(changes(&mine, &theirs) > 20, "they took turns");
    let all: BTreeSet<i64> = mine.iter().chain(&theirs).copied().collect();
    assert_eq!(all.len(), 400);
    ground.ends_whole([one, other]).await;
}
