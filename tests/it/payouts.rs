//! Payouts: two people decide, the money moves once, and what became of it is known or said to be
//! unknown.

use std::time::Duration;

use commands::gateways::http;
use commands::policies::submit_payouts::{PawaPaySettings, Payer, SubmitPayouts};
use commands::policies::{self, Policy};
use commands::{Meta, access, effects};
use domain::Actor;
use domain::aggregate::Role;
use event_store::subscription::Subscription;
use reqwest::Method;
use serde_json::{Value, json};
use simulators::pawapay::{Pace, Pawapay, Rule, Settings};
use simulators::script::{Act, Callbacks, Chaos, Lie, Outcome, Probabilities};
use uuid::Uuid;

use crate::support::{Answer, App, Organization};

/// An organisation with PawaPay at the other end.
struct Till {
    app: App,
    organization: Organization,
    pawapay: Pawapay,
    payer: Payer,
}

impl Till {
    async fn open() -> Till {
        Till::patient(Duration::ZERO).await
    }

    /// Waits so long before it believes that PawaPay hasn't got a payout.
    async fn patient(grace: Duration) -> Till {
        let app = App::start().await;
        let organization = app.organization("Baraka").await;
        let callback_url = format!("{}/webhooks/pawapay/{}", app.base_url, organization.id);
        let pace = Pace { processing: Duration::from_millis(2), settled: Duration::from_millis(4) };
        let settings = Settings { callback_url: Some(callback_url), pace, ..Settings::default() };
        let pawapay = Pawapay::start(settings).unwrap();
        let payer = payer(&app, &pawapay, Some("token"), grace);
        Till { app, organization, pawapay, payer }
    }

    async fn request(&self, key: &str, body: Value) -> Answer {
        let unique = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", unique.as_str())];
        self.app.send(Method::POST, key, "/v1/payouts", Some(body), &headers).await
    }

    /// The agent asks for one.
    async fn requested(&self) -> String {
        let answer = self.request(&self.organization.agent, refund()).await.expect(201);
        answer.data()["id"].as_str().unwrap().to_owned()
    }

    /// The agent asks for one, and the owner approves it.
    async fn approved(&self) -> String {
        let id = self.requested().await;
        self.decide(&self.organization.owner, &id, "approve").await.expect(200);
        id
    }

    async fn decide(&self, key: &str, id: &str, decision: &str) -> Answer {
        let body = if decision == "reject" { json!({"reason": "Twice?"}) } else { Value::Null };
        self.app.post(key, &format!("/v1/payouts/{id}/{decision}"), body).await
    }

    async fn follow(&self) {
        let store = &self.app.store;
        let mut policy = Subscription::resume(store, SubmitPayouts::NAME, 0).await.unwrap();
        while policies::follow(store, &SubmitPayouts, &mut policy).await.unwrap() > 0 {}
    }

    /// Does all that is due, and whatever follows from it, until the provider has no more to tell.
    async fn drive(&self) {
        self.follow().await;
        while effects::attempt_due(&self.app.store, &self.payer).await.unwrap() > 0 {}
        self.told().await;
        while effects::attempt_due(&self.app.store, &self.payer).await.unwrap() > 0 {}
        self.app.settle().await;
    }

