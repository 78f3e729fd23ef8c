//! What did not get through, page by page, and as fresh as somebody wants it.

use serde_json::{Value, json};
use simulators::graph::Rule;
use simulators::script::Act;

use super::Desk;

const PATH: &str = "/v1/messages/failed";

/// Messages that WhatsApp refuses, the newest first.
async fn refused(desk: &Desk, messages: usize) -> Vec<Value> {
    let mut ids = vec![];
    for number in 0..messages {
        desk.graph.script(Rule::on(Act::Send).times(1).refused(131_026));
        ids.insert(0, json!(desk.say(&format!("Hello {number}?")).await));
        desk.drive().await;
    }
    ids
}

fn ids(data: &Value) -> Vec<Value> {
    data.as_array().unwrap().iter().map(|message| message["message_id"].clone()).collect()
}

#[tokio::test]
async fn what_failed_is_listed_page_by_page() {
    let desk = Desk::open().await;
    let expected = refused(&desk, 3).await;
    let (mut found, mut path) = (vec![], format!("{PATH}?limit=2"));
    loop {
        let page = desk.app.get(&desk.organization.agent, &path).await.expect(200).json();
        found.extend(ids(&page["data"]));
        assert_eq!(page["meta"]["has_more"], found.len() < 3);
        assert_eq!(page["meta"]["statistics"][0]["count"], 3);
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("{PATH}?limit=2&cursor={next}");
    }
    assert_eq!(found, expected);
    let wrong = desk.app.get(&desk.organization.agent, &format!("{PATH}?cursor=W10")).await;
    assert_eq!(wrong.refused(400), "cursor.invalid");
}

#[tokio::test]
async fn who_gave_a_message_up_reads_that_it_waits_no_more() {
    let desk = Desk::open().await;
    let id = refused(&desk, 1).await[0].as_str().unwrap().to_owned();
    let given_up = desk.decide(&id, "discard").await.expect(200);
    // The read waits for the policy, which comes later.
    let read = desk.app.get_since(&given_up, &desk.organization.agent, PATH);
    let (seen, ()) = futures_util::join!(read, desk.follow());
    let seen = seen.expect(200);
    assert_eq!(seen.data(), json!([]));
    assert!(!seen.header("log-position").is_empty());
    assert_eq!(desk.decide(&id, "discard").await.refused(404), "message.not_found");
}
