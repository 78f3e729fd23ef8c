//! What PawaPay makes of a payout, and what is known of it when PawaPay goes wrong.

use std::time::Duration;

use commands::effects;
use serde_json::{Value, json};
use simulators::pawapay::Rule;
use simulators::script::{Act, Callbacks, Chaos, Outcome, Probabilities};

use super::till::{Till, payer};

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
async fn a_request_that_was_lost_is_made_again_under_the_same_id() {
    let till = Till::patient(Duration::from_secs(300)).await;
    till.pawapay.script(Rule::on(Act::Pay).times(1).ends(Outcome::HungUp));
    let id = till.approved().await;
    till.drive().await;
    assert_eq!(till.status(&id).await, "unknown");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new());
    for _ in 0..3 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "completed");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn a_rejection_is_final_only_when_no_earlier_request_can_still_arrive() {
    let mut till = Till::patient(Duration::from_secs(300)).await;
    till.pawapay.script(Rule::on(Act::Pay).times(1).ends(Outcome::HungUp));
    till.pawapay.script(Rule::on(Act::Pay).refused("AMOUNT_OUT_OF_BOUNDS"));
    let id = till.approved().await;
    for _ in 0..4 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "unknown");
    till.payer = payer(&till.app, &till.pawapay, Duration::ZERO);
    for _ in 0..2 {
        till.later().await;
    }
    assert_eq!(till.status(&id).await, "failed");
    assert_eq!(till.pawapay.paid(), []);
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
