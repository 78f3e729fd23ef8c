//! Payouts of which nobody knows what became: asked about by hand, and settled by an owner who has
//! evidence.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commands::{Meta, access, setup};
use domain::Actor;
use domain::aggregate::Role;
use event_store::{Clock, log};
use serde_json::{Value, json};
use simulators::pawapay::Rule;
use simulators::script::{Act, Callbacks, Outcome};

use super::till::{Till, refund};
use crate::support::Answer;

/// A till whose hours pass at a word.
struct Hours {
    till: Till,
    clock: Arc<RwLock<Option<DateTime<Utc>>>>,
}

impl Hours {
    async fn begin() -> Hours {
        let clock = Arc::new(RwLock::new(Some(Utc::now())));
        let till = Till::at(Clock::Told(clock.clone()), Duration::ZERO).await;
        Hours { till, clock }
    }

    fn pass(&self, hours: i64) {
        let mut clock = self.clock.write().unwrap();
        *clock = clock.map(|time| time + TimeDelta::hours(hours));
    }

    /// PawaPay never takes it, and nobody can know.
    async fn lost(&self) -> String {
        self.till.pawapay.script(Rule::on(Act::Pay).ends(Outcome::HungUp));
        let id = self.till.approved().await;
        self.till.drive().await;
        assert_eq!(self.till.status(&id).await, "unknown");
        id
    }

    async fn settle(&self, key: &str, id: &str, outcome: &str) -> Answer {
        let body = json!({
            "outcome": outcome,
            "evidence": "PawaPay's statement of March, line 7: 250788000131 got 2,500",
            "reason": "Their support answers no more",
        });
        self.till.app.post(key, &format!("/v1/payouts/{id}/settle"), body).await
    }
}

impl Till {
    async fn check(&self, id: &str) -> Answer {
        let path = format!("/v1/payouts/{id}/check");
        self.app.post(&self.organization.agent, &path, Value::Null).await
    }
}

#[tokio::test]
async fn an_owner_says_on_evidence_how_an_unknown_payout_ended() {
    let hours = Hours::begin().await;
    let (till, owner) = (&hours.till, &hours.till.organization.owner);
    let id = hours.lost().await;
    assert_eq!(hours.settle(owner, &id, "completed").await.refused(409), "payout.too_early");
    hours.pass(2);
    for key in [&till.organization.agent, &till.organization.auditor] {
        let denied = hours.settle(key, &id, "completed").await;
        assert_eq!(denied.refused(403), "permission.denied");
    }
    let settled = hours.settle(owner, &id, "completed").await.expect(200);
    assert_eq!(settled.data()["status"], "completed");
    let shown = till.payout(&id).await;
    assert_eq!(shown["status"], "completed");
    assert!(shown["settlement"]["evidence"].as_str().unwrap().contains("line 7"));
    assert!(shown["settlement"]["by"].is_string() && shown["ended_at"].is_string());
    let pool = till.app.store.worker();
    let events = log::page(pool, 0, i64::MAX, 1000).await.unwrap();
    let settled = events.iter().find(|event| event.event_type == "Settled").unwrap();
    assert!(!settled.payload.contains("250788000131"));
    let again = hours.settle(owner, &id, "failed").await;
    assert_eq!(again.refused(409), "payout.not_unknown");
    till.pawapay.calm();
    till.later().await;
    assert_eq!(till.effect(&id).await.0, "done");
    assert_eq!(till.pawapay.payouts(), Vec::<Value>::new(), "what is settled is not submitted");
    till.app.assert_verified().await;
}

