//! Which account at PawaPay pays, and what happens when it is disconnected or opened by another
//! token.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::pawapay::{Pawapay, Rule, Settings};
use simulators::script::{Act, Outcome};
use uuid::Uuid;

use super::till::{Till, payer, refund};
use crate::support::till_account;

impl Till {
    async fn second_account(&self, token: &str) -> Uuid {
        let mut account = till_account();
        account["api_token"] = json!(token);
        self.app.connect(&self.organization.owner, account).await
    }

    /// The agent asks for a payout that names a channel, or none.
    async fn asked_of(&self, channel: Value) -> crate::support::Answer {
        let mut body = refund();
        body["channel_id"] = channel;
        self.request(&self.organization.agent, body).await
    }

    async fn on_account(&self, action: &str) {
        let path = format!("{}/{action}", self.account());
        self.app.post(&self.organization.owner, &path, Value::Null).await.expect(200);
    }

    async fn replace_token(&self, token: &str) {
        let new = json!({"api_token": token});
        self.app.patch(&self.organization.owner, &self.account(), new).await.expect(200);
    }
}

#[tokio::test]
async fn a_payout_goes_through_the_only_account_or_the_one_that_it_names() {
    let till = Till::open().await;
    let unnamed = till.asked_of(Value::Null).await.expect(201).data();
    assert_eq!(unnamed["channel_id"], till.organization.pawapay.to_string());
    let second = till.second_account("a token that PawaPay does not know").await;
    assert_eq!(till.asked_of(Value::Null).await.refused(422), "payout.channel_needed");
    let named = till.asked_of(json!(second)).await.expect(201).data();
    assert_eq!(named["channel_id"], second.to_string());
    for payout in [&unnamed, &named] {
        let id = payout["id"].as_str().unwrap();
        till.approve(id).await.expect(200);
    }
    till.later().await;
    till.later().await;
    assert_eq!(till.status(unnamed["id"].as_str().unwrap()).await, "completed");
    let waiting = till.payout(named["id"].as_str().unwrap()).await;
    assert_eq!(
        (&waiting["status"], &waiting["waiting_for"]),
        (&json!("approved"), &json!("AUTHENTICATION_ERROR"))
    );
    till.app.assert_verified().await;
}

#[tokio::test]
async fn only_a_connected_account_of_ones_own_pays() {
    let till = Till::open().await;
    let other = till.app.organization("Other").await;
    for channel in [Uuid::now_v7(), other.pawapay, till.organization.channel] {
        assert_eq!(till.asked_of(json!(channel)).await.refused(422), "payout.unknown_channel");
    }
    till.on_account("disconnect").await;
    let named = till.asked_of(json!(till.organization.pawapay)).await;
    assert_eq!(named.refused(409), "channel.disconnected");
    assert_eq!(till.asked_of(Value::Null).await.refused(409), "payout.no_channel");
    let second = till.second_account("another token").await;
    let only = till.asked_of(Value::Null).await.expect(201).data();
    assert_eq!(only["channel_id"], second.to_string());
}

#[tokio::test]
async fn what_is_approved_waits_while_its_account_is_disconnected() {
    let till = Till::open().await;
    let id = till.approved().await;
    till.on_account("disconnect").await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "approved");
    let (state, reason) = till.effect(&id).await;
    assert_eq!(state, "pending");
    assert!(reason.unwrap().contains("disconnected"));
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
    till.callback(&json!({"payoutId": id, "status": "COMPLETED"})).await.refused(404);
    till.on_account("reconnect").await;
    till.later().await;
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn what_another_accounts_token_does_not_find_is_not_submitted_again() {
    let mut till = Till::open().await;
    till.pawapay.script(Rule::on(Act::Pay).times(1).ends(Outcome::HungUp));
    let id = till.approved().await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "unknown");
    till.replace_token("another").await;
    let settings = Settings { token: "another".into(), ..Settings::default() };
    let elsewhere = Pawapay::start(settings).unwrap();
    till.payer = payer(&till.app, &elsewhere, Duration::ZERO);
    till.later().await;
    till.later().await;
    assert_eq!(till.status(&id).await, "unknown");
    assert!(till.effect(&id).await.1.unwrap().contains("token"));
    assert_eq!(elsewhere.payouts(), Vec::<Value>::new());
    till.replace_token("token").await;
    till.payer = payer(&till.app, &till.pawapay, Duration::ZERO);
    for _ in 0..3 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}
