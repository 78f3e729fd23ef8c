//! Changing a payout: whoever approves approves what will be sent, and nothing else.

use serde_json::{Value, json};

use super::till::Till;
use crate::support::Answer;

impl Till {
    async fn revise(&self, key: &str, id: &str, change: Value) -> Answer {
        self.app.patch(key, &format!("/v1/payouts/{id}"), change).await
    }

    async fn approve_as_seen(&self, id: &str, etag: &str) -> Answer {
        self.app.approve(&self.approver, id, &[("if-match", etag)]).await
    }
}

#[tokio::test]
async fn a_change_makes_the_approval_void_and_only_what_is_approved_anew_is_paid() {
    let till = Till::open().await;
    let id = till.approved().await;
    let change = json!({"amount": 3100, "recipient": {"phone": "+250 788 000 144"}});
    let revised = till.revise(&till.organization.agent, &id, change).await.expect(200);
    let told = revised.data();
    assert_eq!((&told["status"], &told["approved_by"]), (&json!("requested"), &Value::Null));
    assert_eq!((&told["amount"], &told["revision"]), (&json!(3100), &json!(1)));
    till.later().await;
    let shown = till.payout(&id).await;
    assert_eq!((&shown["status"], &shown["approved_at"]), (&json!("requested"), &Value::Null));
    assert_eq!(shown["recipient"]["phone"], "250788000144");
    assert_eq!(shown["reason"], "Refund of A17");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
    let unseen = till.approve(&id).await;
    assert_eq!(unseen.refused(428), "payout.revised");
    let stale = till.approve_as_seen(&id, "\"2\"").await;
    assert_eq!(stale.refused(412), "precondition.version");
    till.approve_as_seen(&id, revised.header("etag")).await.expect(200);
    for _ in 0..2 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "completed");
    let paid = till.pawapay.paid().pop().unwrap();
    assert_eq!((paid.amount.as_str(), paid.phone_number.as_str()), ("3100", "250788000144"));
    till.assert_paid_once(&id);
    till.app.assert_verified().await;
}

#[tokio::test]
async fn only_who_asked_changes_a_payout_and_only_before_it_is_submitted() {
    let till = Till::open().await;
    let id = till.requested().await;
    let more = || json!({"amount": 3100});
    let others = till.revise(&till.organization.owner, &id, more()).await;
    assert_eq!(others.refused(403), "payout.not_requester");
    let auditor = till.revise(&till.organization.auditor, &id, more()).await;
    assert_eq!(auditor.refused(403), "permission.denied");
    let same = json!({"amount": 2500, "currency": "RWF", "provider": "MTN_MOMO_RWA"});
    let same = till.revise(&till.organization.agent, &id, same).await.expect(200);
    assert_eq!(same.header("etag"), "\"1\"");
    for (change, code) in [
        (json!({"amount": 0}), "payout.invalid_amount"),
        (json!({"currency": "XAU"}), "payout.invalid_currency"),
        (json!({"provider": "mtn"}), "payout.invalid_provider"),
        (json!({"recipient": {"phone": "12"}}), "contact.invalid_phone"),
        (json!({"reason": ""}), "payout.invalid_reason"),
        (json!({"channel_id": till.organization.channel}), "payout.unknown_channel"),
        (json!({"amount": null}), "request.invalid"),
        (json!({"requested_by": "me"}), "request.invalid"),
    ] {
        let refused = till.revise(&till.organization.agent, &id, change).await;
        assert_eq!(refused.refused(422), code);
    }
    till.approve(&id).await.expect(200);
    till.drive().await;
    let late = till.revise(&till.organization.agent, &id, more()).await;
    assert_eq!(late.refused(409), "payout.too_late");
    let other = till.app.organization("Other").await;
    let foreign = till.revise(&other.agent, &id, more()).await;
    assert_eq!(foreign.refused(404), "payout.not_found");
}