#[tokio::test]
async fn who_asked_for_it_or_has_no_evidence_settles_nothing() {
    let hours = Hours::begin().await;
    let till = &hours.till;
    till.pawapay.script(Rule::on(Act::Pay).ends(Outcome::HungUp));
    let asked = till.request(&till.organization.owner, refund()).await.expect(201).data();
    let id = asked["id"].as_str().unwrap();
    let meta = Meta::new(till.organization.id, Actor::System);
    let (commands, tenant) = (&till.app.commands, till.organization.id);
    let user = setup::register_user(commands, tenant, "Second", Role::Owner).await.unwrap();
    let second = access::issue(commands, &meta, user, Role::Owner, "second owner").await;
    let second = second.unwrap();
    let account = till.app.sign_in(tenant, user).await;
    till.app.approve(&account, id, &[]).await.expect(200);
    till.drive().await;
    hours.pass(2);
    let own = hours.settle(&till.organization.owner, id, "completed").await;
    assert_eq!(own.refused(403), "payout.own_payout");
    let path = format!("/v1/payouts/{id}/settle");
    let good = json!({"outcome": "failed", "evidence": "Their letter", "reason": "Closed"});
    for (field, value, code) in [
        ("evidence", json!(" "), "payout.invalid_evidence"),
        ("reason", json!(""), "payout.invalid_reason"),
        ("outcome", json!("unknown"), "request.invalid"),
        ("evidence", Value::Null, "request.invalid"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        assert_eq!(till.app.post(&second, &path, body).await.refused(422), code);
    }
    till.app.post(&second, &path, good).await.expect(200);
    let failed = till.payout(id).await;
    assert_eq!((&failed["status"], &failed["failure"]), (&json!("failed"), &Value::Null));
    let unknown = format!("/v1/payouts/{}/settle", uuid::Uuid::now_v7());
    let good = json!({"outcome": "failed", "evidence": "Their letter", "reason": "Closed"});
    assert_eq!(till.app.post(&second, &unknown, good).await.refused(404), "payout.not_found");
}

#[tokio::test]
async fn what_the_provider_says_later_against_a_persons_word_is_noticed() {
    let hours = Hours::begin().await;
    let till = &hours.till;
    let silence = Callbacks { withheld: true, ..Callbacks::default() };
    let paid = Rule::on(Act::Pay).ends(Outcome::DoneButHungUp).callbacks(silence);
    till.pawapay.script(paid);
    till.pawapay.script(Rule::on(Act::AskStatus).ends(Outcome::Failed(500)));
    let id = till.approved().await;
    till.drive().await;
    hours.pass(2);
    hours.settle(&till.organization.owner, &id, "failed").await.expect(200);
    till.pawapay.calm();
    assert_eq!(till.check(&id).await.expect(202).data()["status"], "failed");
    till.drive().await;
    let shown = till.payout(&id).await;
    assert_eq!((&shown["status"], &shown["contradicted"]), (&json!("failed"), &json!(true)));
    assert_eq!(till.effect(&id).await.0, "dead");
    till.assert_paid_once(&id);
}

#[tokio::test]
async fn the_provider_is_asked_when_somebody_wants_to_know() {
    let till = Till::open().await;
    let silence = Callbacks { withheld: true, ..Callbacks::default() };
    till.pawapay.script(Rule::on(Act::Pay).ends(Outcome::DoneButHungUp).callbacks(silence));
    let id = till.requested().await;
    assert_eq!(till.check(&id).await.refused(409), "payout.not_submitted");
    till.approve(&id).await.expect(200);
    till.drive().await;
    // As if it had been asked for in vain so often that it is asked rarely.
    let rarely = "update effects set due_at = clock_timestamp() + interval '1 hour'";
    sqlx::query(rarely).execute(&till.app.db.database.owner).await.unwrap();
    till.drive().await;
    assert_eq!(till.status(&id).await, "unknown");
    assert_eq!(till.check(&id).await.expect(202).data()["status"], "unknown");
    till.drive().await;
    assert_eq!(till.status(&id).await, "completed");
    assert_eq!(till.check(&id).await.expect(202).data()["status"], "completed");
    till.drive().await;
    assert_eq!(till.effect(&id).await.0, "done");
    let denied = format!("/v1/payouts/{id}/check");
    let auditor = till.app.post(&till.organization.auditor, &denied, Value::Null).await;
    assert_eq!(auditor.refused(403), "permission.denied");
}
