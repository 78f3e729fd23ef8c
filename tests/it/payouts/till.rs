//! An organisation that pays out, and PawaPay at the other end: what the tests of payouts share.

use std::time::Duration;

use commands::effects;
use commands::gateways::http;
use commands::policies::submit_payouts::{PawaPaySettings, Payer, SubmitPayouts};
use commands::policies::{self, Policy};
use event_store::Clock;
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::pawapay::{Pace, Pawapay, Settings};
use uuid::Uuid;

use crate::support::{Account, Answer, App, Organization};

/// An organisation with PawaPay at the other end.
pub(super) struct Till {
    pub(super) app: App,
    pub(super) organization: Organization,
    /// The owner, signed in: no key approves.
    pub(super) approver: Account,
    pub(super) pawapay: Pawapay,
    pub(super) payer: Payer,
}

impl Till {
    pub(super) async fn open() -> Till {
        Till::patient(Duration::ZERO).await
    }

    /// Waits so long before it believes that PawaPay hasn't got a payout.
    pub(super) async fn patient(grace: Duration) -> Till {
        Till::at(Clock::Database, grace).await
    }

    /// Goes by this clock.
    pub(super) async fn at(clock: Clock, grace: Duration) -> Till {
        let app = App::start_at(clock).await;
        let organization = app.organization("Baraka").await;
        let approver = app.sign_in(organization.id, organization.owner_id).await;
        let callback_url = format!("{}/webhooks/pawapay/{}", app.base_url, organization.pawapay);
        let pace = Pace { processing: Duration::from_millis(2), settled: Duration::from_millis(4) };
        let callback_url = Some(callback_url);
        let settings = Settings { callback_url, pace, signs: true, ..Settings::default() };
        let pawapay = Pawapay::start(settings).unwrap();
        let payer = payer(&app, &pawapay, grace);
        let till = Till { app, organization, approver, pawapay, payer };
        let key = json!({"callback_public_key": till.pawapay.public_key()});
        till.app.patch(&till.organization.owner, &till.account(), key).await.expect(200);
        till
    }

    /// Where the channel is that pays.
    pub(super) fn account(&self) -> String {
        format!("/v1/channels/{}", self.organization.pawapay)
    }

    pub(super) async fn request(&self, key: &str, body: Value) -> Answer {
        let unique = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", unique.as_str())];
        self.app.send(Method::POST, key, "/v1/payouts", Some(body), &headers).await
    }

    /// The agent asks for one.
    pub(super) async fn requested(&self) -> String {
        let answer = self.request(&self.organization.agent, refund()).await.expect(201);
        answer.data()["id"].as_str().unwrap().to_owned()
    }

    /// The agent asks for one, and the owner approves it.
    pub(super) async fn approved(&self) -> String {
        let id = self.requested().await;
        self.approve(&id).await.expect(200);
        id
    }

    pub(super) async fn approve(&self, id: &str) -> Answer {
        self.app.approve(&self.approver, id, &[]).await
    }

    pub(super) async fn decide(&self, key: &str, id: &str, decision: &str) -> Answer {
        let body = if decision == "reject" { json!({"reason": "Twice?"}) } else { Value::Null };
        self.app.post(key, &format!("/v1/payouts/{id}/{decision}"), body).await
    }

    pub(super) async fn follow(&self) {
        let App { store, commands, .. } = &self.app;
        let mut policy = Subscription::resume(store, SubmitPayouts::NAME, 0).await.unwrap();
        while policies::follow(commands, &SubmitPayouts, &mut policy).await.unwrap() > 0 {}
    }

    /// Does all that is due, and whatever follows from it, until the provider has no more to tell.
    pub(super) async fn drive(&self) {
        self.follow().await;
        while effects::attempt_due(&self.app.store, &self.payer).await.unwrap() > 0 {}
        self.told().await;
        while effects::attempt_due(&self.app.store, &self.payer).await.unwrap() > 0 {}
        self.app.settle().await;
    }

    /// Waits until every payout has ended that does, and its callbacks have arrived.
    pub(super) async fn told(&self) {
        let ended = |payout: &Value| {
            let status = payout["status"].as_str().unwrap();
            matches!(status, "COMPLETED" | "FAILED")
        };
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.pawapay.payouts().iter().all(ended) {
                break;
            }
        }
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.pawapay.pending() == 0 {
                return;
            }
        }
    }

    /// Lets the time pass that effects wait for.
    pub(super) async fn later(&self) {
        self.app.effects_are_due().await;
        self.drive().await;
    }

    pub(super) async fn payout(&self, id: &str) -> Value {
        self.app.settle().await;
        let path = format!("/v1/payouts/{id}");
        self.app.get(&self.organization.auditor, &path).await.expect(200).data()
    }

    pub(super) async fn status(&self, id: &str) -> String {
        self.payout(id).await["status"].as_str().unwrap().to_owned()
    }

    pub(super) async fn effect(&self, id: &str) -> (String, Option<String>) {
        let query = "select state, reason from effects where id = $1";
        let effect = sqlx::query_as(query).bind(Uuid::parse_str(id).unwrap());
        effect.fetch_one(&self.app.db.database.owner).await.unwrap()
    }

    pub(super) async fn callback(&self, body: &Value) -> Answer {
        let path = format!("/webhooks/pawapay/{}", self.organization.pawapay);
        self.app.post("", &path, body.clone()).await
    }

    #[track_caller]
    pub(super) fn assert_paid_once(&self, id: &str) {
        let paid: Vec<String> =
            self.pawapay.paid().into_iter().map(|paid| paid.payout_id).collect();
        assert_eq!(paid, [id]);
    }
}

pub(super) fn payer(app: &App, pawapay: &Pawapay, grace: Duration) -> Payer {
    let settings = PawaPaySettings { base_url: pawapay.url(), grace };
    Payer::new(app.commands.clone(), http::client().unwrap(), settings).unwrap()
}

pub(super) fn refund() -> Value {
    json!({
        "amount": 2500, "currency": "RWF", "provider": "MTN_MOMO_RWA",
        "recipient": {"phone": "+250 788 000 131"}, "reason": "Refund of A17",
    })
}
