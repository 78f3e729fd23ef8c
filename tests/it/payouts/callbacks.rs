//! What PawaPay calls back: it only makes us ask sooner, and a wrong signature not even that.

use reqwest::Method;
use serde_json::json;
use simulators::pawapay::Rule;
use simulators::script::{Act, Callbacks, Lie};
use uuid::Uuid;

use super::till::Till;
use crate::support::till_account;

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
async fn a_callback_that_can_not_be_read_or_is_about_nothing_is_refused() {
    let till = Till::open().await;
    let id = till.requested().await;
    for body in [json!([]), json!({"status": "COMPLETED"}), json!("x")] {
        assert_eq!(till.callback(&body).await.refused(400), "webhook.malformed");
    }
    let unknown = json!({"payoutId": Uuid::now_v7(), "status": "COMPLETED"});
    assert_eq!(till.callback(&unknown).await.refused(404), "not_found");
    let other = till.app.organization("Other").await;
    let path = format!("/webhooks/pawapay/{}", other.pawapay);
    let foreign = json!({"payoutId": id, "status": "COMPLETED"});
    till.app.post("", &path, foreign.clone()).await.refused(404);
    let line = format!("/webhooks/pawapay/{}", till.organization.channel);
    till.app.post("", &line, foreign.clone()).await.refused(404);
    let second = till.app.connect(&till.organization.owner, till_account()).await;
    let path = format!("/webhooks/pawapay/{second}");
    till.app.post("", &path, foreign.clone()).await.refused(404);
    till.callback(&foreign).await.expect(200);
    till.drive().await;
    assert_eq!(till.status(&id).await, "requested");
}

#[tokio::test]
async fn a_signed_callback_is_checked_and_a_forged_one_is_refused() {
    let till = Till::open().await;
    let id = till.approved().await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "completed");
    let posted = till.pawapay.posted();
    assert!(!posted.is_empty() && posted.iter().all(|it| (it.tries, it.status) == (1, Some(200))));
    let body = json!({"payoutId": id, "status": "FAILED"});
    let path = format!("/webhooks/pawapay/{}", till.organization.pawapay);
    let forged = [
        ("content-digest", "sha-256=:AAAA:"),
        ("signature", "sig-pp=:AAAA:"),
        ("signature-input", "sig-pp=(\"@method\" \"@path\" \"content-digest\")"),
    ];
    for headers in [&forged[..], &forged[1..], &forged[1..2]] {
        let answer = till.app.send(Method::POST, "", &path, Some(body.clone()), headers).await;
        assert_eq!(answer.refused(401), "webhook.signature");
    }
    till.app
        .patch(&till.organization.owner, &till.account(), json!({"callback_public_key": null}))
        .await
        .expect(200);
    let unchecked = till.app.send(Method::POST, "", &path, Some(body), &forged).await;
    assert_eq!(unchecked.expect(200).data()["news"], true);
    till.drive().await;
    assert_eq!(till.payout(&id).await["contradicted"], false);
}

#[tokio::test]
async fn news_of_other_money_is_taken_and_changes_nothing() {
    let till = Till::open().await;
    let head = till.app.store.head();
    for kind in ["depositId", "refundId", "remittanceId"] {
        let told = till.callback(&json!({kind: Uuid::now_v7(), "status": "COMPLETED"})).await;
        assert_eq!(told.expect(200).data()["news"], false);
    }
    assert_eq!(till.app.store.head(), head);
}
