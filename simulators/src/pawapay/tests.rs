//! What the pawaPay server is relied on for: that it answers as documented, and that its ledger is
//! true whatever its callers were told.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Pawapay, Rule, Settings};
use crate::rehearsal::{Asker, Ear, until};
use crate::script::{Act, Callbacks, Chaos, Lie, Outcome, Probabilities};

const PAYOUTS: &str = "/v2/payouts";

fn start(ear: Option<&Ear>) -> (Pawapay, Asker) {
    let mut settings = Settings { callback_url: ear.map(Ear::url), ..Settings::default() };
    settings.pace.processing = Duration::from_millis(2);
    settings.pace.settled = Duration::from_millis(4);
    let pawapay = Pawapay::start(settings).unwrap();
    let asker = Asker { url: pawapay.url(), token: "token".into() };
    (pawapay, asker)
}

fn payout(id: &str) -> Value {
    json!({
        "payoutId": id, "amount": "250", "currency": "RWF",
        "recipient": {
            "type": "MMO",
            "accountDetails": {"phoneNumber": "250700000131", "provider": "MTN_MOMO_RWA"},
        },
        "customerMessage": "Refund of A17",
        "clientReferenceId": "A17",
        "metadata": [{"ticket": "17"}, {"customer": "Grace", "isPII": true}],
    })
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

async fn state(asker: &Asker, id: &str) -> String {
    let (_, told) = asker.get(&format!("{PAYOUTS}/{id}")).await;
    told["data"]["status"].as_str().unwrap_or("NOT_FOUND").to_owned()
}

async fn reaches(asker: &Asker, id: &str, wanted: &str) {
    for _ in 0..2000 {
        if state(asker, id).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{id} is {} and not {wanted}", state(asker, id).await);
}

#[tokio::test]
async fn a_payout_is_accepted_paid_and_told() {
    let ear = Ear::open();
    let (pawapay, asker) = start(Some(&ear));
    let id = new_id();
    let (status, answer) = asker.post(PAYOUTS, payout(&id)).await;
    assert_eq!(status, 200);
    let created = answer["created"].as_str().unwrap();
    assert_eq!(answer, json!({"payoutId": id, "status": "ACCEPTED", "created": created}));
    assert!(created.ends_with('Z') && created.len() == 20, "{created}");
    let callback = ear.hears(1).await.remove(0);
    let paid = pawapay.paid();
    assert_eq!(
        callback,
        json!({
            "payoutId": id, "status": "COMPLETED", "amount": "250.00", "currency": "RWF",
            "country": "RWA", "recipient": payout(&id)["recipient"],
            "customerMessage": "Refund of A17", "created": created,
            "providerTransactionId": paid[0].provider_transaction_id,
            "metadata": {"ticket": "17", "customer": "Grace"},
        })
    );
    let (_, mut told) = asker.get(&format!("{PAYOUTS}/{id}")).await;
    assert_eq!(told["status"], "FOUND");
    let data = told["data"].as_object_mut().unwrap();
    assert_eq!(data.remove("clientReferenceId"), Some(json!("A17")));
    assert_eq!(told["data"], callback);
    assert_eq!((paid.len(), paid[0].amount.as_str()), (1, "250"));
    assert_eq!(pawapay.payouts().len(), 1);
}

#[tokio::test]
async fn a_payout_asked_for_again_is_ignored_whatever_else_it_says() {
    let (pawapay, asker) = start(None);
    let id = new_id();
    asker.post(PAYOUTS, payout(&id)).await;
    let mut other = payout(&id.to_uppercase());
    other["amount"] = json!("900");
    assert_eq!(asker.post(PAYOUTS, other).await.1["status"], "DUPLICATE_IGNORED");
    reaches(&asker, &id, "COMPLETED").await;
    let (status, answer) = asker.post(PAYOUTS, payout(&id)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("DUPLICATE_IGNORED")));
    assert_eq!(pawapay.paid().len(), 1);
    assert_eq!(pawapay.paid()[0].amount, "250");
}

#[tokio::test]
async fn what_can_not_be_paid_is_rejected_with_its_code_and_unknown_afterwards() {
    let (pawapay, asker) = start(None);
    pawapay.close("AIRTEL_RWA");
    let details = "/recipient/accountDetails";
    let cases = [
        ("/amount", json!("2.50"), 200, "INVALID_AMOUNT"),
        ("/amount", json!("0"), 200, "AMOUNT_OUT_OF_BOUNDS"),
        ("/amount", json!("-5"), 400, "INVALID_PARAMETER"),
        ("/amount", json!(250), 400, "INVALID_PARAMETER"),
        ("/currency", json!("KES"), 200, "INVALID_CURRENCY"),
        ("/currency", Value::Null, 400, "MISSING_PARAMETER"),
        ("/payoutId", json!("17"), 400, "INVALID_PARAMETER"),
        ("/customerMessage", json!("Ünfit"), 400, "INVALID_PARAMETER"),
        ("/metadata", json!([{"a": "1"}, {"a": "2"}]), 400, "DUPLICATE_METADATA_FIELD"),
        (
            details,
            json!({"phoneNumber": "2507", "provider": "MTN_MOMO_RWA"}),
            200,
            "INVALID_PHONE_NUMBER",
        ),
        (
            details,
            json!({"phoneNumber": "250700000131", "provider": "NOBODY"}),
            200,
            "INVALID_PROVIDER",
        ),
        (
            details,
            json!({"phoneNumber": "250700000131", "provider": "AIRTEL_RWA"}),
            200,
            "PROVIDER_TEMPORARILY_UNAVAILABLE",
        ),
    ];
    for (pointer, value, status, code) in cases {
        let mut asked = payout(&new_id());
        *asked.pointer_mut(pointer).unwrap() = value;
        let (told, answer) = asker.post(PAYOUTS, asked.clone()).await;
        assert_eq!((told, &answer["status"]), (status, &json!("REJECTED")), "{answer}");
        assert_eq!(answer["failureReason"]["failureCode"], code, "{answer}");
        assert_eq!(answer["payoutId"], asked["payoutId"]);
        let id = asked["payoutId"].as_str().unwrap();
        assert_eq!(
            asker.get(&format!("{PAYOUTS}/{id}")).await,
            (200, json!({"status": "NOT_FOUND"}))
        );
    }
    let mut odd = payout(&new_id());
    odd["reason"] = json!("none");
    assert_eq!(
        asker.post(PAYOUTS, odd).await.1["failureReason"]["failureCode"],
        "UNSUPPORTED_PARAMETER"
    );
    assert_eq!(
        asker.post(PAYOUTS, json!("?")).await.1["failureReason"]["failureCode"],
        "INVALID_INPUT"
    );
    assert_eq!(pawapay.payouts(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let (pawapay, mut asker) = start(None);
    asker.token = "stolen".into();
    let (status, answer) = asker.post(PAYOUTS, payout(&new_id())).await;
    assert_eq!((status, &answer["status"]), (403, &json!("REJECTED")));
    assert_eq!(answer["failureReason"]["failureCode"], "AUTHENTICATION_ERROR");
    let (status, answer) = asker.get(&format!("{PAYOUTS}/{}", new_id())).await;
    assert_eq!((status, answer.get("status")), (403, None));
    assert_eq!(pawapay.payouts(), Vec::<Value>::new());
}

#[tokio::test]
async fn money_that_is_not_there_is_not_paid_and_a_failed_payout_gives_its_back() {
    let (pawapay, asker) = start(None);
    assert!(pawapay.fund("RWF", "300"));
    pawapay.script(Rule::on(Act::Pay).times(1).fails("RECIPIENT_NOT_FOUND"));
    let failed = new_id();
    assert_eq!(asker.post(PAYOUTS, payout(&failed)).await.1["status"], "ACCEPTED");
    reaches(&asker, &failed, "FAILED").await;
    let (_, told) = asker.get(&format!("{PAYOUTS}/{failed}")).await;
    assert_eq!(told["data"]["failureReason"]["failureCode"], "RECIPIENT_NOT_FOUND");
    assert!(told["data"].get("providerTransactionId").is_none());
    let paid = new_id();
    assert_eq!(asker.post(PAYOUTS, payout(&paid)).await.1["status"], "ACCEPTED");
    let (_, answer) = asker.post(PAYOUTS, payout(&new_id())).await;
    assert_eq!(answer["failureReason"]["failureCode"], "PAWAPAY_WALLET_OUT_OF_FUNDS");
    reaches(&asker, &paid, "COMPLETED").await;
    assert_eq!(pawapay.paid().len(), 1);
}

#[tokio::test]
async fn payouts_wait_for_a_provider_in_trouble_and_can_be_called_back_meanwhile() {
    let ear = Ear::open();
    let (pawapay, asker) = start(Some(&ear));
    pawapay.delay("MTN_MOMO_RWA");
    let (kept, cancelled) = (new_id(), new_id());
    for id in [&kept, &cancelled] {
        assert_eq!(asker.post(PAYOUTS, payout(id)).await.1["status"], "ACCEPTED");
        reaches(&asker, id, "ENQUEUED").await;
    }
    let path = format!("{PAYOUTS}/fail-enqueued/{cancelled}");
    let done = json!({"payoutId": cancelled, "status": "ACCEPTED"});
    assert_eq!(asker.post(&path, Value::Null).await, (200, done));
    let callback = ear.hears(1).await.remove(0);
    assert_eq!(callback["failureReason"]["failureCode"], "MANUALLY_CANCELLED");
    let (status, answer) = asker.post(&path, Value::Null).await;
    assert_eq!((status, &answer["failureReason"]["failureCode"]), (200, &json!("INVALID_STATE")));
    pawapay.resume("MTN_MOMO_RWA");
    reaches(&asker, &kept, "COMPLETED").await;
    let ids: Vec<String> = pawapay.paid().into_iter().map(|paid| paid.payout_id).collect();
    assert_eq!(ids, [kept]);
}

#[tokio::test]
async fn a_payout_stays_where_it_is_told_until_a_test_ends_it() {
    let (pawapay, asker) = start(None);
    for stays in ["ACCEPTED", "PROCESSING", "IN_RECONCILIATION"] {
        let id = new_id();
        pawapay.script(Rule::on(Act::Pay).about(&id).stays(stays));
        asker.post(PAYOUTS, payout(&id)).await;
        reaches(&asker, &id, stays).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(state(&asker, &id).await, stays);
        assert!(pawapay.complete(&id) && !pawapay.fail(&id, "UNSPECIFIED_FAILURE"));
        assert_eq!(state(&asker, &id).await, "COMPLETED");
    }
    assert_eq!(pawapay.paid().len(), 3);
}

#[tokio::test]
async fn neither_a_500_nor_a_lost_answer_says_whether_money_moves() {
    let (pawapay, asker) = start(None);
    let ends = [
        (Outcome::Failed(500), Some(500), false),
        (Outcome::DoneButFailed(500), Some(500), true),
        (Outcome::HungUp, None, false),
        (Outcome::DoneButHungUp, None, true),
    ];
    for (outcome, answered, done) in ends {
        let id = new_id();
        pawapay.script(Rule::on(Act::Pay).about(&id).times(1).ends(outcome));
        let answer = asker.ask("POST", PAYOUTS, &payout(&id)).await;
        assert_eq!(answer.as_ref().map(|(status, _)| *status), answered);
        if let Some((_, answer)) = answer {
            assert_eq!(answer["failureReason"]["failureCode"], "UNKNOWN_ERROR");
            assert!(answer.get("status").is_none());
        }
        assert_eq!(state(&asker, &id).await != "NOT_FOUND", done, "{outcome:?}");
        let again = if done { "DUPLICATE_IGNORED" } else { "ACCEPTED" };
        assert_eq!(asker.post(PAYOUTS, payout(&id)).await.1["status"], again);
    }
    until(|| pawapay.paid().len() == 4).await;
}

#[tokio::test]
async fn callbacks_repeat_come_out_of_order_and_lie_while_the_status_is_true() {
    let ear = Ear::open();
    let (pawapay, asker) = start(Some(&ear));
    let id = new_id();
    let how =
        Callbacks { lie: Some(Lie::Verdict), copies: 1, reversed: true, ..Callbacks::default() };
    pawapay.script(Rule::on(Act::Pay).about(&id).fails("RECIPIENT_NOT_FOUND").callbacks(how));
    asker.post(PAYOUTS, payout(&id)).await;
    let callbacks = ear.hears(4).await;
    let told = |status: &str| callbacks.iter().filter(|it| it["status"] == status).count();
    assert_eq!((told("COMPLETED"), told("PROCESSING"), told("FAILED")), (2, 2, 0));
    assert_eq!(state(&asker, &id).await, "FAILED");
    assert_eq!(pawapay.paid(), []);
    let done = asker.post(&format!("{PAYOUTS}/resend-callback/{id}"), Value::Null).await;
    assert_eq!(done, (200, json!({"payoutId": id, "status": "ACCEPTED"})));
    assert_eq!(ear.hears(5).await[4]["status"], "FAILED", "what is sent again is the truth");
    let rich = new_id();
    let how = Callbacks { lie: Some(Lie::Amount), ..Callbacks::default() };
    pawapay.script(Rule::on(Act::Pay).about(&rich).callbacks(how));
    asker.post(PAYOUTS, payout(&rich)).await;
    assert_eq!(ear.hears(6).await[5]["amount"], "2500.00");
}

#[tokio::test]
async fn only_what_has_ended_can_be_told_again() {
    let (pawapay, asker) = start(None);
    let id = new_id();
    let code = async |id: &str| {
        let path = format!("{PAYOUTS}/resend-callback/{id}");
        asker.post(&path, Value::Null).await.1["failureReason"]["failureCode"].clone()
    };
    assert_eq!(code(&id).await, "NOT_FOUND");
    pawapay.script(Rule::on(Act::Pay).stays("PROCESSING"));
    asker.post(PAYOUTS, payout(&id)).await;
    assert_eq!(code(&id).await, "INVALID_STATE");
}

#[tokio::test]
async fn the_status_query_can_be_down_too() {
    let (pawapay, asker) = start(None);
    pawapay.script(Rule::on(Act::AskStatus).times(1).ends(Outcome::Failed(503)));
    let path = format!("{PAYOUTS}/{}", new_id());
    assert_eq!(asker.get(&path).await.0, 503);
    assert_eq!(asker.get(&path).await.0, 200);
    pawapay.script(Rule::on(Act::Pay).times(1).refused("PAYOUTS_NOT_ALLOWED"));
    let (status, answer) = asker.post(PAYOUTS, payout(&new_id())).await;
    assert_eq!((status, &answer["status"]), (403, &json!("REJECTED")));
}

#[tokio::test]
async fn in_chaos_a_payout_that_is_asked_for_until_it_is_known_is_paid_once() {
    let ear = Ear::open();
    let (pawapay, asker) = start(Some(&ear));
    pawapay.chaos(Chaos {
        seed: 5,
        probabilities: Probabilities::HOSTILE,
        longest: Duration::from_millis(10),
    });
    let ids: Vec<String> = (0..80).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect();
    let mut asked = 0;
    for id in &ids {
        loop {
            asked += 1;
            match asker.ask("POST", PAYOUTS, &payout(id)).await {
                Some((200, _)) => break,
                _ => continue,
            }
        }
    }
    assert!(asked > ids.len() + 10, "{asked}");
    until(|| pawapay.paid().len() == ids.len() && pawapay.pending() == 0).await;
    let mut paid: Vec<String> = pawapay.paid().into_iter().map(|paid| paid.payout_id).collect();
    paid.sort();
    assert_eq!(paid, ids);
}

#[tokio::test]
async fn what_is_taken_over_from_another_server_is_paid_once_and_asked_for_no_more() {
    let (pawapay, asker) = start(None);
    let id = new_id();
    assert!(pawapay.take_over(&payout(&id)));
    assert!(!pawapay.take_over(&json!({"payoutId": id})));
    reaches(&asker, &id, "COMPLETED").await;
    let (_, answer) = asker.post(PAYOUTS, payout(&id)).await;
    assert_eq!(answer["status"], "DUPLICATE_IGNORED");
    assert_eq!(pawapay.count(), 1);
}
