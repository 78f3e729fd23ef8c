//! The webhooks that follow a message.

use std::time::Duration;

use serde_json::{Value, json};

use super::{ASHA, MESSAGES, account, graph, rule, settings, started, text};
use crate::graph::{Settings, Window};
use crate::rehearsal::{Ear, until};
use crate::script::Callbacks;
use crate::whatsapp::{Person, sign};

/// The names of the statuses told so far, one list for each webhook.
fn names(bodies: &[Value]) -> Vec<Vec<String>> {
    let statuses = |body: &Value| {
        let statuses = &body["entry"][0]["changes"][0]["value"]["statuses"];
        let names = statuses.as_array().unwrap().iter();
        names.map(|status| status["status"].as_str().unwrap().to_owned()).collect()
    };
    bodies.iter().map(statuses).collect()
}

#[tokio::test]
async fn a_message_is_told_sent_delivered_and_read_signed_and_with_its_price() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    asker.post(MESSAGES, text(ASHA, "m1")).await;
    let bodies = ear.hears(3).await;
    assert_eq!(names(&bodies), [["sent"], ["delivered"], ["read"]]);
    for (signature, body) in ear.raw() {
        assert_eq!(signature, Some(sign("secret", &body)));
    }
    let change = &bodies[0]["entry"][0]["changes"][0];
    let mut status = change["value"]["statuses"][0].clone();
    assert!(status["timestamp"].as_str().unwrap().parse::<i64>().is_ok());
    status.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(
        status,
        json!({
            "id": graph.sent()[0].wamid, "status": "sent", "recipient_id": ASHA,
            "biz_opaque_callback_data": "m1",
            "pricing": {
                "billable": false, "pricing_model": "PMP", "type": "free_customer_service",
                "category": "service",
            },
        })
    );
    assert_eq!(change["value"]["metadata"]["phone_number_id"], "550010002000300");
    assert!(bodies[2]["entry"][0]["changes"][0]["value"]["statuses"][0].get("pricing").is_none());
}

#[tokio::test]
async fn what_nobody_can_receive_is_accepted_and_told_failed() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    graph.unreachable(ASHA);
    assert_eq!(asker.post(MESSAGES, text(ASHA, "m1")).await.0, 200);
    let bodies = ear.hears(2).await;
    assert_eq!(names(&bodies), [["sent"], ["failed"]]);
    let status = &bodies[1]["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!(status["errors"][0]["code"], 131_026);
    assert_eq!(status["biz_opaque_callback_data"], "m1");
    assert_eq!(graph.sent()[0].failed, Some(131_026));
}

#[tokio::test]
async fn a_closed_window_can_also_be_told_by_webhook() {
    let ear = Ear::open();
    let (_graph, asker) = started(Settings { window: Window::Fails, ..settings(Some(&ear)) });
    assert_eq!(asker.post(MESSAGES, text("254190000142", "m1")).await.0, 200);
    assert_eq!(names(&ear.hears(1).await), [["failed"]]);
}

#[tokio::test]
async fn a_webhook_is_repeated_until_it_is_answered_with_200_wherever_the_server_moved() {
    let (ear, moved) = (Ear::open(), Ear::open());
    let mut settings = settings(Some(&ear));
    settings.patience.first = Duration::from_millis(5);
    ear.deaf_to(u32::MAX);
    let (graph, asker) = started(settings);
    graph.script(rule().stays("sent"));
    asker.post(MESSAGES, text(ASHA, "m1")).await;
    assert_eq!(graph.pending(), 1);
    moved.deaf_to(2);
    graph.webhook("550010002000300", &moved.url());
    moved.hears(1).await;
    until(|| graph.pending() == 0).await;
    let posted = graph.posted();
    assert_eq!((posted.len(), posted[0].status), (1, Some(200)));
    assert!(posted[0].tries >= 3);
}

#[tokio::test]
async fn statuses_come_twice_backwards_together_or_not_at_all_when_asked() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    let reversed = Callbacks { reversed: true, ..Callbacks::default() };
    graph.script(rule().times(1).callbacks(reversed));
    asker.post(MESSAGES, text(ASHA, "m1")).await;
    assert_eq!(names(&ear.hears(3).await), [["read"], ["delivered"], ["sent"]]);
    let together = Callbacks { together: true, ..Callbacks::default() };
    graph.script(rule().times(1).callbacks(together));
    asker.post(MESSAGES, text(ASHA, "m2")).await;
    assert_eq!(names(&ear.hears(4).await)[3], ["sent", "delivered", "read"]);
    let twice = Callbacks { copies: 1, ..Callbacks::default() };
    graph.script(rule().times(1).callbacks(twice));
    asker.post(MESSAGES, text(ASHA, "m3")).await;
    let bodies = ear.hears(10).await;
    for status in ["sent", "delivered", "read"] {
        let count = names(&bodies[4..]).iter().filter(|names| names[0] == status).count();
        assert_eq!(count, 2, "{status}");
    }
    let withheld = Callbacks { withheld: true, ..Callbacks::default() };
    graph.script(rule().times(1).callbacks(withheld));
    asker.post(MESSAGES, text(ASHA, "m4")).await;
    assert_eq!(graph.pending(), 0);
}

#[tokio::test]
async fn a_customer_writes_and_may_be_answered() {
    let ear = Ear::open();
    let (graph, asker) = graph(Some(&ear));
    let grace = Person::with_phone("Grace Mutoni", "250700000131");
    let line = account(None).line.phone_number_id;
    let id = graph.customer_writes(&line, &grace, "text", json!({"body": "Hello?"})).unwrap();
    let bodies = ear.hears(1).await;
    let message = &bodies[0]["entry"][0]["changes"][0]["value"]["messages"][0];
    assert_eq!((&message["id"], &message["text"]["body"]), (&json!(id), &json!("Hello?")));
    assert_eq!(asker.post(MESSAGES, text("250700000131", "m1")).await.0, 200);
}
