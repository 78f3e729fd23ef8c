//! Asking Meta how templates stand, where its webhooks did not say, and taking over what is there.

use simulators::graph::Rule;
use simulators::script::{Act, Outcome};

use super::submission::Desk;
use super::*;
use crate::support::{ACCESS_TOKEN, client};

impl Desk {
    async fn sync(&self) -> Answer {
        let channel = json!({"channel_id": self.organization.channel});
        self.app.post(&self.organization.agent, "/v1/templates/sync", channel).await
    }

    async fn synced(&self, path: &str) -> Value {
        act(&self.app, &self.organization, path, "sync").await.expect(200).data()
    }

    /// Somebody deletes a template in Meta's own pages.
    async fn deleted_at_meta(&self, name: &str) {
        let url = format!("{}/v23.0/1097/message_templates?name={name}", self.graph.url());
        let deleted = client().delete(url).bearer_auth(ACCESS_TOKEN).send().await;
        assert_eq!(deleted.unwrap().status(), 200);
    }

    async fn listed(&self) -> Vec<Value> {
        self.app.settle().await;
        let page = self.app.get(&self.organization.agent, "/v1/templates?limit=200").await;
        page.expect(200).data().as_array().unwrap().clone()
    }
}

fn says(text: &str) -> Value {
    json!([{"type": "BODY", "text": text}])
}

