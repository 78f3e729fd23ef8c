//! Payouts: two people decide, the money moves once, and what became of it is known or said to be
//! unknown.

mod accounts;
mod callbacks;
mod doubts;
mod provider;
mod revisions;
mod till;

use reqwest::Method;
use serde_json::{Value, json};
use simulators::pawapay::Rule;
use simulators::script::Act;
use uuid::Uuid;

use till::{Till, refund};

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
    till.approve(&id).await.expect(200);
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
async fn who_asks_can_not_approve_and_no_key_can() {
    let till = Till::open().await;
    let id = till.requested().await;
    let refused = till.decide(&till.organization.agent, &id, "approve").await;
    assert_eq!(refused.refused(403), "permission.denied");
    let own = till.request(&till.organization.owner, refund()).await.expect(201).data();
    let refused = till.approve(own["id"].as_str().unwrap()).await;
    assert_eq!(refused.refused(403), "payout.same_person");
    let by_key = till.decide(&till.organization.owner, &id, "approve").await;
    assert_eq!(by_key.refused(403), "auth.step_up_required");
    assert_eq!(by_key.json()["step_up"], "sign_in");
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
    let late = till.approve(&id).await;
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
    let stranger = till.app.sign_in(other.id, other.owner_id).await;
    let path = format!("/v1/payouts/{first}");
    till.app.get(&other.owner, &path).await.refused(404);
    let foreign = till.app.approve(&stranger, &first, &[]).await;
    assert_eq!(foreign.refused(404), "payout.not_found");
}
