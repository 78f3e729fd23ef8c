//! Templates on their way to Meta and back: carried there once, whatever becomes of the answer.

use std::time::Duration;

use commands::effects;
use commands::policies::submit_templates::{SubmitTemplates, Submitter};
use commands::policies::{self, Policy};
use event_store::Clock;
use event_store::subscription::Subscription;
use simulators::graph::{Account, Graph, Rule, Settings, Template};
use simulators::script::{Act, Outcome};

use super::*;
use crate::support::{ACCESS_TOKEN, APP_SECRET, client, graphs};

/// An organisation with Meta at the other end.
pub(super) struct Desk {
    pub(super) app: App,
    pub(super) organization: Organization,
    pub(super) graph: Graph,
    submitter: Submitter,
}

impl Desk {
    pub(super) async fn open() -> Desk {
        Self::open_that(true).await
    }

    /// Meta tells us nothing by itself.
    pub(super) async fn unheard() -> Desk {
        Self::open_that(false).await
    }

    async fn open_that(hears: bool) -> Desk {
        let graph = Graph::start(Settings::default()).unwrap();
        let app = App::start_facing(&graph.url(), Clock::Database).await;
        let organization = app.organization("Baraka").await;
        let webhook = format!("{}/webhooks/whatsapp/{}", app.base_url, organization.channel);
        graph.account(Account {
            line: line(),
            token: ACCESS_TOKEN.into(),
            app_secret: APP_SECRET.into(),
            webhook_url: hears.then_some(webhook),
        });
        let submitter = Submitter::new(app.commands.clone(), graphs(&graph.url()));
        Desk { app, organization, graph, submitter }
    }

    /// Does all that is due, and whatever follows from it.
    pub(super) async fn drive(&self) {
        let store = &self.app.store;
        let policy = SubmitTemplates::new(store.clone());
        let mut at = Subscription::resume(store, SubmitTemplates::NAME, 0).await.unwrap();
        while policies::follow(&self.app.commands, &policy, &mut at).await.unwrap() > 0 {}
        while effects::attempt_due(store, &self.submitter).await.unwrap() > 0 {}
        while self.graph.pending() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.app.settle().await;
    }

    /// Lets the time pass that effects wait for.
    async fn later(&self) {
        self.app.effects_are_due().await;
        self.drive().await;
    }

    pub(super) async fn draft(&self, extras: Value) -> String {
        path(&draft(&self.app, &self.organization, extras).await.expect(201))
    }

    pub(super) async fn submit(&self, path: &str) {
        act(&self.app, &self.organization, path, "submit").await.expect(200);
    }

    async fn remove(&self, path: &str) {
        let key = &self.organization.agent;
        self.app.send(Method::DELETE, key, path, None, &[]).await.expect(200);
    }

    pub(super) async fn shown(&self, path: &str) -> Value {
        shown(&self.app, &self.organization, path).await
    }

    /// Somebody makes a template in Meta's own pages.
    pub(super) async fn made_at_meta(&self, name: &str, language: &str, components: Value) {
        let url = format!("{}/v23.0/{}/message_templates", self.graph.url(), line().account_id);
        let template = json!({
            "name": name, "language": language, "category": "UTILITY", "components": components,
        });
        let made = client().post(url).bearer_auth(ACCESS_TOKEN).json(&template).send().await;
        assert_eq!(made.unwrap().status(), 200);
    }

    /// The only template that Meta has.
    #[track_caller]
    pub(super) fn only(&self) -> Template {
        let [template] = self.graph.templates().try_into().unwrap();
        template
    }

    pub(super) async fn count(&self, event: &str) -> usize {
        self.app.audit(&self.organization, &format!("action=template.{event}")).await.len()
    }
}

