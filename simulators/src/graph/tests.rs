//! What the Graph server is relied on for: that it answers as documented, and that its ledger is
//! true whatever its callers were told.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Account, Graph, Pace, Rate, Rule, Settings, Window, wamid};
use crate::rehearsal::{Asker, Ear, Told};
use crate::whatsapp::Line;

mod files;
mod forms;
mod judged;
mod told;
mod trouble;

const MESSAGES: &str = "/v23.0/550010002000300/messages";
const ASHA: &str = "254190000199";

fn account(webhook_url: Option<String>) -> Account {
    Account {
        line: Line {
            account_id: "770010002000300".into(),
            phone_number_id: "550010002000300".into(),
            display_phone_number: "254190000100".into(),
        },
        token: "token".into(),
        app_secret: "secret".into(),
        webhook_url,
    }
}

fn settings(ear: Option<&Ear>) -> Settings {
    let quick = Duration::from_millis;
    Settings {
        accounts: vec![account(ear.map(Ear::url))],
        pace: Pace { sent: quick(0), delivered: quick(5), read: Some(quick(10)) },
        ..Settings::default()
    }
}

/// A server to which Asha has just written.
fn graph(ear: Option<&Ear>) -> (Graph, Asker) {
    started(settings(ear))
}

fn started(settings: Settings) -> (Graph, Asker) {
    let graph = Graph::start(settings).unwrap();
    graph.customer_wrote(ASHA, Utc::now());
    let asker = Asker { url: graph.url(), token: "token".into() };
    (graph, asker)
}

fn text(to: &str, callback_data: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": to,
        "type": "text", "text": {"body": "Your lamp is here."},
        "biz_opaque_callback_data": callback_data,
    })
}

#[track_caller]
fn refused(told: &Told, status: u16, code: u32) {
    assert_eq!((told.0, &told.1["error"]["code"]), (status, &json!(code)), "{}", told.1);
    assert!(told.1["error"]["fbtrace_id"].is_string(), "{}", told.1);
}

#[tokio::test]
async fn a_text_is_sent_once_and_answered_as_documented() {
    let (graph, asker) = graph(None);
    let (status, answer) = asker.post(MESSAGES, text("+254 190 000199", "m1")).await;
    assert_eq!(status, 200);
    let sent = graph.sent();
    let [message] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(
        answer,
        json!({
            "messaging_product": "whatsapp",
            "contacts": [{"input": "+254 190 000199", "wa_id": ASHA}],
            "messages": [{"id": message.wamid}],
        })
    );
    assert!(message.wamid.starts_with("wamid."));
    assert_eq!((message.to.as_str(), message.callback_data.as_deref()), (ASHA, Some("m1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sees_a_message_sent_sees_that_its_webhooks_are_to_come() {
    // Nobody is there to take them.
    let accounts = vec![account(Some("http://127.0.0.1:9".into()))];
    let (graph, asker) = started(Settings { accounts, pair: None, ..settings(None) });
    for before in 0..50 {
        let sent = || {
            let since = std::time::Instant::now();
            while graph.count() == before {
                assert!(since.elapsed() < Duration::from_secs(10), "it never was sent");
                std::hint::spin_loop();
            }
            graph.pending()
        };
        let asked = asker.post(MESSAGES, text(ASHA, "m1"));
        let (pending, told) = std::thread::scope(|threads| {
            let seen = threads.spawn(sent);
            let told =
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked));
            (seen.join().unwrap(), told)
        });
        assert_eq!(told.0, 200);
        assert!(pending > 3 * before, "{pending} after {before} messages");
    }
}

#[tokio::test]
async fn graph_sends_what_it_is_asked_twice_twice() {
    let (graph, asker) = graph(None);
    for _ in 0..2 {
        assert_eq!(asker.post(MESSAGES, text(ASHA, "m1")).await.0, 200);
    }
    let sent = graph.sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0].wamid, sent[1].wamid);
}

#[tokio::test]
async fn who_shows_no_number_is_reached_by_their_id() {
    let (graph, asker) = graph(None);
    graph.customer_wrote("KE.20871649930015524718", Utc::now());
    let mut body = text("", "m1");
    body.as_object_mut().unwrap().remove("to");
    body["recipient"] = json!("KE.20871649930015524718");
    let (_, answer) = asker.post(MESSAGES, body).await;
    assert_eq!(answer["contacts"][0]["user_id"], "KE.20871649930015524718");
    assert!(answer["contacts"][0].get("wa_id").is_none());
}