#[tokio::test]
async fn templates_that_were_made_at_meta_are_taken_over_once() {
    let desk = Desk::open().await;
    desk.made_at_meta("order_late", "en_US", says("Your order is late.")).await;
    desk.made_at_meta("order_late", "sw", says("Oda yako imechelewa.")).await;
    let id = desk.graph.templates()[0].id.clone();
    desk.graph.approve(&id);
    let told = desk.sync().await.expect(200);
    assert_eq!((&told.data()["seen"], &told.data()["skipped"]), (&json!(2), &json!([])));
    assert_eq!(told.data()["imported"].as_array().unwrap().len(), 2);
    let rows = desk.listed().await;
    let english = rows.iter().find(|row| row["language"] == "en_US").unwrap();
    assert_eq!(
        (&english["status"], &english["provider_template_id"]),
        (&json!("approved"), &json!(id))
    );
    assert_eq!(english["components"], json!([{"type": "body", "text": "Your order is late."}]));
    assert_eq!(english["changed_since_submission"], false);
    let before = desk.app.store.head();
    let again = desk.sync().await.expect(200).data();
    assert_eq!((&again["imported"], &again["updated"]), (&json!([]), &json!([])));
    assert_eq!(desk.app.store.head(), before);
    // From now on Meta's webhooks find it.
    desk.graph.pause(&id);
    desk.drive().await;
    let path = format!("{TEMPLATES}/{}", english["id"].as_str().unwrap());
    assert_eq!(desk.shown(&path).await["status"], "paused");
    let taken = desk.app.audit(&desk.organization, "action=template.Imported").await;
    assert_eq!(taken[0]["actor"], format!("user:{}", desk.organization.agent_id));
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn a_sync_that_is_repeated_under_its_key_asks_nobody_again() {
    let desk = Desk::open().await;
    let channel = json!({"channel_id": desk.organization.channel});
    let (agent, with) = (&desk.organization.agent, [("idempotency-key", "sync-1")]);
    let path = "/v1/templates/sync";
    let sync = || desk.app.send(Method::POST, agent, path, Some(channel.clone()), &with);
    let first = sync().await.expect(200);
    desk.made_at_meta("order_late", "en_US", says("Your order is late.")).await;
    let again = sync().await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    assert!(desk.listed().await.is_empty());
}

#[tokio::test]
async fn what_no_webhook_told_is_found_out_by_asking() {
    let desk = Desk::unheard().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let id = desk.only().id;
    assert_eq!(desk.synced(&path).await["status"], "pending");
    desk.graph.approve(&id);
    desk.graph.quality(&id, "YELLOW");
    desk.graph.recategorise(&id, "MARKETING");
    let told = desk.sync().await.expect(200);
    let seen = desk.app.get_since(&told, &desk.organization.auditor, &path).await.expect(200);
    assert_eq!(told.data()["updated"], json!([seen.data()["id"]]));
    let seen = seen.data();
    assert_eq!((&seen["status"], &seen["quality"]), (&json!("approved"), &json!("YELLOW")));
    assert_eq!(seen["category"], "marketing");
    desk.graph.pause(&id);
    assert_eq!(desk.synced(&path).await["status"], "paused");
    let before = desk.app.store.head();
    desk.synced(&path).await;
    assert_eq!(desk.app.store.head(), before, "nothing is different any more");
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn what_is_gone_at_meta_is_removed_here_and_drafts_stay() {
    let desk = Desk::unheard().await;
    let gone = desk.draft(json!({})).await;
    desk.submit(&gone).await;
    let draft = desk.draft(json!({"name": "order_late"})).await;
    desk.drive().await;
    desk.deleted_at_meta("order_ready").await;
    let told = desk.sync().await.expect(200).data();
    assert_eq!((&told["seen"], told["updated"].as_array().unwrap().len()), (&json!(0), 1));
    assert_eq!(desk.shown(&gone).await["status"], "removed");
    assert_eq!(desk.synced(&draft).await["status"], "draft");
    // Its name is free, here and there.
    desk.draft(json!({})).await;
    assert_eq!(desk.synced(&gone).await["status"], "removed");
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn words_that_were_changed_at_meta_are_shown_here() {
    let desk = Desk::unheard().await;
    let path = desk.draft(json!({})).await;
    desk.submit(&path).await;
    desk.drive().await;
    let id = desk.only().id;
    desk.graph.reject(&id, "INVALID_FORMAT");
    let url = format!("{}/v23.0/{id}", desk.graph.url());
    let edit = json!({"components": says("Come and get it.")});
    let edited = client().post(url).bearer_auth(ACCESS_TOKEN).json(&edit).send().await.unwrap();
    assert_eq!(edited.status(), 200);
    let told = desk.synced(&path).await;
    assert_eq!(told["components"], json!([{"type": "body", "text": "Come and get it."}]));
    assert_eq!(desk.shown(&path).await["components"], told["components"]);
    desk.app.assert_verified().await;
}

#[tokio::test]
async fn all_pages_of_metas_list_are_read() {
    let desk = Desk::unheard().await;
    for number in 0..101 {
        desk.made_at_meta(&format!("number_{number}"), "en_US", says("Hello.")).await;
    }
    let told = desk.sync().await.expect(200).data();
    assert_eq!(told["seen"], 101);
    assert_eq!(desk.listed().await.len(), 101);
}

#[tokio::test]
async fn a_draft_that_bears_the_name_is_the_template_and_one_that_is_unknown_here_is_named() {
    let desk = Desk::unheard().await;
    let ours = desk.draft(json!({})).await;
    desk.made_at_meta("order_ready", "en_US", says("Theirs.")).await;
    desk.made_at_meta("sale", "en_US", says("A sale.")).await;
    let sale = desk.graph.templates()[1].id.clone();
    desk.graph.archive(&sale);
    let told = desk.sync().await.expect(200).data();
    assert_eq!(told["imported"], json!([]));
    assert_eq!(told["skipped"][0]["name"], "sale");
    assert_eq!(told["skipped"][0]["reason"], "it is ARCHIVED at Meta");
    let seen = desk.shown(&ours).await;
    assert_eq!(
        (&seen["status"], &seen["changed_since_submission"]),
        (&json!("pending"), &json!(true))
    );
    assert_ne!(seen["components"], says("Theirs."), "what was written here is newer");
}

#[tokio::test]
async fn whoever_may_not_ask_and_whatever_is_not_answered_is_said() {
    let desk = Desk::open().await;
    let other = desk.app.organization("Elsewhere").await;
    let foreign = json!({"channel_id": other.channel});
    let path = desk.draft(json!({})).await;
    let ask = async |body: Value| {
        desk.app.post(&desk.organization.agent, "/v1/templates/sync", body).await
    };
    assert_eq!(ask(foreign).await.refused(422), "channel.not_found");
    assert_eq!(ask(json!({})).await.refused(422), "request.invalid");
    let own = json!({"channel_id": desk.organization.channel});
    let auditor =
        desk.app.post(&desk.organization.auditor, "/v1/templates/sync", own.clone()).await;
    assert_eq!(auditor.refused(403), "permission.denied");
    let absent = act(&desk.app, &other, &path, "sync").await;
    assert_eq!(absent.refused(404), "template.not_found");
    for (outcome, status, code) in [
        (Outcome::Refused(190), 409, "whatsapp.not_permitted"),
        (Outcome::Refused(80_007), 503, "whatsapp.busy"),
        (Outcome::Refused(100), 422, "whatsapp.refused"),
        (Outcome::HungUp, 502, "whatsapp.unclear"),
    ] {
        desk.graph.script(Rule::on(Act::Template).times(1).ends(outcome));
        let refused = ask(own.clone()).await;
        assert_eq!(refused.refused(status), code, "{outcome:?}");
    }
    let nowhere = App::start().await;
    let organization = nowhere.organization("Baraka").await;
    let own = json!({"channel_id": organization.channel});
    let refused = nowhere.post(&organization.agent, "/v1/templates/sync", own).await;
    assert_eq!(refused.refused(503), "whatsapp.unreachable");
    assert_eq!(refused.header("retry-after"), "5");
}
