//! What the providers' ledgers say, against what we say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use simulators::graph::Sent;

use super::clients::{Issued, amount};
use super::is_unknown_to_the_operator;
use super::stage::{Known, Stage, wallet};
use crate::support::{assert_whole, said};

/// What WhatsApp has really sent, by our id of the message.
fn sent(stage: &Stage) -> BTreeMap<String, Vec<Sent>> {
    let mut sent = BTreeMap::<_, Vec<Sent>>::new();
    for message in stage.graph.sent() {
        sent.entry(message.callback_data.clone().unwrap()).or_default().push(message);
    }
    sent
}

/// The statuses of each message that we acknowledged to WhatsApp.
fn receipts(stage: &Stage) -> BTreeMap<String, BTreeSet<String>> {
    let mut receipts = BTreeMap::<_, BTreeSet<_>>::new();
    for posted in stage.graph.posted() {
        assert_eq!(posted.status, Some(200), "a webhook was given up: {posted:?}");
        let body: Value = serde_json::from_str(&posted.body).unwrap();
        let statuses = body.pointer("/entry/0/changes/0/value/statuses");
        for status in statuses.and_then(Value::as_array).into_iter().flatten() {
            let id = status["biz_opaque_callback_data"].as_str().unwrap().to_owned();
            receipts.entry(id).or_default().insert(status["status"].as_str().unwrap().to_owned());
        }
    }
    receipts
}

/// The messages of all conversations: ours by id, and for each customer what they wrote.
async fn told(stage: &Stage, customers: &[Known]) -> BTreeMap<String, Value> {
    let position = stage.position().await;
    let mut ours = BTreeMap::new();
    for (number, Known { conversation, .. }) in customers.iter().enumerate() {
        let path = format!("/v1/conversations/{conversation}/messages");
        let rows = stage.all(&path, &position).await;
        let (theirs, own): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row["author"] == "customer");
        assert_eq!(theirs.len(), 1, "{number} wrote once");
        assert_eq!(theirs[0]["content"]["body"], format!("Hello from {number}"));
        for row in own {
            let id = row["id"].as_str().unwrap().to_owned();
            assert_eq!(ours.insert(id, row), None);
        }
    }
    ours
}

pub(super) async fn messages(stage: &Stage, issued: &Issued, customers: &[Known]) {
    let (sent, receipts) = (sent(stage), receipts(stage));
    let told = told(stage, customers).await;
    let issued_ids = issued.messages.lock().unwrap();
    let ids = |ids: &BTreeMap<String, Value>| ids.keys().cloned().collect::<BTreeSet<_>>();
    let acknowledged: BTreeSet<_> = issued_ids.keys().cloned().collect();
    assert_eq!(ids(&told), acknowledged, "what was acknowledged is there, and nothing else");
    for (id, sent) in &sent {
        assert!(acknowledged.contains(id), "nobody asked for {id}");
        assert_eq!(sent.len(), 1, "{id} was sent twice: {sent:?}");
        assert_eq!(sent[0].body["text"]["body"], issued_ids[id].as_str());
    }
    let mut fates = BTreeMap::<&str, usize>::new();
    for (id, row) in &told {
        let status = row["delivery"]["status"].as_str().unwrap();
        let right = match (sent.get(id), receipts.get(id)) {
            // Where an answer was lost, nobody can tell that nothing was sent.
            (None, receipts) => receipts.is_none() && ["unknown", "failed"].contains(&status),
            // All receipts were withheld: what is known is what the answer said, if it came.
            (Some(_), None) => ["unknown", "sent"].contains(&status),
            (Some(_), Some(receipts)) => status == furthest(receipts),
        };
        assert!(right, "{id}: {row} but {:?} and {:?}", sent.get(id), receipts.get(id));
        *fates.entry(status).or_default() += 1;
    }
    println!("          messages {fates:?}, asked again {} times", issued.asked_again());
    let unknown = fates.get("unknown").copied().unwrap_or_default();
    assert!(unknown * 4 < told.len(), "`unknown` is no excuse");
}

fn furthest(receipts: &BTreeSet<String>) -> &'static str {
    let order = ["read", "delivered", "failed", "sent"];
    order.into_iter().find(|status| receipts.contains(*status)).unwrap()
}

pub(super) async fn payouts(stage: &Stage, issued: &Issued) {
    let mut paid = BTreeMap::new();
    for payment in stage.pawapay.paid() {
        let before = paid.insert(payment.payout_id.clone(), payment);
        assert_eq!(before, None, "it was paid twice");
    }
    let known: BTreeMap<String, Value> = stage.pawapay.payouts().into_iter().map(by_id).collect();
    let rows = stage.all("/v1/payouts", &stage.position().await).await;
    let told: BTreeMap<String, Value> = rows.into_iter().map(by_id).collect();
    let issued = issued.payouts.lock().unwrap();
    let ids = |ids: &BTreeMap<String, Value>| ids.keys().cloned().collect::<BTreeSet<_>>();
    let acknowledged: BTreeSet<_> = issued.keys().cloned().collect();
    assert_eq!(ids(&told), acknowledged, "what was acknowledged is there, and nothing else");
    assert_eq!(ids(&known), acknowledged, "PawaPay was asked for all of it, and nothing else");
    for (id, number) in &*issued {
        let (status, fate) = (told[id]["status"].as_str().unwrap(), &known[id]["status"]);
        assert_eq!(told[id]["contradicted"], false, "{}", told[id]);
        if is_unknown_to_the_operator(*number) {
            assert_eq!((status, fate.as_str().unwrap()), ("failed", "FAILED"), "{}", told[id]);
            assert_eq!(told[id]["failure"]["code"], "RECIPIENT_NOT_FOUND");
            assert_eq!(paid.get(id), None);
        } else {
            assert_eq!((status, fate.as_str().unwrap()), ("completed", "COMPLETED"));
            let payment = &paid[id];
            assert_eq!(payment.amount, amount(*number).to_string());
            assert_eq!(payment.phone_number, wallet(*number));
        }
    }
}

fn by_id(row: Value) -> (String, Value) {
    let id = row["id"].as_str().or(row["payoutId"].as_str()).unwrap();
    (id.to_owned(), row)
}

/// Positions are dense, what people see follows from the log, and a rebuild changes none of it.
pub(super) fn log(stage: &Stage) {
    stage.stop();
    let status = assert_whole(|tool| stage.program(tool));
    let run = |words: &[&str]| said(stage.program("replay-tool"), words);
    let digest = run(&["digest", "--all"]);
    run(&["rebuild", "--all"]);
    assert_eq!(run(&["digest", "--all"]), digest, "a rebuild changes nothing");
    println!("          {} events", status["events"]);
}
