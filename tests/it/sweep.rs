//! What is kept for repeats is forgotten when nobody repeats any more, but never where money moves.

use std::sync::{Arc, RwLock};

use chrono::{TimeDelta, Utc};
use commands::{Commands, sweep};
use event_store::Clock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, App};

const KEY: [(&str, &str); 1] = [("idempotency-key", "order-17")];

async fn ask(app: &App, key: &str, path: &str, body: &Value) -> Answer {
    app.send(Method::POST, key, path, Some(body.clone()), &KEY).await.expect(201)
}

#[tokio::test]
async fn a_repeat_is_recognised_for_thirty_days_and_one_that_moves_money_for_ever() {
    let hand = Arc::new(RwLock::new(Some(Utc::now())));
    let app = App::start_at(Clock::Told(hand.clone())).await;
    let shop = app.organization("Baraka").await;
    let contact = json!({"name": "Ada Obi"});
    let payout = json!({"amount": 150_000, "currency": "KES", "provider": "MPESA_KEN",
        "recipient": {"phone": "+254 712 345 678"}, "reason": "Refund"});
    let registered = ask(&app, &shop.agent, "/v1/contacts", &contact).await;
    let requested = ask(&app, &shop.agent, "/v1/payouts", &payout).await;
    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::days(29));
    assert_eq!(sweep::batch(&app.commands).await.unwrap(), 0);
    let again = ask(&app, &shop.agent, "/v1/contacts", &contact).await;
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &registered.text));

    *hand.write().unwrap() = Some(Utc::now() + TimeDelta::days(31));
    let twin = Commands::new(app.db.store_at(Clock::Told(hand.clone())).await);
    let (one, other) = tokio::join!(sweep::batch(&app.commands), sweep::batch(&twin));
    assert_eq!(one.unwrap() + other.unwrap(), 2, "each record is one process's");
    assert_eq!(sweep::batch(&twin).await.unwrap(), 0, "what is kept is not looked at again");
    let again = ask(&app, &shop.agent, "/v1/payouts", &payout).await;
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &requested.text));
    let another = ask(&app, &shop.agent, "/v1/contacts", &contact).await;
    assert_eq!(another.header("idempotent-replayed"), "");
    assert_ne!(another.data()["id"], registered.data()["id"]);
}