#[tokio::test]
async fn a_wrong_token_and_another_owners_number_are_refused() {
    let (graph, mut asker) = graph(None);
    let mut other = account(None);
    other.line.phone_number_id = "550010002000999".into();
    other.token = "another".into();
    graph.account(other);
    let (status, answer) = asker.post("/v23.0/550010002000999/messages", text(ASHA, "m1")).await;
    assert_eq!(status, 400);
    assert_eq!(answer["error"]["type"], "GraphMethodException");
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["error_subcode"]),
        (&json!(100), &json!(33))
    );
    asker.token = "stolen".into();
    refused(&asker.post(MESSAGES, text(ASHA, "m1")).await, 401, 190);
    assert_eq!(graph.sent(), []);
}

#[tokio::test]
async fn own_words_need_a_customer_who_wrote_in_the_last_24_hours() {
    let (graph, asker) = graph(None);
    let long_ago = Utc::now() - TimeDelta::hours(24);
    graph.customer_wrote("254190000142", long_ago);
    let answer = asker.post(MESSAGES, text("254190000142", "m1")).await;
    refused(&answer, 400, 131_047);
    assert_eq!(answer.1["error"]["error_data"]["messaging_product"], "whatsapp");
    graph.customer_wrote("254190000142", long_ago + TimeDelta::minutes(1));
    assert_eq!(asker.post(MESSAGES, text("254190000142", "m1")).await.0, 200);
    graph.customer_wrote("254190000142", long_ago);
    assert_eq!(asker.post(MESSAGES, text("254190000142", "m2")).await.0, 200, "it stays open");
}

#[tokio::test]
async fn a_number_that_is_not_live_reaches_its_testers_only() {
    let (graph, asker) = graph(None);
    graph.allow_only(&["+254190000142"]);
    refused(&asker.post(MESSAGES, text(ASHA, "m1")).await, 400, 131_030);
    refused(&asker.post(MESSAGES, text("254190000100", "m1")).await, 400, 131_021);
}

#[tokio::test]
async fn too_many_messages_to_one_person_and_in_all_are_refused() {
    let rate = |burst| Some(Rate { burst, every: Duration::from_secs(60) });
    let (graph, asker) = started(Settings {
        window: Window::Open,
        pair: rate(2),
        throughput: rate(3),
        ..settings(None)
    });
    for _ in 0..2 {
        assert_eq!(asker.post(MESSAGES, text(ASHA, "m")).await.0, 200);
    }
    refused(&asker.post(MESSAGES, text(ASHA, "m")).await, 400, 131_056);
    refused(&asker.post(MESSAGES, text("254190000142", "m")).await, 400, 130_429);
    assert_eq!(graph.sent().len(), 2);
}

#[tokio::test]
async fn what_a_customer_wrote_is_marked_as_read() {
    let (graph, asker) = graph(None);
    let read = json!({
        "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A",
        "typing_indicator": {"type": "text"},
    });
    assert_eq!(asker.post(MESSAGES, read).await, (200, json!({"success": true})));
    assert_eq!(graph.marked_read(), ["wamid.A"]);
    let unknown = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "17"});
    refused(&asker.post(MESSAGES, unknown).await, 400, 131_009);
}

#[tokio::test]
async fn the_number_itself_can_be_asked_for() {
    let (_graph, asker) = graph(None);
    let (status, number) = asker.get("/v23.0/550010002000300?fields=verified_name").await;
    assert_eq!((status, &number["display_phone_number"]), (200, &json!("254190000100")));
    refused(&asker.get("/v23.0/12345").await, 400, 100);
}

#[tokio::test]
async fn a_dropped_server_answers_nobody() {
    let (graph, asker) = graph(None);
    drop(graph);
    crate::rehearsal::until(|| {
        std::net::TcpStream::connect(asker.url.replace("http://", "")).is_err()
    })
    .await;
}

fn rule() -> Rule {
    Rule::on(crate::script::Act::Send)
}

#[tokio::test]
async fn whichever_server_sends_a_message_gives_it_the_same_name() {
    let mut names = vec![];
    for _ in 0..2 {
        let (graph, asker) = graph(None);
        asker.post(MESSAGES, text(ASHA, "m1")).await;
        asker.post(MESSAGES, text(ASHA, "m2")).await;
        names.push(graph.sent().into_iter().map(|sent| sent.wamid).collect::<Vec<_>>());
    }
    assert_eq!(names[0], names[1]);
    assert_eq!(names[0], [wamid(ASHA, "m1", 0), wamid(ASHA, "m2", 0)]);
    assert_ne!(names[0][0], names[0][1]);
}