#[tokio::test]
async fn a_submitted_template_is_reviewed_by_meta_and_its_verdict_comes_by_webhook() {
    let desk = Desk::open().await;
    let path = desk.draft(json!({"message_send_ttl_seconds": 600})).await;
    desk.submit(&path).await;
    assert_eq!(desk.graph.templates().len(), 0, "nothing leaves with the request");
    desk.drive().await;
    let template = desk.only();
    assert_eq!((template.name.as_str(), template.language.as_str()), ("order_ready", "en_US"));
    assert_eq!((template.category.as_str(), template.status.as_str()), ("UTILITY", "PENDING"));
    let seen = desk.shown(&path).await;
    assert_eq!(seen["status"], "pending");
    assert_eq!(seen["provider_template_id"], json!(template.id));
    let carried = desk.app.audit(&desk.organization, "action=template.Submitted").await;
    assert_eq!(carried[0]["actor"], "policy:submit_templates");
    assert!(desk.graph.approve(&template.id));
    desk.drive().await;
    assert_eq!(desk.shown(&path).await["status"], "approved");
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_rejected_template_is_mended_and_edited_where_it_is() {
    let desk = Desk::open().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let first = desk.only();
    desk.graph.reject(&first.id, "INVALID_FORMAT");
    desk.drive().await;
    let seen = desk.shown(&path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("rejected"), &json!("INVALID_FORMAT"))
    );
    let mended = json!({"components": [{"type": "body", "text": "Your order is here."}]});
    change(&desk.app, &desk.organization, &path, mended).await.expect(200);
    desk.submit(&path).await;
    desk.drive().await;
    let second = desk.only();
    assert_eq!((second.id.as_str(), second.status.as_str()), (first.id.as_str(), "PENDING"));
    assert_eq!(second.components[0]["text"], "Your order is here.");
    assert_eq!(desk.shown(&path).await["status"], "pending");
    assert_eq!(desk.count("Submitted").await, 2);
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_submission_whose_answer_was_lost_is_found_by_its_name_and_not_repeated() {
    for lost in [Outcome::DoneButHungUp, Outcome::DoneButFailed(500)] {
        let desk = Desk::open().await;
        desk.graph.script(Rule::on(Act::Template).kind("post").ends(lost));
        let path = desk.draft(json!({})).await;
        desk.submit(&path).await;
        desk.drive().await;
        assert_eq!(desk.count("Submitted").await, 0, "nobody knows yet");
        desk.later().await;
        let template = desk.only();
        assert_eq!(desk.shown(&path).await["provider_template_id"], json!(template.id));
        desk.later().await;
        assert_eq!((desk.only(), desk.count("Submitted").await), (template, 1));
        assert_eq!(desk.count("SubmissionFailed").await, 0);
    }
}

#[tokio::test]
async fn a_submission_that_never_arrived_is_made_once_that_is_certain() {
    for lost in [Outcome::HungUp, Outcome::Failed(500), Outcome::Refused(80_007)] {
        let desk = Desk::open().await;
        desk.graph.script(Rule::on(Act::Template).kind("post").times(1).ends(lost));
        let path = desk.draft(json!({})).await;
        desk.submit(&path).await;
        desk.drive().await;
        assert_eq!(desk.graph.templates().len(), 0);
        desk.later().await;
        desk.later().await;
        assert_eq!(desk.shown(&path).await["provider_template_id"], json!(desk.only().id));
    }
}

#[tokio::test]
async fn a_server_that_was_killed_in_the_middle_of_a_submission_asks_what_became_of_it() {
    let desk = Desk::open().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let template = desk.only();
    // As if the answer had come and nothing had been recorded.
    let path = desk.draft(json!({"name": "order_late"})).await;
    desk.submit(&path).await;
    let store = &desk.app.store;
    let policy = SubmitTemplates::new(store.clone());
    let mut at = Subscription::resume(store, SubmitTemplates::NAME, 0).await.unwrap();
    while policies::follow(&desk.app.commands, &policy, &mut at).await.unwrap() > 0 {}
    let killed = "update effects set state = 'attempting', lease = gen_random_uuid(), attempts = 1
        where state = 'pending'";
    sqlx::query(killed).execute(&desk.app.db.database.owner).await.unwrap();
    desk.later().await;
    desk.later().await;
    let [first, second] = desk.graph.templates().try_into().unwrap();
    assert_eq!((first.id, second.name.as_str()), (template.id, "order_late"));
    assert_eq!(desk.shown(&path).await["provider_template_id"], json!(second.id));
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_is_known_by_what_the_template_says() {
    let desk = Desk::open().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    desk.graph.approve(&desk.only().id);
    desk.drive().await;
    let lost = || Rule::on(Act::Template).kind("post").times(1);
    desk.graph.script(lost().ends(Outcome::HungUp));
    let mended = json!({"components": [{"type": "body", "text": "Your order is here."}]});
    change(&desk.app, &desk.organization, &path, mended).await.expect(200);
    desk.submit(&path).await;
    desk.drive().await;
    assert_eq!(desk.only().status, "APPROVED", "it never arrived");
    desk.graph.script(lost().ends(Outcome::DoneButHungUp));
    desk.later().await;
    desk.later().await;
    assert_eq!(desk.only().status, "PENDING");
    desk.later().await;
    assert_eq!((desk.count("Submitted").await, desk.count("SubmissionFailed").await), (2, 0));
    assert_eq!(desk.only().components[0]["text"], "Your order is here.");
}

#[tokio::test]
async fn what_meta_denies_is_said_with_its_reason_and_may_be_submitted_again() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Template).kind("post").times(1).refused(132_007));
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let seen = desk.shown(&path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("draft"), &json!("template_policy"))
    );
    assert_eq!(seen["status_detail"], "The content is refused.");
    let failed = desk.app.audit(&desk.organization, "action=template.SubmissionFailed").await;
    assert_eq!(failed[0]["payload"]["SubmissionFailed"]["code"], 132_007);
    desk.submit(&path).await;
    desk.drive().await;
    assert_eq!(desk.shown(&path).await["provider_template_id"], json!(desk.only().id));
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_name_is_given_back_before_it_is_taken_again() {
    let desk = Desk::open().await;
    let first = desk.draft(json!({})).await;
    desk.submit(&first).await;
    desk.drive().await;
    let before = desk.only();
    desk.graph.script(Rule::on(Act::Template).kind("delete").times(1).refused(80_007));
    desk.remove(&first).await;
    let second = desk.draft(json!({})).await;
    desk.submit(&second).await;
    desk.drive().await;
    assert_eq!(desk.only(), before, "the removal waits, and what follows with it");
    desk.later().await;
    let after = desk.only();
    assert_ne!(after.id, before.id);
    assert_eq!(desk.shown(&second).await["provider_template_id"], json!(after.id));
}

