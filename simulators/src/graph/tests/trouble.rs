//! Calls that go wrong, and what was sent all the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ASHA, MESSAGES, graph, refused, rule, settings, started, text};
use crate::graph::{Settings, Window};
use crate::rehearsal::{Ear, until};
use crate::script::{Chaos, Outcome, Probabilities};

#[tokio::test]
async fn the_next_calls_that_fit_are_refused_and_nothing_is_sent() {
    let (graph, asker) = graph(None);
    graph.script(rule().kind("text").to(ASHA).times(2).refused(131_016));
    refused(&asker.post(MESSAGES, text(ASHA, "m1")).await, 500, 131_016);
    refused(&asker.post(MESSAGES, text(ASHA, "m1")).await, 500, 131_016);
    assert_eq!(asker.post(MESSAGES, text(ASHA, "m1")).await.0, 200);
    graph.script(rule().times(1).refused(131_048));
    refused(&asker.post(MESSAGES, text(ASHA, "m2")).await, 400, 131_048);
    assert_eq!(graph.sent().len(), 1);
}

#[tokio::test]
async fn a_500_says_nothing_about_whether_the_message_was_sent() {
    let (graph, asker) = graph(None);
    graph.script(rule().about("before").ends(Outcome::Failed(503)));
    graph.script(rule().about("after").ends(Outcome::DoneButFailed(500)));
    let before = asker.post(MESSAGES, text(ASHA, "before")).await;
    refused(&before, 503, 2);
    assert_eq!(before.1["error"]["is_transient"], true);
    refused(&asker.post(MESSAGES, text(ASHA, "after")).await, 500, 1);
    let sent = graph.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].callback_data.as_deref(), Some("after"));
}

#[tokio::test]
async fn a_lost_answer_says_nothing_either_but_the_status_tells() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    graph.script(rule().about("before").ends(Outcome::HungUp));
    graph.script(rule().about("after").ends(Outcome::DoneButHungUp));
    assert_eq!(asker.ask("POST", MESSAGES, &text(ASHA, "before")).await, None);
    assert_eq!(asker.ask("POST", MESSAGES, &text(ASHA, "after")).await, None);
    let bodies = ear.hears(3).await;
    let status = &bodies[0]["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(status["biz_opaque_callback_data"], "after");
    assert_eq!(status["id"], json!(graph.sent()[0].wamid));
    assert_eq!(graph.sent().len(), 1);
}

#[tokio::test]
async fn an_answer_can_be_late_before_and_after_the_message_is_sent() {
    let (graph, asker) = graph(None);
    let late = Duration::from_millis(60);
    graph.script(rule().times(1).delay(late));
    let start = Instant::now();
    asker.post(MESSAGES, text(ASHA, "m1")).await;
    assert!(start.elapsed() >= late);
    graph.script(rule().times(1).answer_delay(Duration::from_secs(600)));
    let (url, token) = (asker.url.clone(), asker.token.clone());
    let waiting = tokio::spawn(async move {
        let asker = crate::rehearsal::Asker { url, token };
        asker.ask("POST", MESSAGES, &text(ASHA, "m2")).await
    });
    until(|| graph.sent().len() == 2).await;
    waiting.abort();
}

#[tokio::test]
async fn what_was_asked_is_done_even_if_nobody_waits_for_the_answer() {
    let (graph, asker) = graph(None);
    graph.script(rule().times(1).delay(Duration::from_millis(100)));
    let body = text(ASHA, "m1");
    let asked = asker.ask("POST", MESSAGES, &body);
    assert!(tokio::time::timeout(Duration::from_millis(20), asked).await.is_err());
    until(|| graph.sent().len() == 1).await;
}

#[tokio::test]
async fn in_chaos_every_answer_of_200_is_a_message_sent_and_every_sent_message_is_told() {
    let ear = Ear::open();
    let (graph, asker) =
        started(Settings { window: Window::Open, throughput: None, ..settings(Some(&ear)) });
    graph.chaos(Chaos {
        seed: 11,
        probabilities: Probabilities { callbacks_withheld: 0.0, ..Probabilities::HOSTILE },
        longest: Duration::from_millis(10),
    });
    let (mut accepted, mut unsure) = (0, 0);
    for n in 0..150 {
        let to = format!("2541900{n:05}");
        match asker.ask("POST", MESSAGES, &text(&to, &n.to_string())).await {
            Some((200, _)) => accepted += 1,
            _ => unsure += 1,
        }
    }
    until(|| graph.pending() == 0).await;
    let sent = graph.sent();
    assert!(unsure > 20, "{unsure} of 150 calls went wrong");
    assert!(sent.len() > accepted && sent.len() < accepted + unsure);
    let told: Vec<Value> = ear.hears(sent.len()).await;
    for message in &sent {
        let ids = told.iter().flat_map(|body| {
            body["entry"][0]["changes"][0]["value"]["statuses"].as_array().unwrap()
        });
        assert!(ids.into_iter().any(|status| status["id"] == json!(message.wamid)));
    }
    graph.calm();
    assert_eq!(asker.post(MESSAGES, text(ASHA, "calm")).await.0, 200);
}