    /// Waits until every payout has ended that does, and its callbacks have arrived.
    async fn told(&self) {
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
    async fn later(&self) {
        let passed = "update effects set due_at = clock_timestamp(),
            lease_until = clock_timestamp() where state in ('pending', 'attempting', 'unknown')";
        sqlx::query(passed).execute(&self.app.db.database.owner).await.unwrap();
        self.drive().await;
    }

    async fn payout(&self, id: &str) -> Value {
        self.app.settle().await;
        let path = format!("/v1/payouts/{id}");
        self.app.get(&self.organization.auditor, &path).await.expect(200).data()
    }

    async fn status(&self, id: &str) -> String {
        self.payout(id).await["status"].as_str().unwrap().to_owned()
    }

    async fn effect(&self, id: &str) -> (String, Option<String>) {
        let query = "select state, reason from effects where id = $1";
        let effect = sqlx::query_as(query).bind(Uuid::parse_str(id).unwrap());
        effect.fetch_one(&self.app.db.database.owner).await.unwrap()
    }

    async fn callback(&self, body: &Value) -> Answer {
        let path = format!("/webhooks/pawapay/{}", self.organization.id);
        self.app.post("", &path, body.clone()).await
    }

    #[track_caller]
    fn assert_paid_once(&self, id: &str) {
        let paid: Vec<String> =
            self.pawapay.paid().into_iter().map(|paid| paid.payout_id).collect();
        assert_eq!(paid, [id]);
    }
}

fn payer(app: &App, pawapay: &Pawapay, token: Option<&str>, grace: Duration) -> Payer {
    let token = token.map(str::to_owned);
    let settings = PawaPaySettings { base_url: pawapay.url(), token, grace };
    Payer::new(app.commands.clone(), http::client().unwrap(), settings).unwrap()
}

fn refund() -> Value {
    json!({
        "amount": 2500, "currency": "RWF", "provider": "MTN_MOMO_RWA",
        "recipient": {"phone": "+250 788 000 131"}, "reason": "Refund of A17",
    })
}

#[tokio::test]
async fn money_that_two_people_agreed_on_reaches_the_recipient() {
    let till = Till::open().await;
    let id = till.requested().await;
    till.drive().await;
    let asked = till.payout(&id).await;
    assert_eq!(asked["status"], "requested");
    assert_eq!(asked["recipient"]["phone"], "250788000131");
    assert_eq!(asked["reason"], "Refund of A17");
    assert_eq!(till.pawapay.paid(), []);
    till.decide(&till.organization.owner, &id, "approve").await.expect(200);
    till.drive().await;
    let [paid] = till.pawapay.paid().try_into().unwrap();
    assert_eq!((&paid.payout_id, paid.amount.as_str()), (&id, "2500"));
    assert_eq!(paid.phone_number, "250788000131");
    let done = till.payout(&id).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["provider_transaction_id"], json!(paid.provider_transaction_id));
    assert_eq!(till.effect(&id).await.0, "done");
    till.app.assert_verified().await;
}

#[tokio::test]
async fn who_asks_can_not_approve_through_whatever_key() {
    let till = Till::open().await;
    let id = till.requested().await;
    let refused = till.decide(&till.organization.agent, &id, "approve").await;
    assert_eq!(refused.refused(403), "permission.denied");
    let meta = Meta::new(till.organization.id, Actor::System);
    let agent = till.organization.agent_id;
    let other = access::issue(&till.app.commands, &meta, agent, Role::Owner, "other").await;
    let refused = till.decide(&other.unwrap(), &id, "approve").await;
    assert_eq!(refused.refused(403), "payout.same_person");
    let auditor = till.decide(&till.organization.auditor, &id, "approve").await;
    assert_eq!(auditor.refused(403), "permission.denied");
    till.drive().await;
    assert_eq!(till.status(&id).await, "requested");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
}

#[tokio::test]
async fn what_its_approver_rejects_is_never_submitted() {
    let till = Till::open().await;
    let id = till.requested().await;
    till.decide(&till.organization.owner, &id, "reject").await.expect(200);
    till.drive().await;
    let rejected = till.payout(&id).await;
    assert_eq!(
        (&rejected["status"], &rejected["rejection_reason"]),
        (&json!("rejected"), &json!("Twice?"))
    );
    let late = till.decide(&till.organization.owner, &id, "approve").await;
    assert_eq!(late.refused(409), "payout.not_requested");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
}