#[tokio::test]
async fn what_somebody_made_at_meta_under_the_name_is_not_taken_for_ours() {
    let desk = Desk::open().await;
    let body = |text: &str| json!([{"type": "BODY", "text": text}]);
    desk.made_at_meta("order_ready", "en_US", body("Something else.")).await;
    let ours = desk.draft(json!({})).await;
    desk.submit(&ours).await;
    desk.drive().await;
    let seen = desk.shown(&ours).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("draft"), &json!("template_exists"))
    );
    assert_eq!(seen["provider_template_id"], Value::Null);
    desk.made_at_meta("order_late", "en_US", body("Your order is late.")).await;
    let components = body("Your order is late.");
    let same = desk.draft(json!({"name": "order_late", "components": components})).await;
    desk.submit(&same).await;
    desk.drive().await;
    assert_eq!(desk.shown(&same).await["status"], "pending", "it says the same: it is this one");
    assert_eq!(desk.graph.templates().len(), 2);
}

#[tokio::test]
async fn a_removed_template_is_deleted_at_meta_and_only_that_one() {
    let desk = Desk::open().await;
    let first = desk.draft(json!({})).await;
    let swahili = desk.draft(json!({"language": "sw"})).await;
    let never = desk.draft(json!({"name": "never"})).await;
    for path in [&first, &swahili] {
        desk.submit(path).await;
    }
    desk.drive().await;
    desk.graph.script(Rule::on(Act::Template).kind("delete").times(1).ends(Outcome::DoneButHungUp));
    desk.remove(&first).await;
    desk.remove(&never).await;
    desk.drive().await;
    desk.later().await;
    assert_eq!(desk.only().language, "sw");
    assert_eq!(desk.shown(&first).await["status"], "removed");
    assert_eq!((desk.count("Removed").await, desk.count("Deleted").await), (2, 1));
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_template_that_was_removed_before_its_submission_was_answered_does_not_stay_at_meta() {
    let desk = Desk::open().await;
    desk.graph.script(Rule::on(Act::Template).kind("post").ends(Outcome::DoneButHungUp));
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    desk.remove(&path).await;
    desk.drive().await;
    for _ in 0..3 {
        desk.later().await;
    }
    assert_eq!(desk.graph.templates(), []);
    assert_eq!(desk.count("Deleted").await, 1);
}

#[tokio::test]
async fn a_removal_that_meta_denies_is_said_and_can_be_asked_for_again() {
    let desk = Desk::open().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    desk.graph.script(Rule::on(Act::Template).kind("delete").times(1).refused(100));
    desk.remove(&path).await;
    desk.drive().await;
    let seen = desk.shown(&path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("removed"), &json!("invalid_request"))
    );
    assert_eq!(desk.graph.templates().len(), 1);
    desk.remove(&path).await;
    desk.drive().await;
    assert_eq!(desk.graph.templates(), []);
    assert_eq!(desk.shown(&path).await["status_reason"], Value::Null);
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn without_a_token_a_submission_says_so() {
    let desk = Desk::open().await;
    let tokenless = json!({
        "provider": "whatsapp", "name": "Tokenless", "account_id": "1098", "phone_number_id": "1045",
        "app_secret": APP_SECRET, "verify_token": "made up",
    });
    let channel = desk.app.connect(&desk.organization.owner, tokenless).await;
    let path = desk.draft(json!({"channel_id": channel})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let seen = desk.shown(&path).await;
    assert_eq!(
        (&seen["status"], &seen["status_reason"]),
        (&json!("draft"), &json!("no_access_token"))
    );
}
