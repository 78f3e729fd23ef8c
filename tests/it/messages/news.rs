//! News of messages: found by what we gave along, and told with its reason.

use chrono::Utc;
use serde_json::{Value, json};
use simulators::graph::Rule;
use simulators::script::{Act, Callbacks, Outcome};
use simulators::whatsapp;

use super::Desk;
use crate::support::{BEN, line};

/// A message of which nobody knows what became; WhatsApp has it.
async fn lost(desk: &Desk) -> String {
    let silence = Callbacks { withheld: true, ..Callbacks::default() };
    desk.graph.script(Rule::on(Act::Send).ends(Outcome::DoneButHungUp).callbacks(silence));
    let id = desk.say("Perhaps.").await;
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "unknown");
    id
}

/// WhatsApp tells that it arrived, and names the customer by a number that we don't know.
async fn arrived(desk: &Desk, id: &str) {
    let wamid = desk.graph.sent().last().unwrap().wamid.clone();
    let given = json!({"biz_opaque_callback_data": id});
    let status = whatsapp::status(&BEN, &wamid, Utc::now(), "delivered", given);
    let told = whatsapp::statuses(&line(), &[&BEN], vec![status]);
    desk.app.tell(&desk.organization, told).await.expect(200);
    desk.drive().await;
}

#[tokio::test]
async fn a_receipt_that_names_the_customer_by_another_number_is_about_our_message() {
    let desk = Desk::open().await;
    let id = lost(&desk).await;
    arrived(&desk, &id).await;
    assert_eq!(desk.delivery(&id).await, "delivered");
    assert_eq!(desk.failed().await, Vec::<Value>::new());
    let inbox = desk.app.get(&desk.organization.owner, "/v1/inbox?status=all").await.data();
    assert_eq!(inbox.as_array().unwrap().len(), 1, "nobody else has a conversation now");
}

#[tokio::test]
async fn what_was_given_up_and_arrived_all_the_same_is_told_as_delivered() {
    let desk = Desk::open().await;
    let id = lost(&desk).await;
    desk.decide(&id, "discard").await.expect(200);
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "discarded");
    arrived(&desk, &id).await;
    assert_eq!(desk.delivery(&id).await, "delivered");
}

#[tokio::test]
async fn what_failed_by_news_waits_with_its_reason() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Send).times(1).fails(131_026));
    let id = desk.say("Hello").await;
    desk.drive().await;
    assert_eq!(desk.delivery(&id).await, "failed");
    let failed = &desk.failed().await[0];
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.starts_with("131026 "), "{failed}");
}