#[tokio::test]
async fn it_can_be_cancelled_until_it_is_submitted() {
    let till = Till::open().await;
    let cancelled = till.approved().await;
    till.decide(&till.organization.agent, &cancelled, "cancel").await.expect(200);
    till.drive().await;
    assert_eq!(till.status(&cancelled).await, "cancelled");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
    till.pawapay.script(Rule::on(Act::Pay).stays("PROCESSING"));
    let submitted = till.approved().await;
    till.drive().await;
    let late = till.decide(&till.organization.owner, &submitted, "cancel").await;
    assert_eq!(late.refused(409), "payout.too_late");
    let others = till.request(&till.organization.owner, refund()).await.expect(201);
    let others = others.data()["id"].as_str().unwrap().to_owned();
    let refused = till.decide(&till.organization.agent, &others, "cancel").await;
    assert_eq!(refused.refused(403), "permission.denied");
}

#[tokio::test]
async fn a_key_is_required_and_its_repeat_asks_for_no_second_payout() {
    let till = Till::open().await;
    let agent = &till.organization.agent;
    let without = till.app.post(agent, "/v1/payouts", refund()).await;
    assert_eq!(without.refused(400), "idempotency.required");
    let headers = [("idempotency-key", "refund-a17")];
    let mut ids = vec![];
    for _ in 0..2 {
        let path = "/v1/payouts";
        let answer = till.app.send(Method::POST, agent, path, Some(refund()), &headers).await;
        ids.push(answer.expect(201).data()["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    till.app.settle().await;
    let list = till.app.get(agent, "/v1/payouts").await.expect(200);
    assert_eq!(list.data().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_provider_rejects_has_failed_with_its_reason() {
    let till = Till::open().await;
    till.pawapay.script(Rule::on(Act::Pay).refused("AMOUNT_OUT_OF_BOUNDS"));
    let id = till.approved().await;
    till.drive().await;
    till.later().await;
    let failed = till.payout(&id).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["failure"]["code"], "AMOUNT_OUT_OF_BOUNDS");
    assert_eq!(till.pawapay.paid(), []);
}

#[tokio::test]
async fn what_fails_at_the_operator_has_failed() {
    let till = Till::open().await;
    till.pawapay.script(Rule::on(Act::Pay).fails("RECIPIENT_NOT_FOUND"));
    let id = till.approved().await;
    till.drive().await;
    let failed = till.payout(&id).await;
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["failure"]["code"], "RECIPIENT_NOT_FOUND");
    till.app.assert_verified().await;
}

#[tokio::test]
async fn what_can_not_be_paid_now_is_paid_later() {
    let till = Till::open().await;
    till.pawapay.close("MTN_MOMO_RWA");
    let id = till.approved().await;
    till.drive().await;
    let waiting = till.payout(&id).await;
    assert_eq!(waiting["status"], "approved");
    assert_eq!(waiting["waiting_for"], "PROVIDER_TEMPORARILY_UNAVAILABLE");
    till.pawapay.resume("MTN_MOMO_RWA");
    till.later().await;
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn without_a_token_an_approved_payout_waits_and_says_why() {
    let mut till = Till::open().await;
    till.payer = payer(&till.app, &till.pawapay, None, Duration::ZERO);
    let id = till.approved().await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "approved");
    let (state, reason) = till.effect(&id).await;
    assert_eq!(state, "pending");
    assert!(reason.unwrap().contains("VERBATIM_PAWAPAY_TOKEN"));
    till.payer = payer(&till.app, &till.pawapay, Some("token"), Duration::ZERO);
    till.later().await;
    assert_eq!(till.status(&id).await, "completed");
}

#[tokio::test]
async fn a_lost_answer_or_an_error_after_acceptance_is_settled_by_the_status() {
    let ends = [Outcome::DoneButHungUp, Outcome::DoneButFailed(500)];
    for outcome in ends {
        let till = Till::open().await;
        let silence = Callbacks { withheld: true, ..Callbacks::default() };
        till.pawapay.script(Rule::on(Act::Pay).ends(outcome).callbacks(silence));
        let id = till.approved().await;
        till.drive().await;
        assert_eq!(till.status(&id).await, "unknown");
        let late = till.decide(&till.organization.owner, &id, "cancel").await;
        assert_eq!(late.refused(409), "payout.too_late");
        till.later().await;
        assert_eq!(till.status(&id).await, "completed");
        till.later().await;
        till.assert_paid_once(&id);
    }
}

#[tokio::test]
async fn a_request_that_was_lost_is_made_again_only_after_a_while() {
    let mut till = Till::patient(Duration::from_secs(300)).await;
    till.pawapay.script(Rule::on(Act::Pay).times(1).ends(Outcome::HungUp));
    let id = till.approved().await;
    till.drive().await;
    till.later().await;
    till.later().await;
    assert_eq!(till.status(&id).await, "unknown");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
    till.payer = payer(&till.app, &till.pawapay, Some("token"), Duration::ZERO);
    for _ in 0..3 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_submits_does_not_pay_twice() {
    let till = Till::open().await;
    till.pawapay.script(Rule::on(Act::Pay).times(1).answer_delay(Duration::from_secs(5)));
    let id = till.approved().await;
    till.follow().await;
    let attempt = effects::attempt_due(&till.app.store, &till.payer);
    assert!(tokio::time::timeout(Duration::from_millis(400), attempt).await.is_err());
    assert_eq!(till.effect(&id).await.0, "attempting");
    assert_eq!(till.status(&id).await, "submitted");
    till.later().await;
    till.later().await;
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn callbacks_that_repeat_or_come_out_of_order_change_nothing() {
    let till = Till::open().await;
    let how = Callbacks { copies: 2, reversed: true, ..Callbacks::default() };
    till.pawapay.script(Rule::on(Act::Pay).callbacks(how));
    let id = till.approved().await;
    till.drive().await;
    till.later().await;
    let done = till.payout(&id).await;
    assert_eq!((&done["status"], &done["contradicted"]), (&json!("completed"), &json!(false)));
    let completed = till.app.audit(&till.organization, "action=payout.Completed").await;
    assert_eq!(completed.len(), 1);
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn a_lying_callback_is_not_believed() {
    let till = Till::open().await;
    let lie = Callbacks { lie: Some(Lie::Verdict), ..Callbacks::default() };
    till.pawapay.script(Rule::on(Act::Pay).fails("RECIPIENT_NOT_FOUND").callbacks(lie));
    let id = till.approved().await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "failed");
    let lie = json!({"payoutId": id, "status": "COMPLETED", "amount": "2500", "currency": "RWF"});
    assert_eq!(till.callback(&lie).await.expect(200).data()["news"], true);
    till.drive().await;
    let failed = till.payout(&id).await;
    assert_eq!((&failed["status"], &failed["contradicted"]), (&json!("failed"), &json!(false)));
    assert_eq!(till.pawapay.paid(), []);
}

#[tokio::test]
async fn another_payout_under_the_same_id_stops_ours_for_a_person_to_see() {
    let till = Till::open().await;
    let id = till.approved().await;
    let other = json!({
        "payoutId": id, "amount": "9000", "currency": "RWF",
        "recipient": {
            "type": "MMO",
            "accountDetails": {"phoneNumber": "250788000131", "provider": "MTN_MOMO_RWA"},
        },
    });
    let url = format!("{}/v2/payouts", till.pawapay.url());
    let request = reqwest::Client::new().post(url).bearer_auth("token").json(&other);
    assert!(request.send().await.unwrap().status().is_success());
    till.drive().await;
    till.later().await;
    let stopped = till.payout(&id).await;
    assert_eq!(stopped["status"], "unknown");
    assert!(stopped["waiting_for"].as_str().unwrap().contains("another amount"));
    assert_eq!(till.effect(&id).await.0, "dead");
    till.later().await;
    assert_eq!(till.pawapay.payouts().len(), 1);
}

#[tokio::test]
async fn a_callback_that_can_not_be_read_or_is_about_nothing_is_refused() {
    let till = Till::open().await;
    let id = till.requested().await;
    for body in [json!([]), json!({"status": "COMPLETED"}), json!("x")] {
        assert_eq!(till.callback(&body).await.refused(400), "webhook.malformed");
    }
    let unknown = json!({"payoutId": Uuid::now_v7(), "status": "COMPLETED"});
    assert_eq!(till.callback(&unknown).await.refused(404), "not_found");
    let other = till.app.organization("Other").await;
    let path = format!("/webhooks/pawapay/{}", other.id);
    let foreign = json!({"payoutId": id, "status": "COMPLETED"});
    till.app.post("", &path, foreign.clone()).await.refused(404);
    till.callback(&foreign).await.expect(200);
    till.drive().await;
    assert_eq!(till.status(&id).await, "requested");
}

#[tokio::test]
async fn a_payout_that_makes_no_sense_is_refused_with_what_to_change() {
    let till = Till::open().await;
    let nobody = json!(Uuid::now_v7());
    for (field, value, code) in [
        ("amount", json!(0), "payout.invalid_amount"),
        ("amount", json!(-1), "payout.invalid_amount"),
        ("amount", json!(2.5), "request.invalid"),
        ("currency", json!("EURO"), "payout.invalid_currency"),
        ("currency", json!("XAU"), "payout.invalid_currency"),
        ("provider", json!("mtn"), "payout.invalid_provider"),
        ("reason", json!(" "), "payout.invalid_reason"),
        ("recipient", json!({"phone": "12"}), "contact.invalid_phone"),
        ("ticket_id", nobody.clone(), "payout.unknown_ticket"),
        ("contact_id", nobody.clone(), "payout.unknown_contact"),
        ("channel_id", nobody, "payout.unknown_channel"),
    ] {
        let mut body = refund();
        body[field] = value;
        let refused = till.request(&till.organization.agent, body).await;
        assert_eq!(refused.refused(422), code);
    }
    let auditor = till.request(&till.organization.auditor, refund()).await;
    assert_eq!(auditor.refused(403), "permission.denied");
}

#[tokio::test]
async fn payouts_are_listed_the_newest_first_and_by_status() {
    let till = Till::open().await;
    let first = till.requested().await;
    let second = till.approved().await;
    let third = till.requested().await;
    till.app.settle().await;
    let ids = |page: &Value| -> Vec<Value> {
        page["data"].as_array().unwrap().iter().map(|payout| payout["id"].clone()).collect()
    };
    let get = async |path: &str| till.app.get(&till.organization.agent, path).await;
    let page = get("/v1/payouts?limit=2").await.expect(200).json();
    assert_eq!(ids(&page), [json!(third), json!(second)]);
    let cursor = page["meta"]["next_cursor"].as_str().unwrap();
    let rest = get(&format!("/v1/payouts?limit=2&cursor={cursor}")).await.expect(200).json();
    assert_eq!(ids(&rest), [json!(first)]);
    let approved = get("/v1/payouts?status=approved").await.expect(200).json();
    assert_eq!(ids(&approved), [json!(second)]);
    let open = get("/v1/payouts?status=requested,approved").await.expect(200).json();
    assert_eq!(ids(&open).len(), 3);
    assert_eq!(get("/v1/payouts?status=lost").await.refused(422), "parameter.invalid");
    let other = till.app.organization("Other").await;
    let path = format!("/v1/payouts/{first}");
    till.app.get(&other.owner, &path).await.refused(404);
    let foreign = till.decide(&other.owner, &first, "approve").await;
    assert_eq!(foreign.refused(404), "payout.not_found");
}

#[tokio::test]
async fn on_a_bad_day_every_payout_is_paid_once_or_known_not_to_be() {
    let till = Till::open().await;
    till.pawapay.chaos(Chaos {
        seed: 11,
        probabilities: Probabilities::HOSTILE,
        longest: Duration::from_millis(10),
    });
    let mut ids = vec![];
    for _ in 0..40 {
        ids.push(till.approved().await);
    }
    for _ in 0..6 {
        till.later().await;
    }
    till.pawapay.calm();
    for _ in 0..4 {
        till.later().await;
    }
    let mut paid: Vec<String> =
        till.pawapay.paid().into_iter().map(|paid| paid.payout_id).collect();
    paid.sort();
    ids.sort();
    assert_eq!(paid, ids);
    for id in ids {
        assert_eq!(till.status(&id).await, "completed");
    }
    till.app.assert_verified().await;
}
